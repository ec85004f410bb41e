"""The content of a building block: the same shapes for its XML and its JSON form."""

import base64
import binascii
import enum
from collections.abc import Iterator
from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID

import pydantic

from gateway.catalog import folders
from gateway.catalog.definitions import Module, Name, Parameter, ParameterType
from gateway.catalog.folders import FolderKind
from gateway.catalog.projects import Project
from gateway.catalog.references import Path
from gateway.catalog.resources import FIRST_VERSION, ResourceDetails
from gateway.catalog.run_books import RunBook, WhoSelection

NAMESPACE = "urn:dispatcher-gateway:building-block:1"

_SHA256 = r"^[0-9a-f]{64}$"


class UnreadableBlock(ValueError):
    """Bytes are no building block; ``line`` is where the reader gave up, if that is known."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.line = line


class _Shape(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


def _folder_path(path: str) -> str:
    return folders.clean(path)


FolderPath = Annotated[str, pydantic.AfterValidator(_folder_path)]


def _number(numbers: type[enum.IntEnum]) -> pydantic.BeforeValidator:
    """Reads the number of a word; a number stays what it is."""
    words = {one.name.lower(): one for one in numbers}

    def number(value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return words[value]

    return pydantic.BeforeValidator(number)


_AS_WORD = pydantic.PlainSerializer(lambda number: number.name.lower(), when_used="json")


class BlockParameter(Parameter):
    """A parameter whose type is written as a word: ``multi_line``."""

    type: Annotated[ParameterType, _number(ParameterType), _AS_WORD] = ParameterType.TEXT


class BlockModule(Module):
    """A module as a building block holds it: with its secrets in clear, or as markers."""

    folder: FolderPath = ""
    parameters: tuple[BlockParameter, ...] = ()


class BlockProject(Project):
    """A project as a building block holds it."""

    folder: FolderPath = ""


class BlockRunBook(RunBook):
    """A run book as a building block holds it: with its secrets in clear, or as markers."""

    folder: FolderPath = ""
    parameters: tuple[BlockParameter, ...] = ()
    who_selection: Annotated[WhoSelection, _number(WhoSelection), _AS_WORD] = (
        WhoSelection.COMPUTER_NAME
    )


BlockDefinition: TypeAlias = BlockModule | BlockProject | BlockRunBook


_FOLDER_KINDS = tuple(kind.name.lower() for kind in FolderKind)


class BlockFolder(_Shape):
    """A folder that is to exist; only empty ones need to be listed."""

    kind: str
    path: FolderPath

    @pydantic.field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in _FOLDER_KINDS:
            raise ValueError(f"must be one of {', '.join(_FOLDER_KINDS)}")
        return kind

    @property
    def tree(self) -> folders.FolderKind:
        """The tree that it is in."""
        return folders.FolderKind[self.kind.upper()]


class External(_Shape):
    """Content in a file that is handed over with the block: its name and SHA-256 in hex."""

    file: Annotated[str, pydantic.Field(min_length=1)]
    sha256: Annotated[
        str,
        pydantic.BeforeValidator(lambda text: str(text).lower()),
        pydantic.Field(pattern=_SHA256),
    ]


def _decoded(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a text in Base64")  # noqa: TRY004  # pydantic reads ValueError
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not Base64") from error


Content = Annotated[
    bytes,
    pydantic.BeforeValidator(_decoded),
    pydantic.PlainSerializer(lambda data: base64.b64encode(data).decode(), when_used="json"),
]


class BlockResource(_Shape):
    """A file that tasks use; its bytes stand in ``content`` or in an ``external`` file."""

    guid: UUID
    name: Name
    folder: FolderPath = ""
    file_name: Name
    comment: str = ""
    version_name: Name = FIRST_VERSION
    parse_content: bool = False
    skip_environment: bool = False
    content: Content | None = None
    external: External | None = None

    @pydantic.model_validator(mode="after")
    def _has_bytes(self) -> Self:
        if (self.content is None) == (self.external is None):
            raise ValueError("needs either content (Base64) or external (a file), not both")
        return self

    @property
    def details(self) -> ResourceDetails:
        """What is said about it."""
        return ResourceDetails(
            self.name,
            self.file_name,
            self.folder,
            self.comment,
            self.version_name,
            self.parse_content,
            self.skip_environment,
        )


class BuildingBlock(_Shape):
    """Folders, resources and definitions."""

    folders: tuple[BlockFolder, ...] = ()
    resources: tuple[BlockResource, ...] = ()
    modules: tuple[BlockModule, ...] = ()
    projects: tuple[BlockProject, ...] = ()
    run_books: tuple[BlockRunBook, ...] = ()

    def placed(self) -> Iterator[tuple[str, BlockResource | BlockDefinition]]:
        """All that lies in folders, with its kind."""
        yield from (("resource", one) for one in self.resources)
        yield from (("module", one) for one in self.modules)
        yield from (("project", one) for one in self.projects)
        yield from (("run_book", one) for one in self.run_books)

    def canonical(self) -> "BuildingBlock":
        """The same content in the one order in which it is exported.

        Folders that other objects bring along are left out.
        """
        implied = {(kind, path) for kind, one in self.placed() for path in _above(one.folder)}
        listed = {(one.kind, folders.path_key(one.path)): one for one in self.folders}
        inner = {(kind, path) for kind, key in listed for path in _above(key)[:-1]}
        return BuildingBlock(
            folders=tuple(listed[place] for place in sorted(listed.keys() - implied - inner)),
            resources=tuple(sorted(self.resources, key=_place)),
            modules=tuple(sorted(self.modules, key=_place)),
            projects=tuple(sorted(self.projects, key=_place)),
            run_books=tuple(sorted(self.run_books, key=_place)),
        )

    def plain(self) -> dict[str, Any]:
        """JSON values, without the members that have their usual value."""
        content: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return content


def _above(path: str) -> list[str]:
    """The keys of a folder's path and of those above it."""
    return folders.ancestry(folders.path_key(path)) if path else []


def _place(one: BlockDefinition | BlockResource) -> tuple[str, str, str]:
    return folders.path_key(one.folder), one.name.casefold(), str(one.guid)


def readable(path: Path) -> str:
    """A path as it is shown to people: ``$.modules[0].name``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
