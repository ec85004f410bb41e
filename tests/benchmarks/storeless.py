"""The whole gateway but for its store of jobs: the same front, login, rights, SOAP and mapping.

What it accepts is answered and forgotten; what it is asked for is one job in memory.
"""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from gateway import application as gateways
from gateway import moments
from gateway.catalog.definitions import Parameter
from gateway.identity.permissions import Reach
from gateway.identity.principals import MACHINE, Caller
from gateway.jobs.orders import GivenParameters, GivenValue, JobOrder, What, Who
from gateway.jobs.service import JobNotFound
from gateway.jobs.views import JobView, ShownSet
from tests.benchmarks import houses
from tests.benchmarks.bodies import LOGIN

JOB = uuid.UUID("9b0e6a0c-41d7-4a57-8f3e-6d3b0c5e7f21")


class _Jobs:
    """What the SOAP calls that are measured ask of ``gateway.jobs.service.Jobs``."""

    def __init__(self, job: JobView, values: list[ShownSet]) -> None:
        self._job = job
        self._values = values
        self._stored: Future[None] = Future()
        self._stored.set_result(None)

    def get_with_values(self, guid: uuid.UUID, _reach: Reach) -> tuple[JobView, list[ShownSet]]:
        """The one job and its parameters. Raises JobNotFound."""
        if guid != self._job.guid:
            raise JobNotFound(f"there is no job {guid}")
        return self._job, self._values

    def accept_soon(self, order: JobOrder, _caller: Caller) -> tuple[JobView, "Future[None]"]:
        """A job of this order, which is kept nowhere."""
        now = moments.now()
        made = dataclasses.replace(
            self._job,
            guid=moments.new_guid(),
            description=order.description,
            timing=order.timing,
            immediate=order.timing.immediate,
            local_time=order.timing.local_time,
            created_at=now,
            due_at=now,
        )
        return made, self._stored


def _given(house_module: uuid.UUID, agent: uuid.UUID) -> JobOrder:
    """The order of ``bodies.soap_order``."""
    return JobOrder(
        description="New Test Job",
        what=(What(house_module),),
        who=(Who(str(agent)),),
        parameters=(GivenParameters(house_module, (GivenValue("VMName", "vm01", ""),)),),
    )


@contextlib.contextmanager
def application(folder: Path) -> Iterator[WSGIApplication]:
    """The gateway's application for the length of a block."""
    with houses.opened(folder) as gateway:
        gateway.logins.ensure_administrator(LOGIN[1])
        houses.save_module(gateway, houses.command("echo", "$[VMName]"), Parameter(name="VMName"))
        order = _given(houses.MODULE, houses.agent(gateway).agent)
        accepted = gateway.jobs.accept(order, MACHINE)
        stored = gateway.jobs.get(accepted.guid)
        jobs: Any = _Jobs(
            dataclasses.replace(stored, guid=JOB, owner=LOGIN[0]), gateway.jobs.values(stored)
        )
        yield gateways.create_app(dataclasses.replace(gateway, jobs=jobs))
