"""No login defined: no authentication. When that holds, and for whom.

The contract's "Auth is applied only if at least one Login exists" (Dispatcher contract 1.3), for
those who asked for it with ``init --no-login``, on the machine itself.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib import parse

from gateway.identity import addresses, logins
from gateway.identity.epoch import SecurityEpoch
from storage.database import Store

SURFACE = "dispatcher"

# Headers that a proxy adds, and the one that a browser adds to what a foreign page sends: such a
# request comes through this machine, but not from a client on it.
_INDIRECT = frozenset(
    {
        "forwarded",
        "origin",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-server",
        "x-real-ip",
    }
)


def is_open(
    *,
    without_login: bool,
    logins_exist: bool,
    surface: str,
    peer: str,
    headers: Mapping[str, str],
    proxy_configured: bool,
) -> bool:
    """Whether a request need not say who sends it.

    ``without_login``: the store was initialised with ``--no-login``. ``peer`` is the address at
    the other end of the connection, never one from a header. Names of ``headers`` in any case.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    return (
        without_login
        and not logins_exist
        and surface == SURFACE
        and not proxy_configured
        and addresses.is_loopback(peer)
        and _INDIRECT.isdisjoint(sent)
        and _names_this_machine(sent.get("host"))
    )


def _names_this_machine(host: str | None) -> bool:
    """Whether a Host header is a loopback name or address, or was not sent (HTTP/1.0).

    A page of any site may let its own name lead to 127.0.0.1; the browser then sends that name.
    """
    if host is None:
        return True
    try:
        name = parse.urlsplit(f"//{host.strip()}").hostname or ""
    except ValueError:
        return False
    return name.rstrip(".") == "localhost" or addresses.is_loopback(name)


class _Facts(NamedTuple):
    epoch: int
    without_login: bool
    logins_exist: bool


class OpenAccess:
    """Answers ``is_open`` with the facts of a store, remembered for one security epoch."""

    def __init__(self, store: Store, epoch: SecurityEpoch, *, proxy_configured: bool) -> None:
        self._store = store
        self._epoch = epoch
        self._proxy_configured = proxy_configured
        self._facts = _Facts(0, without_login=False, logins_exist=True)

    def possible(self) -> bool:
        """Whether any request at all may do without. Raises StoreUnavailable."""
        facts = self._present()
        return facts.without_login and not facts.logins_exist and not self._proxy_configured

    def permits(self, surface: str, peer: str, headers: Mapping[str, str]) -> bool:
        """Whether a request need not say who sends it. Raises StoreUnavailable."""
        facts = self._present()
        return is_open(
            without_login=facts.without_login,
            logins_exist=facts.logins_exist,
            surface=surface,
            peer=peer,
            headers=headers,
            proxy_configured=self._proxy_configured,
        )

    def _present(self) -> _Facts:
        epoch = self._epoch.current()
        facts = self._facts
        if facts.epoch != epoch:
            with self._store.reading() as session:
                exist = logins.count(session) > 0
                facts = _Facts(epoch, logins.is_without(session), exist)
            self._facts = facts
        return facts
