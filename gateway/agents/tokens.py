"""The agent's own token: kept, and changed for a new one from time to time."""

import logging
import threading
from collections.abc import Callable

from pydantic import SecretStr

from gateway import moments
from gateway.agents.home import AgentHome, Identity
from gateway.agents.refusals import RequestRefused
from storage.errors import StoreUnavailable

_DAY = 24 * 3600 * moments.SECOND
# After a change that failed, in microseconds.
_AGAIN = 3600 * moments.SECOND

_log = logging.getLogger(__name__)


class Tokens:
    """The present token, and the one before: a new one is on disk before it is used, and the old
    one stays until another follows, so that neither a crash nor a server whose store was restored
    locks the agent out. ``days`` is how old a token becomes.
    """

    def __init__(
        self,
        home: AgentHome,
        identity: Identity,
        days: float,
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._home = home
        self._identity = identity
        self._age = round(days * _DAY)
        self._now = now
        self._next = identity.token_since + self._age
        self._lock = threading.Lock()

    @property
    def token(self) -> str:
        """The present token."""
        return self._identity.token.get_secret_value()

    def instead_of(self, token: str) -> str | None:
        """The other one, for a request that this one was refused for; None if both were."""
        with self._lock:
            present, former = self._identity.token, self._identity.former
        if token != present.get_secret_value():
            return None if former and token == former.get_secret_value() else self.token
        return former.get_secret_value() if former else None

    def renew_if_old(self, fetch: Callable[[], str]) -> None:
        """Change the token for one that ``fetch`` gets from the server, if it is old enough.

        What the server or the disk does not do now is tried again in an hour.
        """
        now = self._now()
        # A clock that was set back must not keep a token for ever.
        if self._identity.token_since <= now < self._next:
            return
        self._next = now + _AGAIN
        try:
            fresh = SecretStr(fetch())
            with self._lock:
                changed = {"token": fresh, "former": self._identity.token, "token_since": now}
                identity = self._identity.model_copy(update=changed)
                self._home.keep(identity)
                self._identity = identity
        except (StoreUnavailable, RequestRefused, OSError) as error:
            _log.warning("the token is not changed now: %s. It is tried again in an hour", error)
            return
        self._next = now + self._age
        _log.info("the agent has a new token")
