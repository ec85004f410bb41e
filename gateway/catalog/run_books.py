"""What a run book is: jobs that are run one after the other or side by side, linked by parameters.

A job of a run book runs modules, projects or another run book, on agents or teams of its own or
on those that are named when the run book is scheduled.
"""

import enum
from collections.abc import Iterator
from typing import Self
from uuid import UUID

import pydantic

from gateway import names
from gateway.catalog.definitions import (
    Condition,
    Evaluator,
    Evidence,
    Name,
    OnFailure,
    Parameter,
    Subject,
    twice,
)
from gateway.catalog.policies import NOTHING, Policy
from gateway.catalog.shapes import Shape

MOST_JOBS = 200
WHO_PARAMETER = "RunBookWho"
"""The usual name of the parameter that says on which agents (Dispatcher contract 6)."""


class WhatKind(enum.StrEnum):
    """What a run book's job runs."""

    MODULE = "module"
    PROJECT = "project"
    RUN_BOOK = "run_book"


class RunBookWhat(Shape):
    """A module, project or run book that a job of a run book runs, by its GUID."""

    kind: WhatKind = WhatKind.MODULE
    guid: UUID


class WhoReferenceKind(enum.StrEnum):
    """What a reference to agents names."""

    AGENT = "agent"
    TEAM = "team"


class RunBookWho(Shape):
    """An agent or team, by GUID or name."""

    kind: WhoReferenceKind = WhoReferenceKind.AGENT
    reference: Name


class WhoSelection(enum.IntEnum):
    """How the value of the who parameter names an agent (Dispatcher contract 6, certain)."""

    COMPUTER_NAME = 0
    ACTIVE_CONSOLE_USER = 1
    LAST_CONSOLE_USER = 2
    MOST_RECENT_BY_LAST_CONSOLE_USER = 3


class LinkAction(enum.StrEnum):
    """What flows between a run book's parameter and a module's (Dispatcher contract 6).

    SET gives the module's its first value, GET takes its last one, BOTH does both.
    """

    NONE = "none"
    SET = "set"
    GET = "get"
    BOTH = "both"

    @property
    def sets(self) -> bool:
        """Whether the run book's value goes to the job."""
        return self in (LinkAction.SET, LinkAction.BOTH)

    @property
    def gets(self) -> bool:
        """Whether the job's last value comes back."""
        return self in (LinkAction.GET, LinkAction.BOTH)


class ParameterLink(Shape):
    """Ties a parameter of the run book to one of what a job runs.

    ``definition`` is the module (also one of a project) or nested run book that has ``target``;
    without one, every parameter of that name in the job is meant.
    """

    parameter: Name
    target: Name
    definition: UUID | None = None
    action: LinkAction = LinkAction.SET


class RunBookJob(Shape):
    """One job of a run book.

    Without ``who`` it runs on the agents that are named when the run book is scheduled (ask during
    scheduling), with ``use_run_book_who`` on those that the run book's who parameter names then.
    One that is ``parallel`` begins together with the job before it.
    """

    guid: UUID
    name: Name
    description: str = ""
    enabled: bool = True
    what: tuple[RunBookWhat, ...] = pydantic.Field(min_length=1, max_length=100)
    who: tuple[RunBookWho, ...] = ()
    use_run_book_who: bool = False
    parallel: bool = False
    on_failure: OnFailure = OnFailure.STOP
    conditions: tuple[Condition, ...] = ()
    evaluators: tuple[Evaluator, ...] = ()
    links: tuple[ParameterLink, ...] = ()

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.use_run_book_who and self.who:
            raise ValueError("name agents or use the run book's who parameter, not both")
        nested = [what for what in self.what if what.kind is WhatKind.RUN_BOOK]
        if nested and len(self.what) > 1:
            raise ValueError("a job that runs a run book runs nothing else: make two jobs of it")
        return self


class RunBook(Shape):
    """Ordered jobs with the parameters that tie them together."""

    guid: UUID
    name: Name
    description: str = ""
    folder: str = ""
    comment: str = ""
    enabled: bool = True
    parameters: tuple[Parameter, ...] = ()
    who_parameter: str = WHO_PARAMETER
    who_selection: WhoSelection = WhoSelection.COMPUTER_NAME
    policy: Policy = NOTHING
    jobs: tuple[RunBookJob, ...] = pydantic.Field(default=(), max_length=MOST_JOBS)

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> Self:
        name = twice(names.key(parameter.name) for parameter in self.parameters)
        if name is not None:
            raise ValueError(f"two parameters are named {name!r} (names differ by more than case)")
        guid = twice(str(job.guid) for job in self.jobs)
        if guid is not None:
            raise ValueError(f"two jobs have the guid {guid}")
        known = {names.key(parameter.name) for parameter in self.parameters}
        for job, parameter in self._named():
            if names.key(parameter) not in known:
                raise ValueError(
                    f"the job {job!r} refers to the parameter {parameter!r}, which the run book "
                    "does not have"
                )
        return self

    def _named(self) -> Iterator[tuple[str, str]]:
        """The run book's parameters that its jobs name, with the name of the job."""
        for job in self.jobs:
            for link in job.links:
                yield job.name, link.parameter
            for condition in job.conditions:
                if condition.subject is Subject.PARAMETER:
                    yield job.name, condition.name
            for evaluator in job.evaluators:
                if evaluator.subject is Evidence.PARAMETER:
                    yield job.name, evaluator.name
            if job.use_run_book_who:
                yield job.name, self.who_parameter
