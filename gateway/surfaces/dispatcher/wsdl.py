"""The published contract: Spyne's WSDL, made fit for the stacks that import it.

Each step below is there because a real client needs it (named beside it). The published
documents are files in ``wsdl/``, which are served byte for byte but for the address; a test
holds them against what the code gives.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from xml.sax import saxutils

from lxml import etree

from gateway.surfaces.dispatcher.soap import SoapService
from gateway.surfaces.dispatcher.soap_contract import SoapVersion
from gateway.wire import xml


def address(service: str) -> str:
    """The address of a service in the published files, replaced when they are served."""
    return f"http://localhost/Dispatcher/{service}/soap"


FORMS: Mapping[str, tuple[SoapVersion, ...]] = {
    "": (SoapVersion.V11,),
    "1.1": (SoapVersion.V11,),
    "1.2": (SoapVersion.V12,),
    "all": (SoapVersion.V11, SoapVersion.V12),
}
"""What ``?wsdl=`` may ask for. Plain ``?wsdl`` is SOAP 1.1: Axis 1 fails on two bindings."""

_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_XS = "{http://www.w3.org/2001/XMLSchema}"
_SOAP = {
    SoapVersion.V11: "{http://schemas.xmlsoap.org/wsdl/soap/}",
    SoapVersion.V12: "{http://schemas.xmlsoap.org/wsdl/soap12/}",
}
_SIMPLE_FIRST = {f"{_XS}simpleType": 0, f"{_XS}complexType": 1, f"{_XS}element": 2}


def published_wsdl(
    service: SoapService, versions: Sequence[SoapVersion] = (SoapVersion.V11,)
) -> bytes:
    """Return the WSDL with one port for each version, at :func:`address`.

    The same operations give the same bytes, in every process.
    """
    root = xml.parse(service.interface_document())
    _order_schema(_schema(root))
    for operation in root.iter(f"{_WSDL}operation"):
        operation.attrib.pop("parameterOrder", "")  # It is for rpc style; .NET warns.
    for action in root.iter(f"{_SOAP[SoapVersion.V11]}operation"):
        # Relative ones are resolved against the WSDL's address by some stacks.
        action.set("soapAction", f"{service.namespace}/{action.get('soapAction')}")
    _bind(root, service.name, versions)
    return _text(root, keep=("tns", "xs"))


def published_xsd(service: SoapService) -> bytes:
    """Return the schema of all messages on its own; REST answers validate against it, too."""
    schema = _schema(xml.parse(service.interface_document()))
    _order_schema(schema)
    # A copy would lose the prefixes that only the WSDL's root declares; writing adds them.
    return _text(xml.parse(etree.tostring(schema, with_tail=False)), keep=("tns", "xs"))


def with_address(document: bytes, service: str, wanted: str) -> bytes:
    """Return a published WSDL with another address of the service of this name."""
    quoted = saxutils.escape(wanted, {'"': "&quot;"})
    return document.replace(f'"{address(service)}"'.encode(), f'"{quoted}"'.encode())


def _schema(root: etree._Element) -> etree._Element:
    """Return the one schema. KDSoap tries to download what a schema imports."""
    schemas = list(root.iter(f"{_XS}schema"))
    if len(schemas) != 1 or schemas[0].find(f"{_XS}import") is not None:
        raise ValueError("a type lies outside the target namespace: give it the service's own")
    return schemas[0]


def _order_schema(schema: etree._Element) -> None:
    """Sort by kind and name: Spyne's order depends on memory addresses."""
    schema[:] = sorted(schema, key=lambda each: (_SIMPLE_FIRST[each.tag], each.get("name", "")))


def _bind(root: etree._Element, name: str, versions: Iterable[SoapVersion]) -> None:
    """Replace Spyne's binding and port by one for each version; the service comes last."""
    binding = _only(root, f"{_WSDL}binding")
    service = _only(root, f"{_WSDL}service")
    port = _only(service, f"{_WSDL}port")
    for version in versions:
        label = f"{name}Soap{version.label.replace('.', '')}"
        bound, opened = copy.deepcopy(binding), copy.deepcopy(port)
        bound.set("name", label)
        opened.set("name", label)
        opened.set("binding", f"tns:{label}")
        opened[0].set("location", address(name))
        _to_version(bound, version)
        _to_version(opened, version)
        root.append(bound)
        service.append(opened)
    root.remove(binding)
    service.remove(port)
    root.append(service)


def _only(parent: etree._Element, tag: str) -> etree._Element:
    (found,) = parent.findall(tag)
    return found


def _to_version(part: etree._Element, version: SoapVersion) -> None:
    ours = _SOAP[SoapVersion.V11]
    for element in part.iter(f"{ours}*"):
        element.tag = _SOAP[version] + element.tag.removeprefix(ours)


def _text(root: etree._Element, keep: Sequence[str]) -> bytes:
    # gSOAP takes a declared soap12 prefix for a SOAP 1.2 service, so unused ones must go.
    etree.cleanup_namespaces(root, keep_ns_prefixes=list(keep))
    etree.indent(root)
    body = etree.tostring(root, encoding="utf-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body + b"\n"
