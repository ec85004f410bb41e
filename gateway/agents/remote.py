"""An agent on a machine of its own: it knows its server by HTTP and no store.

It works in sessions. One ends when the server says so (its store was restored, another took over);
then all that runs here is killed, since the server has settled it, and a new one is asked for.
"""

import dataclasses
import functools
import logging
import queue
import random
import threading
import time

from gateway.agents.cache import ResourceCache
from gateway.agents.desk import AgentSession, SessionOver
from gateway.agents.home import AgentHome, Identity
from gateway.agents.messages import SessionAnswer
from gateway.agents.news import News
from gateway.agents.poller import Poller, Rhythm
from gateway.agents.refusals import (
    AgentRefused,
    NotTrusted,
    RequestRefused,
    SecondAgent,
    ServerUnreachable,
    Unauthenticated,
)
from gateway.agents.remote_desk import RemoteDesk
from gateway.agents.server_client import ServerClient
from gateway.agents.server_time import ServerTime
from gateway.agents.tokens import Tokens
from gateway.agents.workshop import WorkSettings, Workshop

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
# An agent whose session was ended by another waits so long for the other to fall silent.
PATIENCE_WITH_ANOTHER = 330.0

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RemoteSettings(WorkSettings):
    """The settings of an agent on a machine of its own. ``cache_bytes`` of resources are kept;
    a token is changed when it is ``token_days`` old.
    """

    cache_bytes: int = 1024 * 1024 * 1024
    token_days: float = 30.0


class RemoteAgent:
    """Works off runs from ``run`` until ``stop``. Its folder is held by whoever made this.

    Raises AgentRefused for an address or certificates that are of no use.
    """

    def __init__(self, home: AgentHome, identity: Identity, settings: RemoteSettings) -> None:
        self._home = home
        self._settings = settings
        self._stopping = threading.Event()
        # Why to leave off: None for a stop, else what ended the session.
        self._leaving: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._tokens = Tokens(home, identity, settings.token_days)
        self._client = ServerClient(identity.server, identity.trust, self._tokens)
        self._server_time = ServerTime()
        self._cache = ResourceCache(home.cache, settings.cache_bytes, self._pause)
        self._desk = RemoteDesk(self._client, self._cache, self._server_time, self._pause)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the agent is being stopped: raises ServerUnreachable."""
        if self._stopping.wait(seconds):
            raise ServerUnreachable("the agent is being stopped")

    def stop(self) -> None:
        """Have ``run`` come to an end; may be called in any thread, not in a signal handler."""
        self._stopping.set()
        self._leaving.put(None)

    def run(self, grace: float) -> None:
        """Work until ``stop``; then runs may go on for ``grace`` seconds.

        Raises AgentRefused when the server does not want this agent (any more), NotTrusted if it
        is not the server that was meant, OSError, UserRefused.
        """
        self._settings.make_ready()
        self._cache.prepare()
        first = True
        while (opened := self._open_session(first=first)) is not None:
            reason = self._work(opened, grace)
            if reason is None:
                return
            if isinstance(reason, Unauthenticated):
                raise _unwanted(reason)
            _log.error("the session is over, what ran here was killed: %s", reason)
            first = False

    def _open_session(self, *, first: bool) -> SessionAnswer | None:
        """A session; None if the agent is stopped before there is one."""
        pause = _FIRST_PAUSE
        until = time.monotonic() + (0 if first else PATIENCE_WITH_ANOTHER)
        said = ""
        while not self._stopping.is_set():
            try:
                return self._ask_for_session()
            except Unauthenticated as error:
                raise _unwanted(error) from None
            except SecondAgent as error:
                if time.monotonic() >= until:
                    raise AgentRefused(str(error)) from None
                said = _once(said, f"{error}. It is tried again")
            except NotTrusted:
                if first:
                    raise
                said = _once(said, "the server is not trusted any more. It is tried again")
            except (ServerUnreachable, RequestRefused, SessionOver) as error:
                said = _once(said, f"no session is opened: {error}. It is tried again")
            self._stopping.wait(random.uniform(pause / 2, pause))  # noqa: S311  # no secret
            pause = min(2 * pause, _LONGEST_PAUSE)
        return None

    def _ask_for_session(self) -> SessionAnswer:
        facts = self._settings.facts(embedded=False)
        previous = self._home.last_session()
        opened = self._desk.open_session(facts, self._home.instance(), previous)
        try:
            self._home.keep_session(opened.session)
        except OSError as error:
            # It is needed at the next start only, which then may have to wait.
            _log.warning("the session cannot be kept in %s: %s", self._home.path, error)
        _log.info("at work as %s (%s)", opened.name, opened.agent)
        return opened

    def _work(self, opened: SessionAnswer, grace: float) -> Exception | None:
        """Work in a session until there is a reason to leave it; None for a stop."""
        session = AgentSession(0, opened.agent, opened.session)
        workshop = Workshop.open(self._desk, session, self._settings, self._server_time.corrected)
        poller = self._poller(opened, session, workshop)
        poller.start()
        reason = self._leaving.get()
        if reason is None:
            _log.info("stopping")
            poller.drain()
            workshop.finish(grace)
            workshop.close()
            poller.stop()
        else:
            workshop.cut_off()
            poller.stop()
        return reason

    def _poller(self, opened: SessionAnswer, session: AgentSession, workshop: Workshop) -> Poller:
        settings, keeper, delivery = self._settings, workshop.keeper, workshop.delivery
        describe = functools.partial(settings.facts, embedded=False)
        return Poller(
            self._desk,
            session,
            workshop.ledger,
            keeper.order,
            keeper.abort,
            lambda: delivery.attempts,
            Rhythm(opened.renew_seconds, opened.longest_wait),
            News(describe(), describe),
            self._leaving.put,
            lambda: self._tokens.renew_if_old(self._desk.new_token),
        )


def _unwanted(error: Unauthenticated) -> AgentRefused:
    return AgentRefused(
        f"the server does not know this agent any more, it was revoked or removed ({error}): "
        "enrol again with `agent enrol --replace`"
    )


def _once(said: str, sentence: str) -> str:
    """Log a sentence unless it was the last one."""
    if sentence != said:
        _log.warning("%s", sentence)
    return sentence
