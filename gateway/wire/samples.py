"""Samples of messages for help pages, made from the samples of their members."""

import json
import re
from typing import Any, TypeVar

from lxml import etree

from gateway.wire import json_messages, xml_messages
from gateway.wire.messages import Content, ListOf, Message
from gateway.wire.scalars import Scalar

M = TypeVar("M", bound=Message)


def sample(message: type[M]) -> M:
    """Return a message in which every member has a value and every list one item."""
    return message(
        **{
            member.name: of(member.content) if member.sample is None else member.sample
            for member in message.members
        }
    )


def of(content: Content) -> Any:
    """Return the sample of a content."""
    if isinstance(content, ListOf):
        return (of(content.content),)
    if isinstance(content, Scalar):
        return content.sample
    return sample(content)


def sample_xml(message: type[Message], namespace: str) -> str:
    """Return the sample as indented XML, without declaration."""
    return _indented_xml(xml_messages.write(sample(message), namespace))


def sample_xml_list(message: type[Message], namespace: str) -> str:
    """Return a list of one sample as indented XML, without declaration."""
    return _indented_xml(xml_messages.write_list(message, [sample(message)], namespace))


def _indented_xml(document: bytes) -> str:
    root = etree.fromstring(document)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


def sample_json(message: type[Message]) -> str:
    r"""Return the sample as indented JSON, its dates as they are on the wire (``\/Date``)."""
    return _indented_json(json_messages.write(sample(message)))


def sample_json_list(message: type[Message]) -> str:
    """Return a list of one sample as indented JSON."""
    return _indented_json(json_messages.write_list([sample(message)]))


def _indented_json(document: bytes) -> str:
    value = json.loads(document)
    return re.sub(r'"/(Date\([^)]*\))/"', r'"\/\1\/"', json.dumps(value, indent=2))
