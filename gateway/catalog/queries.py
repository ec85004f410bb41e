"""Questions that users ask of documents: JSON paths (RFC 9535) and XPath 1.0.

Neither library is loaded before it is needed. A question can still take long, since both languages
allow loops within loops; who asks does so where it can be left (``gateway.agents.captures``).
"""

import functools
import json
from collections.abc import Callable
from typing import Any, NoReturn

from gateway.catalog import patterns

MAX_EXPRESSION = 1000


class QueryError(ValueError):
    """A question that cannot be asked, or not of this text; the message says why."""


def check_json_path(expression: str) -> None:
    """Raise QueryError unless this is a JSON path."""
    _json_path(expression)


def check_xpath(expression: str) -> None:
    """Raise QueryError unless this is an XPath."""
    _check_length(expression)
    from lxml import etree  # noqa: PLC0415  (see above)

    try:
        etree.XPath(expression, regexp=False)
    except etree.XPathError as error:
        raise QueryError(f"{expression!r} is no XPath: {error}") from error


def by_json_path(expression: str, document: bytes) -> str | None:
    """The first value that the path finds, as text; None for nothing, and for ``null``.

    Texts are taken as they are, numbers, lists and objects as JSON. Raises QueryError.
    """
    compiled = _json_path(expression)
    from jsonpath_rfc9535 import JSONPathError  # noqa: PLC0415  (see above)

    try:
        value = json.loads(document, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise QueryError("it is not JSON") from error
    try:
        node = compiled.find_one(value)
    except (JSONPathError, RecursionError) as error:
        raise QueryError(f"{expression!r} cannot be asked of it: {error}") from error
    return None if node is None or node.value is None else _as_text(node.value)


def by_xpath(expression: str, document: bytes) -> str | None:
    """What the path finds, as text: of an element all text in it, of several the first.

    Prefixes are those of the document's root element. Raises QueryError.
    """
    _check_length(expression)
    from lxml import etree  # noqa: PLC0415  (see above)

    from gateway.wire import xml  # noqa: PLC0415  (it loads lxml)
    from gateway.wire.errors import XmlError  # noqa: PLC0415

    try:
        root = xml.parse(document)
    except XmlError as error:
        raise QueryError(f"it is not XML that can be read: {error}") from error
    prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    try:
        # Without the regular expressions of EXSLT, which backtrack.
        asked = etree.XPath(expression, namespaces=prefixes, regexp=False, smart_strings=False)
        found = asked(root)
    except etree.XPathError as error:
        raise QueryError(f"{expression!r} cannot be asked of it: {error}") from error
    return _of_nodes(found) if isinstance(found, list) else _as_text(found)


def _check_length(expression: str) -> None:
    if len(expression) > MAX_EXPRESSION:
        raise QueryError(
            f"the expression has {len(expression)} characters, {MAX_EXPRESSION} are allowed"
        )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _of_nodes(nodes: list[Any]) -> str | None:
    if not nodes:
        return None
    first = nodes[0]
    return first if isinstance(first, str) else "".join(first.itertext())


@functools.lru_cache(maxsize=256)
def _json_path(expression: str) -> Any:
    _check_length(expression)
    from jsonpath_rfc9535 import JSONPathError  # noqa: PLC0415  (see above)

    try:
        return _environment().compile(expression)
    except (JSONPathError, RecursionError) as error:
        raise QueryError(f"{expression!r} is no JSON path (RFC 9535): {error}") from error


@functools.cache
def _environment() -> Any:
    """The library's own, but its patterns are matched by an engine that cannot backtrack."""
    from jsonpath_rfc9535 import JSONPathEnvironment  # noqa: PLC0415  (see above)
    from jsonpath_rfc9535.function_extensions import (  # noqa: PLC0415
        ExpressionType,
        FilterFunction,
    )

    class Matching(FilterFunction):
        """``match`` or ``search``: what is no text or no pattern is not found."""

        arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012  (the library's)
        return_type = ExpressionType.LOGICAL

        def __init__(self, frame: Callable[[str], str]) -> None:
            self._frame = frame

        def __call__(self, text: object, pattern: object) -> bool:
            """Whether the text has what the pattern says."""
            if not isinstance(text, str) or not isinstance(pattern, str):
                return False
            try:
                return patterns.matches(self._frame(pattern), text)
            except patterns.PatternError:
                return False

    environment = JSONPathEnvironment()
    # In this mode a dot stands for neither line end, as in I-Regexp (RFC 9485).
    environment.function_extensions["match"] = Matching(lambda pattern: f"(?R)^(?:{pattern})$")
    environment.function_extensions["search"] = Matching(lambda pattern: f"(?R){pattern}")
    return environment
