"""How an agent comes by its identity: at once with a token, else when an operator has approved."""

import logging
import secrets
import threading
from collections.abc import Callable

from pydantic import SecretStr

from gateway import moments
from gateway.agents.desk import AgentFacts
from gateway.agents.home import AgentHome, Asking, Identity
from gateway.agents.messages import EnrolmentAnswer, EnrolmentRequest
from gateway.agents.refusals import (
    AgentRefused,
    NotTrusted,
    RequestRefused,
    ServerUnreachable,
    Unauthenticated,
)
from gateway.agents.server_client import ServerClient
from gateway.agents.trust import Trust

_SECRET_BYTES = 32
_LEAST_PAUSE = 0.2
_LONGEST_PAUSE = 60.0
_UNREACHABLE_PAUSE = 5.0

_log = logging.getLogger(__name__)


class _Secret:
    """The secret of an enrolment as a bearer token."""

    def __init__(self, secret: str) -> None:
        self.token = secret

    def instead_of(self, token: str) -> str | None:  # noqa: ARG002  (there is no other)
        """None: there is but one."""
        return None


class Enrolment:
    """Enrols the agent of one folder at one server.

    ``show`` is given the code that people compare; ``stopped`` ends the waiting. Who is
    ``patient`` waits for a server that is away from the beginning as well.
    """

    def __init__(
        self,
        home: AgentHome,
        server: str,
        trust: Trust,
        show: Callable[[str], None],
        stopped: threading.Event,
        *,
        patient: bool,
    ) -> None:
        self._patient = patient
        self._home = home
        self._server = server
        self._trust = trust
        self._show = show
        self._stopped = stopped

    def enrol(self, facts: AgentFacts, token: str | None) -> Identity | None:
        """Ask, wait for the decision, and keep who the agent is now; None if it was stopped.

        Raises AgentRefused, NotTrusted, OSError; ServerUnreachable for a server that is away at
        first, unless this is patient.
        """
        found = self._first(facts, token)
        if found is None:
            return None
        asking, answer = found
        if answer.state == "waiting":
            self._show(answer.code)
        while answer.state == "waiting":
            if self._stopped.wait(min(_LONGEST_PAUSE, max(_LEAST_PAUSE, answer.retry_after))):
                return None
            answer = self._decided_at_last(asking)
        return self._keep(answer)

    def _first(self, facts: AgentFacts, token: str | None) -> tuple[Asking, EnrolmentAnswer] | None:
        """The first answer to a question asked now or earlier; None if it was stopped."""
        asking = self._home.asking()
        # The same for each try: so a server that took one whose answer was lost can tell.
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        while True:
            try:
                if asking is None or asking.server != self._server or token is not None:
                    return self._ask(facts, token, secret)
                return asking, self._decided(asking)
            except NotTrusted:
                raise
            except ServerUnreachable as error:
                if not self._patient:
                    raise
                _log.warning("not enrolled yet: %s. It is tried again", error)
            if self._stopped.wait(_UNREACHABLE_PAUSE):
                return None

    def _ask(
        self, facts: AgentFacts, token: str | None, secret: str
    ) -> tuple[Asking, EnrolmentAnswer]:
        request = EnrolmentRequest(
            name=facts.name,
            facts=facts,
            secret=SecretStr(secret),
            token=None if token is None else SecretStr(token),
        )
        try:
            answer = self._client(None).post("/enrolments", request, EnrolmentAnswer)
        except (Unauthenticated, RequestRefused) as error:
            raise AgentRefused(f"the server does not let this agent in: {error}") from None
        asking = Asking(server=self._server, enrolment=answer.enrolment, secret=SecretStr(secret))
        self._home.keep_asking(asking)
        return asking, answer

    def _decided(self, asking: Asking) -> EnrolmentAnswer:
        client = self._client(asking.secret.get_secret_value())
        try:
            return client.get(f"/enrolments/{asking.enrolment}", EnrolmentAnswer)
        except (Unauthenticated, RequestRefused) as error:
            self._home.keep_asking(None)
            raise AgentRefused(
                f"the server knows nothing of this enrolment any more ({error}): enrol again"
            ) from None

    def _decided_at_last(self, asking: Asking) -> EnrolmentAnswer:
        """The answer, however long the server is away meanwhile; waiting if it is just now."""
        try:
            return self._decided(asking)
        except NotTrusted:
            raise
        except ServerUnreachable as error:
            _log.warning("%s. It is tried again", error)
            return EnrolmentAnswer(
                enrolment=asking.enrolment, state="waiting", retry_after=_UNREACHABLE_PAUSE
            )

    def _keep(self, answer: EnrolmentAnswer) -> Identity:
        if answer.state != "approved":
            self._home.keep_asking(None)
            raise AgentRefused("an operator has refused this agent")
        if answer.agent is None or answer.token is None:
            self._home.keep_asking(None)
            raise AgentRefused("the server gives no token for this enrolment any more: enrol again")
        identity = Identity(
            server=self._server,
            agent=answer.agent,
            token=SecretStr(answer.token),
            token_since=moments.now(),
            ca=self._trust.ca,
            pin=self._trust.pin,
            certificate=self._trust.certificate,
            key=self._trust.key,
        )
        self._home.keep(identity)
        self._home.keep_asking(None)
        return identity

    def _client(self, secret: str | None) -> ServerClient:
        return ServerClient(self._server, self._trust, None if secret is None else _Secret(secret))
