"""Building blocks as XML, by the schema ``wsdl/buildingblock.xsd``.

Reading gives the same plain members as the JSON form, and the line of each element, so that
everything after it need not know of XML.
"""

import functools
import json
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from lxml import etree

from gateway.catalog.building_block import NAMESPACE, BuildingBlock, UnreadableBlock
from gateway.catalog.references import Path
from gateway.wire import xml
from gateway.wire.errors import XmlError

SCHEMA = FilePath(__file__).resolve().parents[2] / "wsdl" / "buildingblock.xsd"

_LIMITS = xml.XmlLimits(size=256 * 1024 * 1024, elements=1_000_000)
_NAMESPACES: Any = {None: NAMESPACE}
_PREFIX = f"{{{NAMESPACE}}}"
_SHOWN_ERRORS = 20
# Some of libxml2's sentences repeat the value at fault, whatever its length.
_LONGEST_SENTENCE = 500

Lines = dict[Path, int]


class InvalidBlock(ValueError):
    """Well-formed XML that the schema does not allow; ``errors`` are (line, sentence)."""

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        super().__init__(errors[0][1])
        self.errors = errors


def _flag(text: str) -> bool:
    return text.strip() in ("true", "1")


def _count(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        # More digits than Python reads: left as it is for the check that follows.
        return text


@dataclass(frozen=True)
class _Element:
    """How a kind of object stands in XML. Names are the members' names, with hyphens.

    ``attributes`` say how their text is read; ``texts`` are child elements with text only;
    ``objects`` are child elements of which there may be one; ``lists`` are repeated ones: the
    element's name and the member that they make up. ``texts`` and ``lists`` are in the order of
    the schema. Text lists have None for their element.
    """

    attributes: Mapping[str, Callable[[str], Any]]
    texts: tuple[str, ...] = ()
    objects: Mapping[str, "_Element"] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, "_Element | None"]] = field(default_factory=dict)
    settings: bool = False


_CONDITION = _Element(
    {"subject": str, "name": str, "operator": str, "effect": str}, texts=("value",)
)
_EVALUATOR = _Element(
    {"subject": str, "name": str, "operator": str, "verdict": str}, texts=("value",)
)
_CAPTURE = _Element({"parameter": str, "kind": str, "required": _flag}, texts=("expression",))
_TASK = _Element(
    {
        "guid": str.strip,
        "name": str,
        "type": str,
        "timeout": float,
        "on_failure": str,
        "enabled": _flag,
        "keep_processes": _flag,
        "log_limit": _count,
    },
    lists={
        "condition": ("conditions", _CONDITION),
        "capture": ("captures", _CAPTURE),
        "evaluator": ("evaluators", _EVALUATOR),
    },
    settings=True,
)
_PARAMETER = _Element(
    {"guid": str.strip, "name": str, "type": str, "ask": _flag, "required": _flag},
    texts=("description", "hint", "default", "default2"),
    lists={"allowed": ("allowed", None), "display": ("displays", None)},
)
_POLICY = _Element(
    {
        "retries": _count,
        "retry_on": str,
        "retry_delay": float,
        "retry_factor": float,
        "retry_longest": float,
        "timeout": float,
        "concurrency": str,
        "lock": str,
        "priority": _count,
    }
)
_MODULE = _Element(
    {"guid": str.strip, "name": str, "folder": str, "enabled": _flag, "retries": _count},
    texts=("description", "comment"),
    objects={"policy": _POLICY},
    lists={
        "parameter": ("parameters", _PARAMETER),
        "condition": ("conditions", _CONDITION),
        "evaluator": ("evaluators", _EVALUATOR),
        "task": ("tasks", _TASK),
    },
)
_PROJECT_MODULE = _Element(
    {"guid": str.strip, "module": str.strip, "enabled": _flag, "on_failure": str},
    lists={"condition": ("conditions", _CONDITION)},
)
_PROJECT = _Element(
    {"guid": str.strip, "name": str, "folder": str, "enabled": _flag},
    texts=("description", "comment"),
    objects={"policy": _POLICY},
    lists={"module": ("modules", _PROJECT_MODULE)},
)
_JOB = _Element(
    {
        "guid": str.strip,
        "name": str,
        "enabled": _flag,
        "use_run_book_who": _flag,
        "parallel": _flag,
        "on_failure": str,
    },
    texts=("description",),
    lists={
        "what": ("what", _Element({"kind": str, "guid": str.strip})),
        "who": ("who", _Element({"kind": str, "reference": str})),
        "condition": ("conditions", _CONDITION),
        "evaluator": ("evaluators", _EVALUATOR),
        "link": (
            "links",
            _Element({"parameter": str, "target": str, "definition": str.strip, "action": str}),
        ),
    },
)
_RUN_BOOK = _Element(
    {
        "guid": str.strip,
        "name": str,
        "folder": str,
        "enabled": _flag,
        "who_parameter": str,
        "who_selection": str,
    },
    texts=("description", "comment"),
    objects={"policy": _POLICY},
    lists={"parameter": ("parameters", _PARAMETER), "job": ("jobs", _JOB)},
)
_RESOURCE = _Element(
    {
        "guid": str.strip,
        "name": str,
        "folder": str,
        "file_name": str,
        "version_name": str,
        "parse_content": _flag,
        "skip_environment": _flag,
    },
    texts=("comment", "content"),
    objects={"external": _Element({"file": str, "sha256": str})},
)
_BLOCK = _Element(
    {},
    lists={
        "folder": ("folders", _Element({"kind": str, "path": str})),
        "resource": ("resources", _RESOURCE),
        "module": ("modules", _MODULE),
        "project": ("projects", _PROJECT),
        "run-book": ("run_books", _RUN_BOOK),
    },
)


def read(data: bytes) -> tuple[dict[str, Any], Lines]:
    """The members of a block, checked against the schema only, and their lines.

    Raises UnreadableBlock, InvalidBlock.
    """
    try:
        root = xml.parse(data, limits=_LIMITS)
    except XmlError as error:
        raise UnreadableBlock(error.sentence) from None
    if root.tag != f"{_PREFIX}building-block":
        raise UnreadableBlock(
            f"this is no building block: its root must be building-block in {NAMESPACE}"
        )
    _check(root)
    lines: Lines = {}
    return _members(root, _BLOCK, (), lines), lines


def write(block: BuildingBlock) -> bytes:
    """The XML text of a block, in UTF-8."""
    root = etree.Element(f"{_PREFIX}building-block", nsmap=_NAMESPACES)
    _fill(root, _BLOCK, block.plain())
    written: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)
    return written


@functools.cache
def _schema_document() -> etree._ElementTree:
    return etree.parse(SCHEMA)


def _check(root: etree._Element) -> None:
    # A schema object keeps the errors of its last use, so each check has its own.
    schema = etree.XMLSchema(_schema_document())
    if not schema.validate(root):
        log: Any = schema.error_log
        found = [(entry.line, _sentence(entry.message)) for entry in log]
        raise InvalidBlock(found[:_SHOWN_ERRORS])


def _sentence(message: str) -> str:
    return textwrap.shorten(message.replace(_PREFIX, ""), _LONGEST_SENTENCE)


def _members(element: etree._Element, kind: _Element, path: Path, lines: Lines) -> dict[str, Any]:
    lines[path] = _line(element)
    members: dict[str, Any] = {}
    for name, value in element.attrib.items():
        member = str(name).replace("-", "_")
        members[member] = kind.attributes[member](str(value))
    for child in element:
        _add_child(members, child, kind, path, lines)
    return members


def _add_child(
    members: dict[str, Any], child: etree._Element, kind: _Element, path: Path, lines: Lines
) -> None:
    name = etree.QName(child).localname
    if name in kind.lists:
        member, inner = kind.lists[name]
        items = members.setdefault(member, [])
        place = (*path, member, len(items))
        items.append(_text(child) if inner is None else _members(child, inner, place, lines))
    elif name in kind.objects:
        place = (*path, name)
        members[name] = _members(child, kind.objects[name], place, lines)
    elif name == "settings":
        place = (*path, name)
        members[name] = _map(child, place, lines)
    else:
        place = (*path, name)
        members[name] = _text(child)
    lines[place] = _line(child)


def _line(element: etree._Element) -> int:
    line: Any = element.sourceline
    return int(line or 0)


def _text(element: etree._Element) -> str:
    return element.text or ""


def _map(element: etree._Element, path: Path, lines: Lines) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for child in element:
        name = str(child.get("name"))
        if name in members:
            raise InvalidBlock([(_line(child), f"{name!r} stands here twice: remove one")])
        members[name] = _value(child, (*path, name), lines)
    return members


def _value(element: etree._Element, path: Path, lines: Lines) -> Any:
    lines[path] = _line(element)
    kind = etree.QName(element).localname
    if kind == "map":
        return _map(element, path, lines)
    if kind == "list":
        return [_value(child, (*path, index), lines) for index, child in enumerate(element)]
    return _plain(kind, element)


def _plain(kind: str, element: etree._Element) -> Any:
    text = _text(element)
    if kind == "text":
        return text
    if kind == "nothing":
        return None
    return _flag(text) if kind == "flag" else _number(text.strip(), _line(element))


def _number(text: str, line: int) -> int | float:
    try:
        number: int | float = json.loads(text)
    except ValueError:
        raise InvalidBlock([(line, "the number has too many digits")]) from None
    if not math.isfinite(number):
        raise InvalidBlock([(line, f"the number {text} is too large")])
    return number


def _fill(element: etree._Element, kind: _Element, members: Mapping[str, Any]) -> None:
    for member in kind.attributes:
        if member in members:
            element.set(member.replace("_", "-"), _written(members[member]))
    for name in kind.texts:
        if name in members:
            _child(element, name).text = members[name]
    for name, inner in kind.objects.items():
        if name in members:
            _fill(_child(element, name), inner, members[name])
    for name, (member, item_kind) in kind.lists.items():
        for item in members.get(member, ()):
            _fill_item(_child(element, name), item_kind, item)
    if kind.settings and members.get("settings"):
        _fill_map(_child(element, "settings"), members["settings"])


def _fill_item(element: etree._Element, kind: _Element | None, item: Any) -> None:
    if kind is None:
        element.text = item
    else:
        _fill(element, kind, item)


def _fill_map(element: etree._Element, members: Mapping[str, Any]) -> None:
    for name, value in members.items():
        _add_value(element, value).set("name", name)


def _add_value(parent: etree._Element, value: Any) -> etree._Element:
    if isinstance(value, Mapping):
        element = _child(parent, "map")
        _fill_map(element, value)
    elif isinstance(value, list | tuple):
        element = _child(parent, "list")
        for item in value:
            _add_value(element, item)
    else:
        element = _child(parent, _kind_of(value))
        element.text = None if value is None else _written(value)
    return element


def _kind_of(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else "text"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _child(parent: etree._Element, name: str) -> etree._Element:
    return etree.SubElement(parent, f"{_PREFIX}{name}")
