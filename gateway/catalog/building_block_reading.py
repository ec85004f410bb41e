"""From the documents of one import to checked shapes: all that can be known without the store."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pydantic

from gateway import names
from gateway.catalog import (
    building_block,
    building_block_json,
    building_block_xml,
    checks,
    folders,
    resources,
)
from gateway.catalog.building_block import BlockDefinition, BlockResource, BuildingBlock
from gateway.catalog.building_block_xml import InvalidBlock, Lines
from gateway.catalog.checks import Fault
from gateway.catalog.references import Path
from gateway.tasks.registry import TaskTypes

_SHOWN_PROBLEMS = 100
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# What a mistake asks for, by pydantic's own name for it; others speak for themselves.
_ADVICE = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not known here: remove it or correct its spelling",
}


@dataclass(frozen=True)
class Problem:
    """Something wrong in a document: in which line or under which JSON path, and what to do."""

    document: str
    sentence: str
    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        path = f" ({self.path})" if self.path else ""
        return f"{self.document}{line}{path}: {self.sentence}"


class ImportRefused(ValueError):
    """Nothing was imported; ``problems`` are all that was found, the text tells the first 100."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        if len(self.problems) > len(lines):
            lines.append(f"and {len(self.problems) - len(lines)} more problems")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Document:
    """A building block and where its parts stand; ``lines`` is empty for JSON."""

    name: str
    block: BuildingBlock
    lines: Lines

    def problem(self, sentence: str, path: Path) -> Problem:
        """A problem with the member that ``path`` leads to."""
        return _located(self.name, self.lines, path, sentence)


@dataclass(frozen=True)
class Item:
    """A definition or resource and where it stands."""

    document: Document
    path: Path
    content: BlockDefinition | BlockResource

    def problem(self, sentence: str, inner: Path = ()) -> Problem:
        """A problem with this, or with a member of it."""
        return self.document.problem(sentence, self.path + inner)


@dataclass(frozen=True)
class Bundle:
    """All that one import brings; ``contents`` are the files that stand beside the blocks."""

    documents: tuple[Document, ...]
    contents: Mapping[str, bytes]

    def definitions(self) -> Iterator[tuple[Item, BlockDefinition]]:
        """All definitions of all blocks: those first that others are made of."""
        for member in ("modules", "projects", "run_books"):
            for document in self.documents:
                definitions: tuple[BlockDefinition, ...] = getattr(document.block, member)
                for index, definition in enumerate(definitions):
                    yield Item(document, (member, index), definition), definition

    def resources(self) -> Iterator[tuple[Item, BlockResource]]:
        """All resources of all blocks."""
        for document in self.documents:
            for index, resource in enumerate(document.block.resources):
                yield Item(document, ("resources", index), resource), resource


@dataclass(frozen=True)
class _Reading:
    """What became of one document: a block, or problems if it was meant to be one."""

    name: str
    data: bytes
    document: Document | None
    problems: tuple[Problem, ...] = ()


def read(documents: Sequence[tuple[str, bytes]]) -> Bundle:
    """Tell blocks from content files, and read the blocks. Raises ImportRefused."""
    readings = [_read(name, data) for name, data in documents]
    wanted = {
        resource.external.file
        for reading in readings
        if reading.document is not None
        for resource in reading.document.block.resources
        if resource.external is not None
    }
    blocks = [reading for reading in readings if reading.name not in wanted]
    problems = [problem for reading in blocks for problem in reading.problems]
    problems += _same_names(documents)
    if problems:
        raise ImportRefused(problems)
    return Bundle(
        tuple(reading.document for reading in blocks if reading.document is not None),
        {reading.name: reading.data for reading in readings if reading.name in wanted},
    )


def problems(bundle: Bundle, task_types: TaskTypes) -> Iterator[Problem]:
    """Everything wrong in what was read that can be known without the store."""
    for item, definition in bundle.definitions():
        for fault in checks.faults(definition, task_types):
            yield item.problem(fault.sentence, fault.path)
    for item, resource in bundle.resources():
        for fault in resources.faults(resource.details):
            yield item.problem(fault.sentence, fault.path)
    items = [item for item, _ in (*bundle.definitions(), *bundle.resources())]
    yield from _twice("GUID", items, _guid)
    yield from _twice("name in the same folder", items, _place)


def _same_names(documents: Sequence[tuple[str, bytes]]) -> Iterator[Problem]:
    seen: set[str] = set()
    for name, _ in documents:
        if name in seen:
            yield Problem(name, "two files of this import have this name: rename one")
        seen.add(name)


def _read(name: str, data: bytes) -> _Reading:
    try:
        members, lines = _members(data)
    except building_block.UnreadableBlock as error:
        return _Reading(name, data, None, (Problem(name, str(error), error.line),))
    except InvalidBlock as error:
        found = tuple(Problem(name, sentence, line) for line, sentence in error.errors)
        return _Reading(name, data, None, found)
    return _shaped(name, data, members, lines)


def _members(data: bytes) -> tuple[dict[str, Any], Lines]:
    start = data
    for mark in _BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    start = start.lstrip(b"\x00 \t\r\n")
    if start.startswith(b"<"):
        return building_block_xml.read(data)
    if start.startswith(b"{"):
        return building_block_json.read(data), {}
    raise building_block.UnreadableBlock(
        "this is neither a building block (XML or JSON) nor the external content of a resource "
        "in one: leave it out, or correct the resource's 'file'"
    )


def _shaped(name: str, data: bytes, members: dict[str, Any], lines: Lines) -> _Reading:
    faults = list(checks.text_faults(members, checks.BLOCK_DEPTH))
    if not faults:
        try:
            block = BuildingBlock.model_validate(members)
        except pydantic.ValidationError as error:
            # The input is left out: it may be a password.
            faults = [_fault(detail) for detail in error.errors(include_input=False)]
        else:
            return _Reading(name, data, Document(name, block, lines))
    found = tuple(_located(name, lines, fault.path, fault.sentence) for fault in faults)
    return _Reading(name, data, None, found)


def _fault(detail: Any) -> Fault:
    advice = _ADVICE.get(detail["type"])
    member = detail["loc"][-1]
    sentence = f"{member!r} {advice}" if advice else detail["msg"].removeprefix("Value error, ")
    return Fault(detail["loc"], sentence)


def _located(name: str, lines: Lines, path: Path, sentence: str) -> Problem:
    nearest = next(
        (path[:length] for length in range(len(path), 0, -1) if path[:length] in lines), None
    )
    line = None if nearest is None else lines[nearest]
    return Problem(name, sentence, line, building_block.readable(path))


def _twice(what: str, items: list[Item], key: Callable[[Item], Hashable]) -> Iterator[Problem]:
    first: dict[Hashable, Item] = {}
    for item in items:
        other = first.setdefault(key(item), item)
        if other is not item:
            yield item.problem(
                f"{item.content.name!r} has the same {what} as {other.content.name!r} in "
                f"{other.document.name}: leave one out or change it"
            )


def _guid(item: Item) -> UUID:
    return item.content.guid


def _place(item: Item) -> tuple[str | int, str, str]:
    member, content = item.path[0], item.content
    return member, folders.path_key(content.folder), names.key(content.name)
