"""The server as a remote agent reaches it: the desk of ``gateway.agents.desk``, over HTTP.

What the server cannot be reached for is raised as ``ServerUnreachable``, which is a
``StoreUnavailable``: whoever works with the desk keeps what it has and tries again, as beside a
store that takes nothing.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence

from gateway import moments
from gateway.agents.cache import CacheFailed, ResourceCache
from gateway.agents.desk import (
    AgentFacts,
    AgentSession,
    Attempt,
    Refusal,
    ResourceContent,
    SessionOver,
    WorkDesk,
)
from gateway.agents.messages import (
    MOST_REPORTS,
    Document,
    LossRequest,
    PollAnswer,
    PollRequest,
    ReportAnswer,
    ReportRequest,
    ResourceAnswer,
    RunAttempt,
    SessionAnswer,
    SessionRequest,
    TokenAnswer,
)
from gateway.agents.protocol import LogChunk, Report
from gateway.agents.refusals import RequestRefused, ServerUnreachable, Unauthenticated
from gateway.agents.server_client import ServerClient
from gateway.agents.server_time import ServerTime
from storage.errors import StoreUnavailable

# What goes in one request: a slow link has it through before anybody loses patience.
_MOST_BYTES = 1024 * 1024
_REPORT_BYTES = 500
# How much later than asked an answer to a poll may come before it counts as never coming.
_LATE_SECONDS = 10.0
_MOST_REASON = 1000


class RemoteDesk:
    """Asks one server, in one session after the other; ``server_time`` learns from the answers.

    ``pause`` waits so many seconds, and raises ServerUnreachable when transfers are to end.
    """

    def __init__(
        self,
        client: ServerClient,
        cache: ResourceCache,
        server_time: ServerTime,
        pause: Callable[[float], None],
    ) -> None:
        self._client = client
        self._cache = cache
        self._server_time = server_time
        self._pause = pause
        self._incarnation = ""

    def open_session(
        self, facts: AgentFacts, instance: str, previous: uuid.UUID | None
    ) -> SessionAnswer:
        """Begin. Raises SecondAgent, Unauthenticated, RequestRefused, ServerUnreachable."""
        sent = moments.now()
        asked = SessionRequest(facts=facts, instance=instance, previous=previous)
        answer = self._client.post("/sessions", asked, SessionAnswer)
        self._server_time.learn(answer.server_time, sent)
        self._incarnation = answer.incarnation
        return answer

    def poll(
        self,
        session: AgentSession,
        places: int,
        runs: Sequence[Attempt],
        facts: AgentFacts | None,
        wait: float,
    ) -> PollAnswer:
        """Renew the runs' leases, and wait for others or for aborts.

        Raises SessionOver, Unauthenticated, RequestRefused, ServerUnreachable.
        """
        asked = PollRequest(
            session=session.session,
            incarnation=self._incarnation,
            places=places,
            runs=_attempts(runs),
            facts=facts,
            wait=wait,
        )
        answer = self._client.post("/poll", asked, PollAnswer, wait + _LATE_SECONDS)
        self._server_time.learn_late(answer.server_time)
        return answer

    def new_token(self) -> str:
        """A token that takes the place of the present one when it is first used."""
        return self._client.post("/token", Document(), TokenAnswer).token

    def report(self, session: AgentSession, reports: Sequence[Report]) -> list[Refusal]:
        """Hand over what happened, in pieces that a slow link can carry."""
        refused: list[Refusal] = []
        for piece in _portions(reports):
            refused += self._report(session, piece)
        return refused

    def _report(self, session: AgentSession, reports: Sequence[Report]) -> Sequence[Refusal]:
        asked = ReportRequest(
            session=session.session, incarnation=self._incarnation, reports=tuple(reports)
        )
        sent = moments.now()
        try:
            answer = self._client.post("/reports", asked, ReportAnswer)
        except Unauthenticated as error:
            # The poller hears of it, too, and ends the agent; nothing is dropped before.
            raise ServerUnreachable(f"the server takes no reports: {error}") from None
        except SessionOver as error:
            attempts = dict.fromkeys((report.run, report.attempt) for report in reports)
            return [Refusal(*attempt, str(error)) for attempt in attempts]
        self._server_time.learn(answer.server_time, sent)
        return answer.refused

    def lost(self, session: AgentSession, runs: Sequence[Attempt], reason: str) -> None:
        """Tell of runs that are no longer under way."""
        self._lose(session, runs, reason, begun=True)

    def give_back(self, session: AgentSession, runs: Sequence[Attempt]) -> None:
        """Let runs wait again that were never begun."""
        self._lose(session, runs, "the agent could not take the run", begun=False)

    def _lose(
        self, session: AgentSession, runs: Sequence[Attempt], reason: str, *, begun: bool
    ) -> None:
        asked = LossRequest(
            session=session.session,
            incarnation=self._incarnation,
            runs=_attempts(runs),
            reason=reason[:_MOST_REASON],
            begun=begun,
        )
        try:
            self._client.post("/losses", asked, Document)
        except Unauthenticated as error:
            raise ServerUnreachable(f"the server takes no reports: {error}") from None
        except SessionOver:
            # Whoever ended the session has settled its runs.
            return

    def resource(self, session: AgentSession, run: uuid.UUID, reference: str) -> ResourceContent:
        """The resource, from the cache or through it. Raises LookupError with a sentence."""
        query = {
            "session": str(session.session),
            "incarnation": self._incarnation,
            "run": str(run),
            "reference": reference,
        }
        try:
            known = self._client.get("/resources", ResourceAnswer, query)
        except RequestRefused as error:
            raise LookupError(str(error)) from None
        except (SessionOver, Unauthenticated, ServerUnreachable) as error:
            raise LookupError(f"The server does not give the resource: {error}.") from None
        return ResourceContent(
            known.name,
            known.size,
            known.sha256,
            self._content(known, query),
            parse_content=known.parse_content,
            skip_environment=known.skip_environment,
        )

    def _content(self, known: ResourceAnswer, query: dict[str, str]) -> Iterator[bytes]:
        def fetch(start: int) -> Iterator[bytes]:
            for piece in self._client.stream("/resources/content", query, start):
                self._pause(0)
                yield piece

        try:
            with self._cache.open(known.sha256, known.size, fetch) as pieces:
                yield from pieces
        except (CacheFailed, RequestRefused) as error:
            raise LookupError(str(error)) from None
        except (SessionOver, Unauthenticated, StoreUnavailable) as error:
            raise LookupError(f"The server does not give the resource: {error}.") from None
        except OSError as error:
            raise LookupError(f"The agent cannot keep the resource: {error}.") from None


def _attempts(runs: Sequence[Attempt]) -> tuple[RunAttempt, ...]:
    return tuple(RunAttempt(run=run, attempt=attempt) for run, attempt in runs)


def _portions(reports: Sequence[Report]) -> Iterator[Sequence[Report]]:
    """The reports, in their order, in portions of bounded number and size."""
    begin, weight = 0, 0
    for end, report in enumerate(reports):
        own = _REPORT_BYTES + (len(report.data) if isinstance(report, LogChunk) else 0)
        if end > begin and (end - begin >= MOST_REPORTS or weight + own > _MOST_BYTES):
            yield reports[begin:end]
            begin, weight = end, 0
        weight += own
    if begin < len(reports):
        yield reports[begin:]


def desk_of(remote: RemoteDesk) -> WorkDesk:
    """The server as the agent's parts know it; here so that the type checker compares the two."""
    return remote
