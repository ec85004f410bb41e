"""The values that an order gives, checked against the parameters of all that it runs."""

import dataclasses
import functools
import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway import names
from gateway.catalog import references
from gateway.catalog.definitions import SELECTION_SEPARATOR, Parameter, ParameterType
from gateway.catalog.run_books import RunBookJob
from gateway.catalog.trees import Tree
from gateway.identity.vault import SECRET_MARKER
from gateway.jobs.orders import GivenParameters, GivenValue, OrderRefused


@dataclass(frozen=True)
class Holder:
    """A definition that has parameters, and where it is run.

    ``step`` is the job of a run book that runs it. Sets for the GUIDs in ``within`` (its project's)
    count for it, too. Parameters whose keys are ``linked`` get a value from the run book; those of
    a project that ``merges`` are its modules' and are asked for there.
    """

    guid: uuid.UUID
    name: str
    parameters: tuple[Parameter, ...]
    step: uuid.UUID | None = None
    within: frozenset[uuid.UUID] = frozenset()
    linked: frozenset[str] = frozenset()
    merges: bool = False

    def takes(self, given: GivenParameters) -> bool:
        """Whether a set of values counts for it."""
        meant = given.definition is None or given.definition in (self.guid, *self.within)
        return meant and given.step in (None, self.step)


class Holders(tuple[Holder, ...]):
    """All holders of an order; which of them a set counts for is found without asking each."""

    def taking(self, given: GivenParameters) -> list[Holder]:
        """The holders that a set counts for, in their order."""
        near: Sequence[Holder] = self
        if given.step is not None:
            near = self._by_step.get(given.step, ())
        elif given.definition is not None:
            near = self._by_guid.get(given.definition, ())
        return [holder for holder in near if holder.takes(given)]

    @functools.cached_property
    def steps(self) -> frozenset[uuid.UUID | None]:
        """The jobs of run books that run something, and None for what the order itself runs."""
        return frozenset(holder.step for holder in self)

    @functools.cached_property
    def _by_step(self) -> Mapping[uuid.UUID, Sequence[Holder]]:
        found: dict[uuid.UUID, list[Holder]] = {}
        for holder in self:
            if holder.step is not None:
                found.setdefault(holder.step, []).append(holder)
        return found

    @functools.cached_property
    def _by_guid(self) -> Mapping[uuid.UUID, Sequence[Holder]]:
        found: dict[uuid.UUID, list[Holder]] = {}
        for holder in self:
            for guid in {holder.guid, *holder.within}:
                found.setdefault(guid, []).append(holder)
        return found


@dataclass(frozen=True)
class _Set:
    """A set of values, with the holders that it counts for."""

    given: GivenParameters
    taking: tuple[Holder, ...]

    def tells_default(self, value: GivenValue) -> bool:
        """Whether a value is what its parameter has anyway."""
        return all(
            _keeps(parameter, value) for parameter in self._meant.get(names.key(value.name), ())
        )

    @functools.cached_property
    def _meant(self) -> Mapping[str, Sequence[Parameter]]:
        """The parameters by their keys, as the set's own definition shows them."""
        shown = [holder for holder in self.taking if holder.guid == self.given.definition]
        return _by_key(one for holder in shown or self.taking for one in holder.parameters)


def _by_key(parameters: Iterable[Parameter]) -> dict[str, list[Parameter]]:
    found: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        found.setdefault(names.key(parameter.name), []).append(parameter)
    return found


def holders(tree: Tree, job: RunBookJob | None = None) -> Iterator[Holder]:
    """All that has parameters in a definition, in the order in which it is run."""
    step = None if job is None else job.guid
    if tree.run_book is not None:
        linked = _linked(job, tree.summary.guid)
        yield Holder(
            tree.summary.guid, tree.summary.name, tree.run_book.parameters, step, linked=linked
        )
        for inner in tree.steps:
            if inner.job.enabled:
                for what in inner.what:
                    yield from holders(what, inner.job)
        return
    owner = tree.summary.guid
    parts = [part for part in tree.modules if part.enabled]
    within: frozenset[uuid.UUID] = frozenset()
    if len(parts) != 1 or parts[0].summary.guid != owner:
        within = frozenset({owner})
        # Those that are asked for first, as they are shown: a used one's default is the project's.
        modules = [part.module for part in parts]
        asked = map(references.input_parameters, modules)
        every = (module.parameters for module in modules)
        merged = tuple(merged_parameters(itertools.chain(asked, every)))
        yield Holder(owner, tree.summary.name, merged, step, merges=True)
    for part in parts:
        guid = part.summary.guid
        yield Holder(
            guid, part.summary.name, part.module.parameters, step, within, _linked(job, guid)
        )


def merged_parameters(declared: Iterable[Iterable[Parameter]]) -> Iterator[Parameter]:
    """Parameters of several modules, each name once, as the first that has it declares it."""
    seen: set[str] = set()
    for parameters in declared:
        for parameter in parameters:
            key = names.key(parameter.name)
            if key not in seen:
                seen.add(key)
                yield parameter


def checked(given: Sequence[GivenParameters], found: Holders) -> tuple[GivenParameters, ...]:
    """The sets that give something, under the parameters' own names. Raises OrderRefused.

    Values that are nothing but the defaults are left out, as if they had not been sent: clients
    send back all that they were shown, and a value of its own would stand in the way of a run
    book's links and of what a task sets (Dispatcher contract 7, item 5).
    """
    sets = list(_sets(given, found))
    telling = _telling(sets)
    changing = (_changing(one, telling) for one in sets)
    return tuple(one for one in changing if one.values)


def _sets(given: Sequence[GivenParameters], found: Holders) -> Iterator[_Set]:
    for index, one in enumerate(given):
        path = f"Parameters[{index}]"
        # A job's GUID means nothing where no run book has jobs.
        item = one if found.steps != {None} else dataclasses.replace(one, step=None)
        taking = found.taking(item)
        if not taking and item.step not in found.steps:
            raise OrderRefused(f"{path}.JobGuid", "names no job of the run book")
        if not taking and item.definition is not None:
            raise OrderRefused(f"{path}.TaskContainerGuid", "names nothing that the job runs")
        known = _by_key(one for holder in taking for one in holder.parameters)
        values = tuple(
            # As the first of them has it: so it is shown.
            _checked(path, own, known[names.key(own.name)][0])
            for own in _own_parts(item.values, known)
            if _is_given(own)
        )
        _refuse_repeated(path, values)
        yield _Set(GivenParameters(item.definition, values, item.step), tuple(taking))


def _changing(one: _Set, telling: Mapping[str, Sequence[_Set]]) -> GivenParameters:
    """What a set changes; a default counts if it takes back what another set gives."""
    values = tuple(
        value
        for value in one.given.values
        if not one.tells_default(value) or _taken_back(one, telling.get(names.key(value.name), ()))
    )
    return dataclasses.replace(one.given, values=values)


def _telling(sets: Iterable[_Set]) -> dict[str, list[_Set]]:
    """The sets that give a parameter something else than its default, by its key."""
    found: dict[str, list[_Set]] = {}
    for one in sets:
        for value in one.given.values:
            if not one.tells_default(value):
                found.setdefault(names.key(value.name), []).append(one)
    return found


def _taken_back(one: _Set, others: Iterable[_Set]) -> bool:
    """Whether one of these sets is another one, for the same holder."""
    return any(
        other is not one and any(holder.takes(other.given) for holder in one.taking)
        for other in others
    )


def _keeps(parameter: Parameter, value: GivenValue) -> bool:
    """Whether a value leaves a parameter as it is. What is secret is not compared."""
    parts = (
        ("value", value.value, parameter.default),
        ("secondary", value.secondary, parameter.default2),
    )
    return all(
        given is None or (given == default and not is_secret(parameter.type, part))
        for part, given, default in parts
    )


def check_required(found: Iterable[Holder], given: Sequence[GivenParameters]) -> None:
    """Refuse an order that leaves a required parameter without any value. Raises OrderRefused."""
    for holder in found:
        missing = [one for one in holder.parameters if one.required and not one.default]
        if holder.merges or not missing:
            continue
        given_keys = {
            names.key(value.name)
            for one in given
            if holder.takes(one)
            for value in one.values
            if value.value or value.secondary
        }
        for parameter in missing:
            if names.key(parameter.name) not in given_keys | holder.linked:
                raise OrderRefused(
                    f"Parameters.{parameter.name}", f"{holder.name!r} needs a value for it"
                )


def types(found: Holders, given: GivenParameters) -> dict[str, frozenset[ParameterType]]:
    """The types of the parameters that a set of values is for, by their keys: one name may stand
    for several.
    """
    kinds: dict[str, frozenset[ParameterType]] = {}
    for holder in found.taking(given):
        for parameter in holder.parameters:
            key = names.key(parameter.name)
            kinds[key] = kinds.get(key, frozenset()) | {parameter.type}
    return kinds


def any_secret(kinds: Iterable[ParameterType], part: str) -> bool:
    """Whether this part of a value is a secret of one of the parameters that it is for."""
    return any(is_secret(kind, part) for kind in kinds)


def is_secret(kind: ParameterType | None, part: str) -> bool:
    """Whether this part of a parameter of this type is never shown.

    A password's value, and the second value of credentials (the first is the user's name).
    """
    if kind is ParameterType.PASSWORD:
        return True
    return kind is ParameterType.CREDENTIALS and part == "secondary"


def text(given: Iterable[GivenParameters], holder: Holder, name: str) -> str:
    """The value that a parameter begins with, "" where it has none."""
    key = names.key(name)
    found = ""
    for parameter in holder.parameters:
        if names.key(parameter.name) == key:
            found = parameter.default
    for one in given:
        if holder.takes(one):
            for value in one.values:
                if names.key(value.name) == key and value.value is not None:
                    found = value.value
    return found


def _linked(job: RunBookJob | None, guid: uuid.UUID) -> frozenset[str]:
    if job is None:
        return frozenset()
    return frozenset(
        names.key(link.target)
        for link in job.links
        if link.action.sets and link.definition in (None, guid)
    )


def _refuse_repeated(path: str, values: Iterable[GivenValue]) -> None:
    """A value that is given twice would leave it to chance which of the two counts."""
    seen: set[str] = set()
    for value in values:
        if value.name in seen:
            raise OrderRefused(f"{path}.{value.name}", "is given twice")
        seen.add(value.name)


def _own_parts(
    values: Iterable[GivenValue], known: Mapping[str, Sequence[Parameter]]
) -> Iterator[GivenValue]:
    """The values of parameters that exist; only credentials have a second part of their own."""
    for value in values:
        meant = known.get(names.key(value.name))
        if meant is None:
            continue
        if any(parameter.type is ParameterType.CREDENTIALS for parameter in meant):
            yield value
        else:
            yield dataclasses.replace(value, secondary=None)


def _is_given(value: GivenValue) -> bool:
    """Whether a value changes anything: a marker or nothing keeps the default."""
    return any(part not in (None, SECRET_MARKER) for part in (value.value, value.secondary))


def _checked(path: str, value: GivenValue, parameter: Parameter) -> GivenValue:
    """The value under the parameter's own name, if it is among the allowed ones."""
    refused = [c for c in parameter.chosen(value.value or "") if not parameter.allows(c)]
    if refused:
        allowed = SELECTION_SEPARATOR.join(parameter.allowed)
        raise OrderRefused(
            f"{path}.{parameter.name}", f"{refused[0]!r} is not allowed; choose from {allowed}"
        )
    return GivenValue(parameter.name, _unmarked(value.value), _unmarked(value.secondary))


def _unmarked(given: str | None) -> str | None:
    return None if given == SECRET_MARKER else given
