"""What a project is: modules that are run one after the other, as one job."""

from typing import Self
from uuid import UUID

import pydantic

from gateway.catalog.definitions import Condition, Name, OnFailure, twice
from gateway.catalog.policies import NOTHING, Policy
from gateway.catalog.shapes import Shape

MOST_MODULES = 100


class ProjectModule(Shape):
    """A module of a project, by its GUID.

    ``on_failure`` says what a failed module means for those after it. The module's own conditions
    hold besides.
    """

    guid: UUID
    module: UUID
    enabled: bool = True
    on_failure: OnFailure = OnFailure.STOP
    conditions: tuple[Condition, ...] = ()


class Project(Shape):
    """Ordered modules. It has no parameters of its own: what is asked for is its modules'."""

    guid: UUID
    name: Name
    description: str = ""
    folder: str = ""
    comment: str = ""
    enabled: bool = True
    policy: Policy = NOTHING
    modules: tuple[ProjectModule, ...] = pydantic.Field(default=(), max_length=MOST_MODULES)

    @pydantic.model_validator(mode="after")
    def _guids_differ(self) -> Self:
        guid = twice(str(entry.guid) for entry in self.modules)
        if guid is not None:
            raise ValueError(f"two entries have the guid {guid}")
        return self
