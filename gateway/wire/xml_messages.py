"""Messages in XML: readers and writers compiled from the declaration of a message class.

Reading is lenient where clients differ (Dispatcher contract 4.6): members are found by local
name, in any namespace and any order; ``xsi:nil`` is absence; what is unknown is kept aside.
Writing is strict: members in alphabetical order, as a data contract has them, all in one
namespace, absent ones left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar
from xml.sax import saxutils

from lxml import etree

from gateway.wire import scalars, xml
from gateway.wire.errors import MessageError
from gateway.wire.messages import Content, ListOf, Member, Message, list_of, once_per_class
from gateway.wire.scalars import Scalar

M = TypeVar("M", bound=Message)

Reader: TypeAlias = Callable[[etree._Element], Any]
Writer: TypeAlias = Callable[[Any], str]

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'

_NIL = f"{{{xml.XSI}}}nil"
_TYPE = f"{{{xml.XSI}}}type"


# --- the doors ----------------------------------------------------------------------------


def read(message: type[M], root: etree._Element) -> M:
    """Read a message from its element, whatever that is called.

    Raises :class:`~gateway.wire.errors.MessageError`, its path beginning with the message's name.
    """
    try:
        value = _message_reader(message)(root)
    except MessageError as error:
        raise error.below(message.wire_name) from None
    return value if isinstance(value, message) else message()


def write(message: Message, namespace: str) -> bytes:
    """Write a message as a document of its own, UTF-8, its root named like the message."""
    body = _message_writer(type(message))(message)
    return document(message.wire_name, namespace, body)


def write_list(message: type[Message], items: Iterable[Message], namespace: str) -> bytes:
    """Write messages as a document ``<ArrayOfX>``, which is how WCF names a bare list of X."""
    return "".join(list_texts(message, items, namespace)).encode("utf-8")


def list_texts(message: type[Message], items: Iterable[Message], namespace: str) -> Iterator[str]:
    """What :func:`write_list` writes, an item at a time: for lists too long to be kept."""
    name = f"ArrayOf{message.wire_name}"
    yield _start(name, namespace)
    yield from item_texts(list_of(message), items)
    yield f"</{name}>"


def item_texts(content: ListOf, items: Iterable[Any]) -> Iterator[str]:
    """Write the items of a list one by one, without an element round them."""
    return map(_element_writer(content.content, content.item), items)


def document(name: str, namespace: str, body: str) -> bytes:
    """Put a root element round written members and encode it."""
    return f"{_start(name, namespace)}{body}</{name}>".encode()


def _start(name: str, namespace: str) -> str:
    return f"{DECLARATION}<{name} xmlns={saxutils.quoteattr(namespace)}>"


# --- compiled readers ---------------------------------------------------------------------


def members_reader(members: Sequence[Member]) -> Callable[[etree._Element], dict[str, Any]]:
    """Compile a reader of an element's children into a dict of all members and ``extras``.

    The reader raises :class:`~gateway.wire.errors.MessageError` with a path that begins with
    the member's name. A member that is given twice is refused: one of the two would be lost.
    """
    readers = {member.name: _content_reader(member.content) for member in members}
    absent: dict[str, Any] = {
        member.name: () if isinstance(member.content, ListOf) else None for member in members
    }

    def read_members(element: etree._Element) -> dict[str, Any]:
        values = absent.copy()
        not_seen = readers.copy()
        unknown: list[etree._Element] = []
        for child in element.iterchildren("*"):
            name = child.tag.rpartition("}")[2]
            reader = not_seen.pop(name, None)
            if reader is None:
                if name in readers:
                    raise MessageError(name, "is given twice")
                unknown.append(child)
                continue
            try:
                values[name] = reader(child)
            except MessageError as error:
                raise error.below(name) from None
        if unknown:
            values["extras"] = _plain_children(unknown)
        return values

    return read_members


def _content_reader(content: Content) -> Reader:
    if isinstance(content, ListOf):
        return _list_reader(content)
    if isinstance(content, Scalar):
        return _text_reader(content) if content.xsd == "string" else _scalar_reader(content)
    return _message_reader(content)


def _scalar_reader(scalar: Scalar[Any]) -> Reader:
    from_text = scalar.from_text

    def read_scalar(element: etree._Element) -> Any:
        if len(element):
            raise MessageError("", f"holds elements; a {scalar.name} is expected")
        text = element.text
        if text is None:
            return None if _is_nil(element) else from_text("")
        return from_text(text)

    return read_scalar


def _text_reader(scalar: Scalar[Any]) -> Reader:
    """Read a text, also one that its sender has put into Base64 and says so.

    Stacks that guess types do that to what is not ASCII. Passed over, the type would leave another
    text than was meant, and nobody would be told.
    """
    read_scalar = _scalar_reader(scalar)

    def read_text(element: etree._Element) -> Any:
        value = read_scalar(element)
        kind = element.get(_TYPE)
        if kind is None or not value or kind.rpartition(":")[2] not in ("base64Binary", "base64"):
            return value
        try:
            return scalar.from_text((scalars.BYTES.from_text(element.text or "") or b"").decode())
        except UnicodeDecodeError:
            raise MessageError("", "is no text in UTF-8, in Base64 as its xsi:type says") from None

    return read_text


def _list_reader(content: ListOf) -> Reader:
    read_item = _content_reader(content.content)

    def read_list(element: etree._Element) -> tuple[Any, ...]:
        refuse_bare_text(element)
        items = []
        for index, child in enumerate(element.iterchildren("*")):
            try:
                items.append(read_item(child))
            except MessageError as error:
                raise error.below(f"[{index}]") from None
        return tuple([item for item in items if item is not None])

    return read_list


@once_per_class
def _message_reader(message: type[Message]) -> Reader:
    read_members = members_reader(message.members)
    blank = message().__dict__

    def read_message(element: etree._Element) -> Message | None:
        if not len(element):
            refuse_bare_text(element)
            if _is_nil(element):
                return None
        # What the class's own __init__ does, without a dict in between.
        made = object.__new__(message)
        made.__dict__.update(blank)
        made.__dict__.update(read_members(element))
        return made

    return read_message


def _is_nil(element: etree._Element) -> bool:
    return element.get(_NIL, "").strip() in ("true", "1")


def refuse_bare_text(element: etree._Element) -> None:
    """Raise MessageError for an element that holds text where only elements can mean anything."""
    if not len(element) and element.text and not element.text.isspace():
        raise MessageError("", "holds text; elements are expected")


def _plain_children(elements: Iterable[etree._Element]) -> dict[str, Any]:
    """Turn elements into plain values by local name; a name that repeats makes a list."""
    plain: dict[str, Any] = {}
    for element in elements:
        name = element.tag.rpartition("}")[2]
        value = _plain(element)
        if name not in plain:
            plain[name] = value
        elif isinstance(plain[name], list):
            plain[name].append(value)
        else:
            plain[name] = [plain[name], value]
    return plain


def _plain(element: etree._Element) -> Any:
    if len(element):
        return _plain_children(element.iterchildren("*"))
    return None if _is_nil(element) else element.text or ""


# --- compiled writers ---------------------------------------------------------------------


def members_writer(members: Sequence[Member]) -> Callable[[Mapping[str, Any]], str]:
    """Compile a writer of the given members, in the given order, from a mapping of all of them."""
    plan = [(member.name, _element_writer(member.content, member.name)) for member in members]

    def write_members(values: Mapping[str, Any]) -> str:
        return "".join(
            [write_one(values[name]) for name, write_one in plan if values[name] is not None]
        )

    return write_members


@once_per_class
def _message_writer(message: type[Message]) -> Writer:
    write_members = members_writer(message.members)
    return lambda value: write_members(value.__dict__)


def _element_writer(content: Content, name: str) -> Writer:
    """Compile a writer of one element with its tags."""
    write_content = _content_writer(content)
    start, end = f"<{name}>", f"</{name}>"
    return lambda value: f"{start}{write_content(value)}{end}"


def _content_writer(content: Content) -> Writer:
    if isinstance(content, ListOf):
        write_item = _element_writer(content.content, content.item)
        return lambda items: "".join([write_item(item) for item in items])
    if isinstance(content, Scalar):
        to_text = content.to_text
        return lambda value: escape(to_text(value))
    return _message_writer(content)


_SPECIAL = re.compile(f"[&<>\r]|{scalars.UNWRITABLE.pattern}")
# A bare carriage return would come back as a line feed.
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escape(text: str) -> str:
    """Escape text for an element. What XML cannot carry at all becomes U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda match: _ESCAPED.get(match.group(), "\ufffd"), text)
