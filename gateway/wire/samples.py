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
            member.name: _of(member.content) if member.sample is None else member.sample
            for member in message.members
        }
    )


def _of(content: Content) -> Any:
    if isinstance(content, ListOf):
        return (_of(content.content),)
    if isinstance(content, Scalar):
        return content.sample
    return sample(content)


def sample_xml(message: type[Message], namespace: str) -> str:
    """Return the sample as indented XML, without declaration."""
    root = etree.fromstring(xml_messages.write(sample(message), namespace))
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


def sample_json(message: type[Message]) -> str:
    r"""Return the sample as indented JSON, its dates as they are on the wire (``\/Date``)."""
    value = json.loads(json_messages.write(sample(message)))
    return re.sub(r'"/(Date\([^)]*\))/"', r'"\/\1\/"', json.dumps(value, indent=2))
