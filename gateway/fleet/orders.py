"""Making the order that an agent gets: the tasks of the job's versions, with their parameters.

``what`` of a request is a list of ``{guid, kind, name, version}``. An entry with ``modules`` is a
project, and these are what it runs: ``{guid, version, enabled, on_failure, conditions}`` each, in
their order; those that are not enabled are left out. Any other is itself a module. All are numbered
through: the parts of the run.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.agents.protocol import ModuleOrder, ParameterValue, RunOrder, TaskOrder
from gateway.catalog.catalog import Catalog
from gateway.catalog.definitions import Condition, Evaluator, OnFailure
from gateway.catalog.sealing import SealedModule
from gateway.jobs.orders import Origin
from gateway.jobs.parameters import ParameterReader
from gateway.jobs.rows import JobRow, RunRow
from storage.session import Row, Session


class OrderImpossible(Exception):
    """A run cannot be prepared; the message says why."""


@dataclasses.dataclass(frozen=True)
class _Part:
    """One module of a run, and what the project has said about it."""

    number: int
    module: SealedModule
    project: str | None = None
    on_failure: OnFailure | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether there is nothing to know of the module besides its tasks."""
        own = self.module.conditions or self.module.evaluators
        return self.project is None and not own


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
        parts = list(self._parts(session, request["what"]))
        options = request["options"]
        all_values = job.origin is Origin.RUN_BOOK
        known = all_values or not all(part.plain for part in parts)
        return RunOrder(
            run=run.guid,
            attempt=run.attempt,
            job=job.guid,
            name=request["description"] or request["what"][0]["name"],
            tasks=_tasks(parts),
            parameters=self._values(session, parts, request["parameters"]),
            log_limit=self._log_limit,
            modules=tuple(map(_module, parts)) if known else (),
            conditions=_conditions(options.get("conditions", ())),
            evaluators=tuple(map(Evaluator.model_validate, options.get("evaluators", ()))),
            all_values=all_values,
            timeout=(options.get("policy") or {}).get("timeout"),
        )

    def _parts(self, session: Session, what: Sequence[dict[str, Any]]) -> Iterator[_Part]:
        entries = (
            (item, entry)
            for item in what
            for entry in item.get("modules", (item,))
            if entry.get("enabled", True)
        )
        for number, (item, entry) in enumerate(entries):
            module = self._catalog.module(session, entry["version"])
            if entry is item:
                yield _Part(number, module)
            else:
                yield _project_part(number, module, item, entry)

    def _values(
        self, session: Session, parts: Sequence[_Part], stored: Sequence[dict[str, Any]]
    ) -> tuple[ParameterValue, ...]:
        return tuple(
            value
            for part in parts
            for value in self._parameters.effective(
                session, part.module, stored, part=part.number, project=part.project
            )
        )


def _project_part(
    number: int, module: SealedModule, item: dict[str, Any], entry: dict[str, Any]
) -> _Part:
    return _Part(
        number,
        module,
        project=str(item["guid"]),
        on_failure=OnFailure(entry.get("on_failure", OnFailure.STOP)),
        conditions=_conditions(entry.get("conditions", ())),
    )


def _conditions(stored: Sequence[dict[str, Any]]) -> tuple[Condition, ...]:
    return tuple(map(Condition.model_validate, stored))


def _module(part: _Part) -> ModuleOrder:
    module = part.module
    return ModuleOrder(
        part=part.number,
        guid=module.guid,
        name=module.name,
        on_failure=part.on_failure,
        conditions=part.conditions + module.conditions,
        evaluators=module.evaluators,
    )


def _tasks(parts: Sequence[_Part]) -> tuple[TaskOrder, ...]:
    pairs = [(part, task) for part in parts for task in part.module.tasks]
    return tuple(
        TaskOrder(
            seq=seq,
            guid=task.guid,
            module=part.module.name,
            module_guid=part.module.guid,
            name=task.name,
            type=task.type,
            settings=task.settings,
            timeout=task.timeout,
            on_failure=task.on_failure,
            conditions=task.conditions,
            enabled=task.enabled,
            keep_processes=task.keep_processes,
            log_limit=task.log_limit,
            part=part.number,
            captures=task.captures,
            evaluators=task.evaluators,
        )
        for seq, (part, task) in enumerate(pairs)
    )
