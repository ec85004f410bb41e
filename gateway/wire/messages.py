'''Message classes: every member declared once, everything else made from that.

A message class is a frozen dataclass whose members say their kind, meaning and sample::

    class JobWho(Message):
        """An agent or a team."""

        ID: uuid.UUID | None = member(GUID, "Which agent or team.", sample=...)
        Type: JobWhoType | None = member(enumeration(JobWhoType), "What ID names.")
        Name: str | None = member(TEXT, "Its name.", sample="PC1234")

From it :mod:`gateway.wire.xml_messages` and :mod:`gateway.wire.json_messages` compile readers
and writers, once per class; nothing is worked out per message. Every member may be absent: it
is None then, or an empty tuple for lists. What a client sent beyond the members is kept in
``extras``.

The names of members are those on the wire, in both dialects, with their case.
'''

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from gateway.wire.scalars import Scalar

T = TypeVar("T")
M = TypeVar("M", bound="Message")
R = TypeVar("R")


@dataclasses.dataclass(frozen=True)
class ListOf:
    """A list of scalars or messages; in XML each item is an element called ``item``."""

    content: "Scalar[Any] | type[Message]"
    item: str


Content: typing.TypeAlias = Scalar[Any] | type["Message"] | ListOf


@dataclasses.dataclass(frozen=True)
class Member:
    """One declared member. ``sample`` None means: made from the content's own sample."""

    name: str
    content: Content
    meaning: str
    sample: Any = None


_NO_EXTRAS: Mapping[str, Any] = types.MappingProxyType({})


@typing.dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Message:
    """Base of all message classes. The class argument ``name`` is the name on the wire.

    ``extras`` holds what came in under names that the class does not declare, as plain values
    (from XML: text, dicts of text, lists for repeated names). It takes no part in comparison
    and is not written.
    """

    extras: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: _NO_EXTRAS, compare=False, repr=False
    )

    wire_name: ClassVar[str] = ""
    members: ClassVar[tuple[Member, ...]] = ()

    def __init_subclass__(cls, *, name: str | None = None) -> None:
        """Turn the declarations of a message class into a dataclass and its table of members."""
        super().__init_subclass__()
        cls.wire_name = name or cls.__name__
        declared = [
            dataclasses.replace(value, name=attribute)
            for attribute, value in vars(cls).items()
            if isinstance(value, Member)
        ]
        cls.members = tuple(sorted(cls.members + tuple(declared), key=lambda each: each.name))
        for each in declared:
            setattr(cls, each.name, () if isinstance(each.content, ListOf) else None)
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        cls.__init__ = _initialiser(cls)  # type: ignore[method-assign]


def _initialiser(cls: type[Message]) -> "Callable[..., None]":
    """What the dataclass's own does, in one step: that sets each member of a frozen one by itself,
    which costs more than to write the whole message.
    """
    blank = {field.name: getattr(cls, field.name, _NO_EXTRAS) for field in dataclasses.fields(cls)}

    def __init__(self: Message, **given: Any) -> None:  # noqa: N807  # it becomes the class's own
        if not given.keys() <= blank.keys():
            unknown = sorted(given.keys() - blank.keys())
            raise TypeError(f"{cls.__name__} has no member {unknown[0]!r}")
        values = self.__dict__
        values.update(blank)
        values.update(given)

    return __init__


def member(kind: Scalar[T], meaning: str, *, sample: T | None = None) -> T | None:
    """Declare a member that holds one scalar; None where it is absent or nil."""
    return typing.cast("T | None", Member("", kind, meaning, sample))


def nested(message: type[M], meaning: str, *, sample: M | None = None) -> M | None:
    """Declare a member that holds another message; None where it is absent or nil."""
    return typing.cast("M | None", Member("", message, meaning, sample))


def messages(
    message: type[M], meaning: str, *, sample: tuple[M, ...] | None = None
) -> tuple[M, ...]:
    """Declare a list of messages, empty where it is absent or nil. Items that are nil are dropped.

    In XML it is wrapped: ``<What><JobWhat/><JobWhat/></What>``.
    """
    return typing.cast("tuple[M, ...]", Member("", list_of(message), meaning, sample))


def scalars(kind: Scalar[T], meaning: str, *, item: str, sample: T | None = None) -> tuple[T, ...]:
    """Declare a list of scalars; in XML each is an element called ``item``."""
    samples = None if sample is None else (sample,)
    return typing.cast("tuple[T, ...]", Member("", ListOf(kind, item), meaning, samples))


def list_of(message: type[Message]) -> ListOf:
    """Return the content "list of this message", its items called like the message."""
    return ListOf(message, message.wire_name)


def once_per_class(
    compile_for: "Callable[[type[Message]], R]",
) -> "Callable[[type[Message]], R]":
    """Keep what a function makes of each message class.

    It is functools.cache, which mypy does not accept for classes of dataclasses. Two threads may
    both compile at first; either result will do.
    """
    made: dict[type[Message], R] = {}

    @functools.wraps(compile_for)
    def look_up(message: type[Message]) -> R:
        if message not in made:
            made[message] = compile_for(message)
        return made[message]

    return look_up
