"""Which variables of the agent's environment its tasks inherit.

A chosen list: the server's own environment holds passwords and settings that are no task's
business.
"""

import os
from collections.abc import Iterable, Mapping

_NAMES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        # Windows programs do not even start without some of these.
        "ALLUSERSPROFILE", "APPDATA", "COMSPEC", "COMPUTERNAME", "HOMEDRIVE", "HOMEPATH",
        "LOCALAPPDATA", "NUMBER_OF_PROCESSORS", "OS", "PATHEXT", "PROCESSOR_ARCHITECTURE",
        "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "PSMODULEPATH", "PUBLIC",
        "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERDOMAIN", "USERNAME", "USERPROFILE",
        "WINDIR",
    }
)  # fmt: skip
_PREFIXES = ("LC_",)
# What Python and a packed program need to find themselves again.
_INTERPRETER_NAMES = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH"})


def inherited(
    further: Iterable[str] = (), environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The part of an environment that tasks are given; ``further`` are names that a site adds."""
    added = {name.upper() for name in further}
    return {
        name: value
        for name, value in environment.items()
        if name.upper() in added or _passes(name.upper())
    }


def for_supervisor(
    further: Iterable[str] = (), environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The part of the server's environment that the child supervisor is given."""
    own = {name: environment[name] for name in _INTERPRETER_NAMES if name in environment}
    return {**inherited(further, environment), **own}


def _passes(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)
