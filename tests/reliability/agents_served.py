"""``app.py serve`` that also has what agents on other machines call, on a port of its own.

The desk is the real one, on the real store. As a program: ``python -m`` this module with the
arguments of ``app.py``; ``AGENTS_AT`` in the environment, HOST:PORT, is where agents are answered.
"""

import dataclasses
import os
import time
import uuid
from typing import Any

from gateway import application
from gateway.agents.desk import AgentSession
from gateway.agents.messages import (
    Document,
    LossRequest,
    PollAnswer,
    PollRequest,
    ReportAnswer,
    ReportRequest,
    ResourceAnswer,
    SessionAnswer,
    SessionRequest,
)
from gateway.cli import main
from storage import models
from tests.unit.agents.fake_server import FakeServer, Refused

ENROLMENT = "let me in"
_SHORT = 0.05


class Desk(FakeServer):
    """Answers agents from a gateway's own reception."""

    def __init__(self, gateway: Any, host: str, port: int) -> None:
        self._gateway = gateway
        self._reception = gateway.reception
        super().__init__(port, host=host)
        self.enrolment_tokens = {ENROLMENT}

    def decided(self) -> Any:
        return super().decided().model_copy(update={"agent": uuid.uuid4()})

    def sessions(self, body: bytes) -> Document:
        asked = SessionRequest.model_validate_json(body)
        # By its name it finds the runs that it had, which the embedded ones do.
        opened = self._reception.open_session(dataclasses.replace(asked.facts, embedded=True))
        return SessionAnswer(
            agent=opened.agent,
            name=asked.facts.name,
            session=opened.session,
            incarnation="one",
            renew_seconds=self._gateway.settings.lease_seconds / 6,
            longest_wait=5.0,
            server_time=self.now(),
        )

    def poll(self, body: bytes) -> Document:
        asked = PollRequest.model_validate_json(body)
        session = self._session(asked.session)
        with self.lock:
            self._newest += 1
            mine = self._newest
        if asked.facts is not None:
            self._reception.tell(session, asked.facts)
        named = [(one.run, one.attempt) for one in asked.runs]
        refused = self._reception.renew(session, named)
        ends = time.monotonic() + asked.wait
        while True:
            aborts = self._reception.aborts(session)
            orders = self._reception.claim(session, asked.places) if asked.places else []
            over = mine != self._newest or time.monotonic() >= ends
            if orders or aborts or refused or over:
                return PollAnswer(
                    orders=tuple(orders),
                    aborts=tuple(aborts),
                    refused=tuple(refused),
                    server_time=self.now(),
                )
            time.sleep(_SHORT)

    def reports(self, body: bytes) -> Document:
        asked = ReportRequest.model_validate_json(body)
        refused = self._reception.report(self._session(asked.session), asked.reports)
        return ReportAnswer(refused=tuple(refused), server_time=self.now())

    def lose(self, body: bytes) -> Document:
        asked = LossRequest.model_validate_json(body)
        session = self._session(asked.session)
        runs = [(one.run, one.attempt) for one in asked.runs]
        if asked.begun:
            self._reception.lost(session, runs, asked.reason)
        else:
            self._reception.give_back(session, runs)
        return Document()

    def resource(self, reference: str) -> tuple[ResourceAnswer, bytes]:
        raise Refused(404, "not_found", f"There is no resource {reference!r}.")

    def _session(self, guid: uuid.UUID) -> AgentSession:
        agent = models.Agent
        query = agent.select(agent.id, agent.guid).where(agent.session == guid)
        with self._gateway.store.reading() as db:
            found = db.rows(query)
        if not found:
            raise Refused(409, "session_over", "another session was opened")
        return AgentSession(found[0]["id"], found[0]["guid"], guid)


def serve() -> None:
    """Run the program; agents are answered as soon as the application is there."""
    original = application.create_app

    def create_app(gateway: Any) -> Any:
        host, _, port = os.environ["AGENTS_AT"].rpartition(":")
        Desk(gateway, host, int(port))
        return original(gateway)

    application.create_app = create_app
    main()


if __name__ == "__main__":
    serve()
