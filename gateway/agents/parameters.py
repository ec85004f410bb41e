"""The parameters of one run while its tasks use and change them."""

import dataclasses
from collections.abc import Iterable, Iterator

from gateway import names
from gateway.agents import masking
from gateway.agents.protocol import ParameterValue
from gateway.catalog.definitions import ParameterType
from gateway.tasks.base import TaskFailed

# Values can be put together from values; without a bound they could double with every task.
MAX_VALUE = 1024 * 1024

_USER = ".user"
_PASSWORD = ".password"  # noqa: S105  (the suffix by which a placeholder asks for the password)


class RunParameters:
    """Finds parameters by their names, whatever their case, and remembers every secret seen.

    ``Name.User`` and ``Name.Password`` are the two parts of credentials; ``Name`` alone is the
    user. Used by one task at a time.
    """

    def __init__(self, parameters: Iterable[ParameterValue]) -> None:
        self._values = {names.key(parameter.name): parameter for parameter in parameters}
        self._secrets = {s for parameter in self._values.values() for s in _secrets(parameter)}

    @property
    def secrets(self) -> frozenset[str]:
        """All secret values that the run has had so far."""
        return frozenset(self._secrets)

    def known(self, name: str) -> bool:
        """Whether the run has a parameter of this name."""
        return self._find(name) is not None

    def get(self, name: str) -> str:
        """The present value; TaskFailed if the run has no such parameter."""
        parameter, secondary = self._expect(name)
        return parameter.secondary if secondary else parameter.value

    def set(self, name: str, value: str) -> str:
        """Give a new value and return it as it may be shown.

        Raises TaskFailed if the run has no such parameter.
        """
        parameter, secondary = self._expect(name)
        if len(value) > MAX_VALUE:
            raise TaskFailed(f"The value for {name!r} has more than {MAX_VALUE} characters.")
        if secondary:
            changed = dataclasses.replace(parameter, secondary=value)
        else:
            changed = dataclasses.replace(parameter, value=value)
        self._values[names.key(parameter.name)] = changed
        self._secrets.update(_secrets(changed))
        return masking.MASK if self.secret(name) else value

    def secret(self, name: str) -> bool:
        """Whether this name stands for a secret value."""
        parameter, secondary = self._expect(name)
        return secondary or (parameter.secret and parameter.type is not ParameterType.CREDENTIALS)

    def shown(self) -> dict[str, str]:
        """The values that are no secrets, by the parameters' names."""
        return {p.name: p.value for p in self._values.values() if not self.secret(p.name)}

    def _expect(self, name: str) -> tuple[ParameterValue, bool]:
        found = self._find(name)
        if found is None:
            raise TaskFailed(f"The run has no parameter named {name!r}.")
        return found

    def _find(self, name: str) -> tuple[ParameterValue, bool] | None:
        """The parameter, and whether its second part is meant."""
        key = names.key(name)
        if key in self._values:
            return self._values[key], False
        for suffix in (_USER, _PASSWORD):
            parameter = self._values.get(key.removesuffix(suffix)) if key.endswith(suffix) else None
            if parameter is not None and parameter.type is ParameterType.CREDENTIALS:
                return parameter, suffix == _PASSWORD
        return None


def _secrets(parameter: ParameterValue) -> Iterator[str]:
    if parameter.type is ParameterType.CREDENTIALS:
        yield parameter.secondary
    elif parameter.secret or parameter.type.secret:
        yield parameter.value
        yield parameter.secondary
