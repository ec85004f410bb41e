"""Spyne 2.14.0, made importable on Python 3.11 to 3.13, and the parts of it that are used.

Spyne has had no release since 2022. Two things in it no longer import: its own copy of ``six``
loads ``six.moves`` through an importer of a kind that Python 3.12 dropped, and two modules import
``cgi``, which Python 3.13 dropped, for ``cgi.parse_header``. Both are mended from outside.

Only this module imports Spyne; ``soap`` and ``soap_models`` beside it use what it gives.
"""

import contextlib
import importlib.abc
import importlib.machinery
import logging
import sys
import types
import warnings
from collections.abc import Iterator, Sequence

from werkzeug import http

_MOVES = "spyne.util.six.moves"


class _SixMovesFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``six.moves`` the way Python 3.12 asks, and loads it through Spyne's own importer."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the signature is Python's
        target: types.ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _MOVES and not fullname.startswith(f"{_MOVES}."):
            return None
        importer = sys.modules["spyne.util.six"]._importer
        if fullname not in importer.known_modules:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, is_package=importer.is_package(fullname)
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        loaded: types.ModuleType = sys.modules["spyne.util.six"]._importer.load_module(spec.name)
        return loaded

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: the importer has done all in create_module."""


@contextlib.contextmanager
def _importable() -> Iterator[None]:
    """Let Spyne be imported, without leaving a false ``cgi`` behind for others to find."""
    # It stays: some of Spyne's modules import from six.moves only when they are used.
    sys.meta_path.append(_SixMovesFinder())
    real = sys.modules.get("cgi")
    stand_in = types.ModuleType("cgi")
    stand_in.__dict__["parse_header"] = http.parse_options_header
    sys.modules["cgi"] = stand_in
    try:
        # Invalid escapes in its source, and importers of old: nothing that we could mend.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if real is None:
            del sys.modules["cgi"]
        else:
            sys.modules["cgi"] = real


with _importable():
    import spyne.const
    from spyne import Application, ServiceBase, rpc
    from spyne.interface.wsdl import Wsdl11
    from spyne.model import (
        Boolean,
        ByteArray,
        ComplexModel,
        DateTime,
        Integer32,
        Integer64,
        Unicode,
    )
    from spyne.model.complex import Array
    from spyne.model.enum import Enum
    from spyne.model.fault import Fault
    from spyne.protocol.soap import Soap11
    from spyne.util import six

# Python 3.11 would warn at every import that fails, until our finder stands in for this one.
sys.meta_path.remove(six._importer)

# Spyne collects garbage by force once a second, on the request's time (13 to 80 ms); Python's
# own collector does all that is needed.
spyne.const.MIN_GC_INTERVAL = float("inf")

# It logs clients' mistakes as errors with a traceback, bodies included. What is worth a line is
# logged by our side, once.
logging.getLogger("spyne").setLevel(logging.CRITICAL + 1)

__all__ = [
    "Application",
    "Array",
    "Boolean",
    "ByteArray",
    "ComplexModel",
    "DateTime",
    "Enum",
    "Fault",
    "Integer32",
    "Integer64",
    "ServiceBase",
    "Soap11",
    "Unicode",
    "Wsdl11",
    "rpc",
]
