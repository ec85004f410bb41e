"""Reading the settings: defaults < TOML file < ``GATEWAY_*`` environment < command line."""

import dataclasses
import difflib
import enum
import functools
import json
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.agents import startup
from gateway.settings.schema import MASK, Settings

PREFIX = "GATEWAY_"
NESTED = "__"
FILE_VARIABLE = "GATEWAY_CONFIG"
# Variables that are read elsewhere.
_OTHERS = startup.AGENT_VARIABLES | {FILE_VARIABLE}
"""Names the file itself, and is therefore no setting."""

# Written for the first listener alone; the command line has options of these names.
SHORTCUTS = {"host": "address", "port": "port"}
_OPTIONS = frozenset({"data", "demo", *SHORTCUTS})


class Source(enum.StrEnum):
    """Where a value can come from, the weakest first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a value came from; ``text`` is the file and key, the variable or the option."""

    source: Source
    text: str

    def __str__(self) -> str:
        return self.text or str(self.source)


@dataclasses.dataclass(frozen=True)
class Given:
    """A value that a source gives to one setting, not validated yet."""

    value: Any
    origin: Origin


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The settings, and by dotted name which source set each of them."""

    settings: Settings
    sources: Mapping[str, Origin]


class SettingsError(Exception):
    """Settings that cannot be used: one sentence each, naming setting, source and value."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


Layer = dict[str, Given]


def load(
    command_line: Mapping[str, Any], environment: Mapping[str, str], file: Path | None
) -> Loaded:
    """Read all sources. Keys of ``command_line`` are dotted names; None stands for not given.

    Raises SettingsError.
    """
    layers = (
        _file_layer(file) if file else {},
        _environment_layer(environment),
        _command_line_layer(command_line),
    )
    given = functools.reduce(_merged, layers, Layer())
    try:
        settings = Settings(**_nested(given))
    except pydantic.ValidationError as error:
        raise SettingsError(*(_refusal(details, given) for details in error.errors())) from error
    default = Origin(Source.DEFAULT, "")
    origins = {name: given[name].origin if name in given else default for name in leaves()}
    return Loaded(settings, origins)


@functools.cache
def leaves() -> Mapping[str, FieldInfo]:
    """Every setting by its dotted name."""
    return dict(_walk(Settings, ""))


def value_of(settings: Settings, name: str) -> Any:
    """The value of the setting with a dotted name."""
    return functools.reduce(getattr, name.split("."), settings)


def _walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _walk(annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


@functools.cache
def _groups() -> frozenset[str]:
    return frozenset(name.rpartition(".")[0] for name in leaves() if "." in name)


def _file_layer(file: Path) -> Layer:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"settings file {file} is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings file {file} is not valid TOML: {error}") from error
    return dict(_flat(document, "", lambda name: Origin(Source.FILE, f"{file}: {name}")))


def _environment_layer(environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable in _OTHERS:
            continue
        name = variable.removeprefix(PREFIX).lower().replace(NESTED, ".")
        layer |= _from_text(name, text, Origin(Source.ENVIRONMENT, variable))
    return layer


def _command_line_layer(command_line: Mapping[str, Any]) -> Layer:
    layer: Layer = {}
    for name, value in command_line.items():
        origin = Origin(Source.COMMAND_LINE, f"--{name}" if name in _OPTIONS else f"--set {name}")
        if isinstance(value, str):
            layer |= _from_text(name, value, origin)
        elif value is not None:
            layer |= _flat({name: value}, "", _always(origin))
    return layer


def _flat(
    values: Mapping[str, Any], prefix: str, origin: Callable[[str], Origin]
) -> Iterator[tuple[str, Given]]:
    for key, value in values.items():
        name = prefix + key
        if name in leaves() or name in SHORTCUTS:
            yield name, Given(value, origin(name))
        elif name in _groups() and isinstance(value, Mapping):
            yield from _flat(value, f"{name}.", origin)
        else:
            raise SettingsError(_unknown(name, origin(name)))


def _always(origin: Origin) -> Callable[[str], Origin]:
    return lambda _: origin


def _from_text(name: str, text: str, origin: Origin) -> Layer:
    """What one variable or option gives: text, a list with commas, or JSON."""
    if name in _groups():
        value = _json(name, text, origin)
        if not isinstance(value, dict):
            raise SettingsError(f"setting {name}, from {origin}: a JSON object is needed")
        return dict(_flat(value, f"{name}.", _always(origin)))
    if name in SHORTCUTS:
        return {name: Given(text, origin)}
    if name not in leaves():
        raise SettingsError(_unknown(name, origin))
    return {name: Given(_decoded(name, text, origin), origin)}


def _decoded(name: str, text: str, origin: Origin) -> Any:
    annotation = leaves()[name].annotation
    if text == "" and _optional(annotation):
        return None
    if typing.get_origin(annotation) is not tuple:
        return text
    if text.lstrip().startswith("["):
        return _json(name, text, origin)
    return [item.strip() for item in text.split(",") if item.strip()]


def _optional(annotation: Any) -> bool:
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    return union and types.NoneType in typing.get_args(annotation)


def _json(name: str, text: str, origin: Origin) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SettingsError(f"setting {name}, from {origin}: not valid JSON: {error}") from error


def _unknown(name: str, origin: Origin) -> str:
    known = [*leaves(), *_groups(), *SHORTCUTS]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:
        last = name.rpartition(".")[2]
        close = [other for other in known if other.rpartition(".")[2] == last][:1]
    if not close:
        return f"there is no setting {name} (from {origin}): see 'gateway config' for all of them"
    meant = close[0]
    if origin.source is Source.ENVIRONMENT:
        meant = PREFIX + meant.replace(".", NESTED).upper()
    return f"there is no setting {name} (from {origin}): did you mean {meant}?"


def _merged(below: Layer, above: Layer) -> Layer:
    merged = below | {name: given for name, given in above.items() if name not in SHORTCUTS}
    for name, member in SHORTCUTS.items():
        if name in above:
            listeners = merged.get("listeners") or Given([{}], above[name].origin)
            merged["listeners"] = _shortened(listeners, member, above[name])
    return merged


def _shortened(listeners: Given, member: str, given: Given) -> Given:
    """The listeners with one member of the first replaced, for ``--host`` and ``--port``."""
    match listeners.value:
        case [Mapping() as first, *rest]:
            return Given([{**first, member: given.value}, *rest], given.origin)
        case _:
            return listeners  # no usable list: validation says what is wrong with it


def _nested(layer: Layer) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, given in layer.items():
        *groups, last = name.split(".")
        functools.reduce(lambda inner, group: inner.setdefault(group, {}), groups, values)[last] = (
            given.value
        )
    return values


def _refusal(details: Any, given: Layer) -> str:
    """One line about a value that validation refused."""
    where = ".".join(str(part) for part in details["loc"])
    name = next((leaf for leaf in leaves() if f"{where}.".startswith(f"{leaf}.")), where)
    value = MASK if _secret(name) else repr(details["input"])
    reason = details["msg"].removeprefix("Value error, ")
    origin = given[name].origin if name in given else Origin(Source.DEFAULT, "")
    if details["type"] == "missing":
        return f"setting {where}, from {origin}: it is required"
    if details["type"] == "extra_forbidden":
        return f"setting {where}, from {origin}: there is no member of this name"
    return f"setting {where}, from {origin}: {value} is not allowed: {_lower(reason)}"


def _secret(name: str) -> bool:
    field = leaves().get(name)
    return field is not None and SecretStr in (field.annotation, *_members(field.annotation))


def _members(annotation: Any) -> Iterator[Any]:
    for member in typing.get_args(annotation):
        yield member
        yield from _members(member)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
