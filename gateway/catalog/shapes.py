"""What all that the catalog stores has in common."""

import pydantic

# A year; what takes longer is a service, not a task.
MAX_TIMEOUT = 31_536_000.0


class Shape(pydantic.BaseModel):
    """Base of all that the catalog stores: values that never change, without unknown members."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
