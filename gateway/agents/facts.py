"""What an agent tells about its machine."""

import importlib.metadata
import platform
import shutil

import psutil

from gateway.agents import processes
from gateway.agents.desk import AgentFacts
from gateway.tasks.script import INTERPRETERS

_DISTRIBUTION = "dispatcher-gateway"
_OTHER_PROGRAMS = {"python": ("python3", "python")}


def gather(name: str, max_runs: int, *, embedded: bool) -> AgentFacts:
    """The facts of this machine, for an agent of this name that does so many runs at once."""
    return AgentFacts(
        name=name,
        platform=platform.system().lower(),
        version=_version(),
        boot_id=processes.boot_id(),
        addresses=_addresses(),
        capabilities=tuple(filter(_present, INTERPRETERS)),
        max_runs=max_runs,
        embedded=embedded,
    )


def _version() -> str:
    try:
        return importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unpackaged"


def _present(interpreter: str) -> bool:
    return any(map(shutil.which, _OTHER_PROGRAMS.get(interpreter, (interpreter,))))


def _addresses() -> tuple[str, ...]:
    """Where the machine can be reached: no loopback, no link-local addresses."""
    families = psutil.net_if_addrs().values()
    addresses = {entry.address for entries in families for entry in entries if _is_ip(entry)}
    return tuple(sorted(addresses))


def _is_ip(entry: object) -> bool:
    family = getattr(getattr(entry, "family", None), "name", "")
    address = str(getattr(entry, "address", ""))
    local = address.startswith(("127.", "169.254.", "fe80:")) or address == "::1"
    return family in ("AF_INET", "AF_INET6") and not local
