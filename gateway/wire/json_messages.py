"""Messages in the WCF dialect of JSON: compiled readers and writers.

Reading follows Dispatcher contract 1.5: names with their case, unknown ones kept aside, null
anywhere, ``[null]`` an empty list. Absent members are not written; lists always are, because
clients loop over them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

from gateway.wire import wcf_json
from gateway.wire.errors import MessageError
from gateway.wire.messages import Content, ListOf, Message, once_per_class
from gateway.wire.scalars import Scalar

M = TypeVar("M", bound=Message)

Reader: TypeAlias = Callable[[Any, wcf_json.OffsetReader], Any]
Writer: TypeAlias = Callable[[Any, wcf_json.DateWriter], str]


# --- the doors ----------------------------------------------------------------------------


def read(
    message: type[M], value: Any, *, offsets: wcf_json.OffsetReader = wcf_json.plain_offset
) -> M:
    """Read a message from a JSON value, as :func:`gateway.wire.wcf_json.read` gives it.

    ``offsets`` says what dates with an offset mean. ``null`` is a message without members.
    Raises :class:`~gateway.wire.errors.MessageError`, its path beginning with the message's name.
    """
    if value is None:
        return message()
    try:
        made = _message_reader(message)(value, offsets)
    except MessageError as error:
        raise error.below(message.wire_name) from None
    return made if isinstance(made, message) else message()


def write(message: Message, *, dates: wcf_json.DateWriter = wcf_json.date) -> bytes:
    """Write a message as compact ASCII JSON, without a wrapper."""
    return _message_writer(type(message))(message, dates).encode("ascii")


def write_list(items: Iterable[Message], *, dates: wcf_json.DateWriter = wcf_json.date) -> bytes:
    """Write messages as a bare top-level array (Dispatcher contract 1.4)."""
    return "".join(list_texts(items, dates=dates)).encode("ascii")


def list_texts(
    items: Iterable[Message], *, dates: wcf_json.DateWriter = wcf_json.date
) -> Iterator[str]:
    """What :func:`write_list` writes, an item at a time: for lists too long to be kept."""
    separator = "["
    for item in items:
        yield separator + _message_writer(type(item))(item, dates)
        separator = ","
    yield "[]" if separator == "[" else "]"


# --- compiled readers ---------------------------------------------------------------------


def _content_reader(content: Content) -> Reader:
    if isinstance(content, ListOf):
        return _list_reader(content)
    if isinstance(content, Scalar):
        return content.from_json
    return _message_reader(content)


def _list_reader(content: ListOf) -> Reader:
    read_item = _content_reader(content.content)

    def read_list(value: Any, offsets: wcf_json.OffsetReader) -> tuple[Any, ...]:
        if isinstance(value, dict):  # PowerShell unwraps lists of one
            value = [value]
        if not isinstance(value, list):
            raise MessageError("", f"is {_kind(value)}; a list is expected")
        items = []
        for index, raw in enumerate(value):
            if raw is None:
                continue
            try:
                items.append(read_item(raw, offsets))
            except MessageError as error:
                raise error.below(f"[{index}]") from None
        return tuple([item for item in items if item is not None])

    return read_list


@once_per_class
def _message_reader(message: type[Message]) -> Reader:
    readers = {member.name: _content_reader(member.content) for member in message.members}
    blank = message().__dict__

    def read_message(value: Any, offsets: wcf_json.OffsetReader) -> Message:
        if not isinstance(value, dict):
            raise MessageError("", f"is {_kind(value)}; an object is expected")
        # What the class's own __init__ does, without a dict in between.
        made = object.__new__(message)
        values = made.__dict__
        values.update(blank)
        unknown = {}
        for name, raw in value.items():
            reader = readers.get(name)
            if reader is None:
                unknown[name] = raw
            elif raw is not None:
                try:
                    values[name] = reader(raw, offsets)
                except MessageError as error:
                    raise error.below(name) from None
        if unknown:
            values["extras"] = unknown
        return made

    return read_message


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a number"


# --- compiled writers ---------------------------------------------------------------------


@once_per_class
def _message_writer(message: type[Message]) -> Writer:
    plan = [
        (member.name, f'"{member.name}":', _content_writer(member.content))
        for member in message.members
    ]

    def write_message(value: Message, dates: wcf_json.DateWriter) -> str:
        values = value.__dict__
        texts = [
            key + write_one(values[name], dates)
            for name, key, write_one in plan
            if values[name] is not None
        ]
        return f"{{{','.join(texts)}}}"

    return write_message


def _content_writer(content: Content) -> Writer:
    if isinstance(content, ListOf):
        write_item = _content_writer(content.content)
        return lambda items, dates: f"[{','.join([write_item(item, dates) for item in items])}]"
    if isinstance(content, Scalar):
        return content.to_json
    return _message_writer(content)
