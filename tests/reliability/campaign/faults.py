"""What each fault does to a site, from its beginning to its end."""

import time
from collections.abc import Callable, Mapping

from tests.reliability.campaign.plan import Fault, Strike
from tests.reliability.campaign.site import FAR, NEAR, Site

Doing = Callable[[Site, Strike], None]


def strike(site: Site, planned: Strike) -> None:
    """Wait for its moment, do it, and undo what can be undone."""
    time.sleep(planned.after)
    _DOINGS[planned.fault](site, planned)


def _server_killed(site: Site, planned: Strike) -> None:
    site.server.kill()
    time.sleep(planned.seconds)
    site.start_server()


def _supervisor_killed(site: Site, planned: Strike) -> None:
    site.server.kill_supervisor()
    time.sleep(planned.seconds)


def _agent_killed(site: Site, planned: Strike) -> None:
    name = (NEAR, FAR)[planned.agent]
    site.kill_agent(name)
    time.sleep(planned.seconds)
    site.start_agent(name)


def _all_killed(site: Site, planned: Strike) -> None:
    site.kill_all()
    time.sleep(planned.seconds)
    site.start_server()
    for name in (NEAR, FAR):
        site.start_agent(name)


def _network_cut(site: Site, planned: Strike) -> None:
    site.network.cut()
    time.sleep(planned.seconds)
    site.network.mend()


def _disk_full(site: Site, planned: Strike) -> None:
    site.disk.fill(site.server)
    time.sleep(planned.seconds)
    site.disk.clear(site.server)


def _clock_jumps(site: Site, planned: Strike) -> None:
    """Forward or back, and later to the true time again."""
    site.clock.set(planned.jump)
    time.sleep(planned.seconds)
    site.clock.set(0)


def _backup_restored(site: Site, planned: Strike) -> None:
    """What was accepted after the backup is gone with it, and was never promised for longer."""
    crowd = site.crowd
    assert crowd is not None
    backup = site.folder / "backup.sqlite3"
    before = crowd.accepted
    site.command("backup", str(backup))
    time.sleep(planned.seconds)
    site.server.kill()
    site.command("restore", str(backup))
    backup.unlink()
    # By now everybody has written down the answers that he had.
    site.gone |= crowd.accepted - before
    site.start_server()


_DOINGS: Mapping[Fault, Doing] = {
    Fault.SERVER: _server_killed,
    Fault.SUPERVISOR: _supervisor_killed,
    Fault.AGENT: _agent_killed,
    Fault.ALL: _all_killed,
    Fault.NETWORK: _network_cut,
    Fault.DISK: _disk_full,
    Fault.CLOCK: _clock_jumps,
    Fault.RESTORE: _backup_restored,
}
