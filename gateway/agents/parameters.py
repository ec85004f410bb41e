"""The parameters of one run while its tasks use and change them.

Each module of a run (a *part*) has its own. A value that a task sets flows to the parameters of the
same name in the modules after it, except to those that the request gave a value of their own.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from gateway import names
from gateway.agents import masking
from gateway.agents.protocol import ParameterValue
from gateway.catalog.definitions import ParameterType
from gateway.tasks.base import TaskFailed

# Values can be put together from values; without a bound they could double with every task.
MAX_VALUE = 1024 * 1024

_USER = ".user"
_PASSWORD = ".password"  # noqa: S105  (the suffix by which a placeholder asks for the password)

_Key = tuple[int, str]


class RunParameters:
    """All parameters of a run. It remembers every secret seen. Used by one task at a time."""

    def __init__(self, parameters: Iterable[ParameterValue]) -> None:
        self._values = {(one.part, names.key(one.name)): one for one in parameters}
        self._parts = sorted({part for part, _ in self._values})
        self._secrets = {s for parameter in self._values.values() for s in _secrets(parameter)}
        self._changed: set[_Key] = set()

    @property
    def secrets(self) -> frozenset[str]:
        """All secret values that the run has had so far, in whatever part."""
        return frozenset(self._secrets)

    def of_part(self, part: int) -> "PartParameters":
        """The parameters as the tasks of one module see them."""
        return PartParameters(self, (part,))

    def of_run(self) -> "PartParameters":
        """The parameters as the run sees them: a name means that of the last module that has it."""
        return PartParameters(self, self._parts[::-1])

    def changed(self, parameter: ParameterValue) -> bool:
        """Whether a task has set it, or one that it takes its value from."""
        return (parameter.part, names.key(parameter.name)) in self._changed

    def shown(self) -> list[ParameterValue]:
        """Those whose value is no secret, in the order of the modules."""
        return [one for one in self._values.values() if not hides_value(one)]

    def find(self, parts: Iterable[int], name: str) -> tuple[ParameterValue, bool] | None:
        """The parameter in the first of the parts that has it; whether its second part is meant."""
        key = names.key(name)
        return next(filter(None, (self._find(part, key) for part in parts)), None)

    def assign(self, parameter: ParameterValue, value: str, *, secondary: bool) -> None:
        """Give a parameter a value, and those after it that take theirs from it."""
        key = names.key(parameter.name)
        self._put(key, _with(parameter, value, secondary=secondary))
        for part in self._parts:
            heir = self._values.get((part, key))
            if heir is None or part <= parameter.part or heir.given:
                continue
            if not secondary or heir.type is ParameterType.CREDENTIALS:
                taken = _with(heir, value, secondary=secondary)
                # What was a secret stays one under whatever type.
                hidden = taken.secret or (hides_value(parameter) and not secondary)
                self._put(key, dataclasses.replace(taken, secret=hidden))

    def _put(self, key: str, changed: ParameterValue) -> None:
        self._values[changed.part, key] = changed
        self._secrets.update(_secrets(changed))
        self._changed.add((changed.part, key))

    def _find(self, part: int, key: str) -> tuple[ParameterValue, bool] | None:
        found = self._values.get((part, key))
        if found is not None:
            return found, False
        for suffix in (_USER, _PASSWORD):
            if key.endswith(suffix):
                found = self._values.get((part, key.removesuffix(suffix)))
                if found is not None and found.type is ParameterType.CREDENTIALS:
                    return found, suffix == _PASSWORD
        return None


class PartParameters:
    """Finds parameters by their names, whatever their case, in some parts of a run.

    ``Name.User`` and ``Name.Password`` are the two parts of credentials; ``Name`` alone is the
    user.
    """

    def __init__(self, run: RunParameters, parts: Sequence[int]) -> None:
        self._run = run
        self._parts = parts

    def known(self, name: str) -> bool:
        """Whether there is a parameter of this name."""
        return self._run.find(self._parts, name) is not None

    def present(self, name: str) -> bool:
        """Whether there is a parameter of this name with a value."""
        return self.known(name) and self.get(name) != ""

    def get(self, name: str) -> str:
        """The present value; TaskFailed if there is no such parameter."""
        parameter, secondary = self._expect(name)
        return parameter.secondary if secondary else parameter.value

    def set(self, name: str, value: str) -> str:
        """Give a new value and return it as it may be shown.

        Raises TaskFailed if there is no such parameter.
        """
        parameter, secondary = self._expect(name)
        if len(value) > MAX_VALUE:
            raise TaskFailed(f"The value for {name!r} has more than {MAX_VALUE} characters.")
        self._run.assign(parameter, value, secondary=secondary)
        return masking.MASK if secondary or hides_value(parameter) else value

    def _expect(self, name: str) -> tuple[ParameterValue, bool]:
        found = self._run.find(self._parts, name)
        if found is None:
            raise TaskFailed(f"The run has no parameter named {name!r}.")
        return found


def _with(parameter: ParameterValue, value: str, *, secondary: bool) -> ParameterValue:
    if secondary:
        return dataclasses.replace(parameter, secondary=value)
    return dataclasses.replace(parameter, value=value)


def hides_value(parameter: ParameterValue) -> bool:
    """Whether the value is never shown; of credentials it is the user, who is."""
    return parameter.secret and parameter.type is not ParameterType.CREDENTIALS


def _secrets(parameter: ParameterValue) -> Iterator[str]:
    if parameter.type is ParameterType.CREDENTIALS:
        yield parameter.secondary
    elif parameter.secret or parameter.type.secret:
        yield parameter.value
        yield parameter.secondary
