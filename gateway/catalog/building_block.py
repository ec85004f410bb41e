"""The content of a building block: the same shapes for its XML and its JSON form."""

import base64
import binascii
from typing import Annotated, Any, Self
from uuid import UUID

import pydantic

from gateway.catalog import folders
from gateway.catalog.definitions import Module, Name, Parameter, ParameterType
from gateway.catalog.references import Path
from gateway.catalog.resources import FIRST_VERSION

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


def _type_number(value: object) -> object:
    """The number of a parameter type's word; a number stays what it is."""
    if not isinstance(value, str):
        return value
    words = {kind.name.lower(): kind for kind in ParameterType}
    if value not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return words[value]


class BlockParameter(Parameter):
    """A parameter whose type is written as a word: ``multi_line``."""

    type: Annotated[
        ParameterType,
        pydantic.BeforeValidator(_type_number),
        pydantic.PlainSerializer(lambda kind: kind.name.lower(), when_used="json"),
    ] = ParameterType.TEXT


class BlockModule(Module):
    """A module as a building block holds it: with its secrets in clear, or as markers."""

    folder: FolderPath = ""
    parameters: tuple[BlockParameter, ...] = ()


class BlockFolder(_Shape):
    """A folder that is to exist; only empty ones need to be listed."""

    kind: str
    path: FolderPath

    @pydantic.field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in ("module", "resource"):
            raise ValueError("must be 'module' or 'resource'")
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


class BuildingBlock(_Shape):
    """Folders, resources and modules."""

    folders: tuple[BlockFolder, ...] = ()
    resources: tuple[BlockResource, ...] = ()
    modules: tuple[BlockModule, ...] = ()

    def canonical(self) -> "BuildingBlock":
        """The same content in the one order in which it is exported.

        Folders that modules and resources bring along are left out.
        """
        implied = {("module", path) for one in self.modules for path in _above(one.folder)}
        implied |= {("resource", path) for one in self.resources for path in _above(one.folder)}
        listed = {(one.kind, folders.path_key(one.path)): one for one in self.folders}
        inner = {(kind, path) for kind, key in listed for path in _above(key)[:-1]}
        return BuildingBlock(
            folders=tuple(listed[place] for place in sorted(listed.keys() - implied - inner)),
            resources=tuple(sorted(self.resources, key=_place)),
            modules=tuple(sorted(self.modules, key=_place)),
        )

    def plain(self) -> dict[str, Any]:
        """JSON values, without the members that have their usual value."""
        content: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return content


def _above(path: str) -> list[str]:
    """The keys of a folder's path and of those above it."""
    return folders.ancestry(folders.path_key(path)) if path else []


def _place(one: BlockModule | BlockResource) -> tuple[str, str, str]:
    return folders.path_key(one.folder), one.name.casefold(), str(one.guid)


def readable(path: Path) -> str:
    """A path as it is shown to people: ``$.modules[0].name``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
