"""Making the order that an agent gets: the tasks of the job's versions, with their parameters."""

from collections.abc import Sequence
from typing import Any

from gateway.agents.protocol import ParameterValue, RunOrder, TaskOrder
from gateway.catalog.catalog import Catalog
from gateway.catalog.sealing import SealedModule
from gateway.jobs.parameters import ParameterReader
from gateway.jobs.rows import JobRow, RunRow
from storage.session import Row, Session


class OrderImpossible(Exception):
    """A run cannot be prepared; the message says why."""


class OrderMaker:
    """Puts together orders. ``log_limit`` is in bytes for each task."""

    def __init__(self, catalog: Catalog, parameters: ParameterReader, log_limit: int) -> None:
        self._catalog = catalog
        self._parameters = parameters
        self._log_limit = log_limit

    def order(self, session: Session, job: JobRow, run: RunRow, request: Row | None) -> RunOrder:
        """The order of a run of a job, of which ``request`` is what was asked for.

        It holds secrets in clear. Raises OrderImpossible.
        """
        if request is None:
            raise OrderImpossible("what was asked for is no longer stored")
        modules = [self._catalog.module(session, what["version"]) for what in request["what"]]
        return RunOrder(
            run=run.guid,
            attempt=run.attempt,
            job=job.guid,
            name=request["description"] or modules[0].name,
            tasks=_tasks(modules),
            parameters=self._values(session, modules, request["parameters"]),
            log_limit=self._log_limit,
        )

    def _values(
        self, session: Session, modules: Sequence[SealedModule], stored: Sequence[dict[str, Any]]
    ) -> tuple[ParameterValue, ...]:
        return tuple(
            value
            for module in modules
            for value in self._parameters.effective(session, module, stored)
        )


def _tasks(modules: Sequence[SealedModule]) -> tuple[TaskOrder, ...]:
    pairs = [(module, task) for module in modules for task in module.tasks]
    return tuple(
        TaskOrder(
            seq=seq,
            guid=task.guid,
            module=module.name,
            module_guid=module.guid,
            name=task.name,
            type=task.type,
            settings=task.settings,
            timeout=task.timeout,
            on_failure=task.on_failure,
            conditions=task.conditions,
            enabled=task.enabled,
            keep_processes=task.keep_processes,
            log_limit=task.log_limit,
        )
        for seq, (module, task) in enumerate(pairs)
    )
