"""A sample message for each operation: what is sent by SOAP, and what comes back.

They are published as files in ``wsdl/samples/`` and shown on the help pages.
"""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from gateway.surfaces.dispatcher import soap_envelope
from gateway.surfaces.dispatcher.operation import Operation
from gateway.surfaces.dispatcher.service import Service
from gateway.surfaces.dispatcher.soap_contract import SoapVersion
from gateway.wire import samples, xml, xml_messages
from gateway.wire.messages import Member


def names(operation: Operation) -> tuple[str, str]:
    """The names of the files of an operation: of its request and of its response."""
    return f"samples/{operation.name}.request.xml", f"samples/{operation.name}.response.xml"


def documents(service: Service) -> Iterator[tuple[str, bytes]]:
    """The files of a service: their names and contents."""
    for operation in service.operations:
        request, response = names(operation)
        yield request, _request(service, operation)
        yield response, _response(service, operation)


def _request(service: Service, operation: Operation) -> bytes:
    arguments = [Member(one.soap_name, one.content, "", one.sample) for one in operation.arguments]
    return _message(service, operation.name, arguments)


def _response(service: Service, operation: Operation) -> bytes:
    result = Member(f"{operation.name}Result", operation.answer, "")
    return _message(service, f"{operation.name}Response", [result])


def _message(service: Service, name: str, members: list[Member]) -> bytes:
    """An envelope of SOAP 1.1, indented, round one element."""
    values: dict[str, Any] = {
        one.name: samples.of(one.content) if one.sample is None else one.sample for one in members
    }
    written = xml_messages.members_writer(members)(values)
    element = f'<{name} xmlns="{service.namespace}">{written}</{name}>'
    root = xml.parse(soap_envelope.wrap(SoapVersion.V11, element))
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8") + b"\n"
