"""What an agent tells about its machine."""

import importlib.metadata
import platform
import re
import shutil
import zoneinfo
from pathlib import Path

import psutil
import tzlocal

from gateway.agents import processes
from gateway.agents.desk import AgentFacts, AgentHealth
from gateway.tasks.script import INTERPRETERS

_DISTRIBUTION = "dispatcher-gateway"
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_OTHER_PROGRAMS = {"python": ("python3", "python")}


def gather(
    name: str,
    max_runs: int,
    *,
    embedded: bool,
    time_zone: str | None = None,
    folder: Path | None = None,
) -> AgentFacts:
    """The facts of this machine, for an agent of this name that does so many runs at once.

    ``time_zone`` is given where the agent's is not to be the machine's; ``folder`` is that of its
    runs.
    """
    return AgentFacts(
        name=name,
        platform=platform.system().lower(),
        version=_version(),
        boot_id=processes.boot_id(),
        addresses=_addresses(),
        capabilities=tuple(filter(_present, INTERPRETERS)),
        max_runs=max_runs,
        embedded=embedded,
        time_zone=time_zone or _time_zone(),
        mac_addresses=_mac_addresses(),
        console_user=_console_user(),
        health=_health(folder),
    )


def _health(folder: Path | None) -> AgentHealth | None:
    """How the machine is; None where it cannot be told."""
    if folder is None:
        return None
    try:
        disk = shutil.disk_usage(folder)
        memory = psutil.virtual_memory()
        load = psutil.getloadavg()[0] / (psutil.cpu_count() or 1)
    except (OSError, psutil.Error):
        return None
    return AgentHealth(
        disk_free=disk.free,
        disk_total=disk.total,
        memory_free=memory.available,
        memory_total=memory.total,
        load=round(load, 2),
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


def _time_zone() -> str:
    """The machine's zone by its name; UTC where its name cannot be told."""
    try:
        name: str = tzlocal.get_localzone_name()
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        return "UTC"
    return name


def _mac_addresses() -> tuple[str, ...]:
    """The hardware addresses of all interfaces that have one."""
    families = psutil.net_if_addrs().values()
    addresses = {
        entry.address.replace("-", ":").lower()
        for entries in families
        for entry in entries
        if entry.family == psutil.AF_LINK
    }
    return tuple(sorted(filter(_is_mac, addresses)))


def _is_mac(address: str) -> bool:
    return bool(_MAC.fullmatch(address)) and address != "00:00:00:00:00:00"


def _console_user() -> str:
    """Who is logged in at the machine, of several the last to come; not those from elsewhere."""
    local = [user for user in psutil.users() if _at_the_machine(user.host)]
    return max(local, key=lambda user: user.started).name if local else ""


def _at_the_machine(host: str | None) -> bool:
    # Empty at a console, a display such as ":0" in a window.
    return not host or host.startswith(":") or host == "localhost"
