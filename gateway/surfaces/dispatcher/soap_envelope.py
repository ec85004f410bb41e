"""SOAP envelopes, 1.1 and 1.2: taken apart on the way in, written on the way out.

The version is that of the Envelope's namespace, not of the Content-Type: real stacks send 1.1
envelopes to 1.2 ports and the reverse.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from lxml import etree

from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher.soap_contract import (
    FaultCode,
    SoapAnswer,
    SoapFault,
    SoapVersion,
)
from gateway.wire import pieces, xml_messages
from gateway.wire.xml_messages import escape

# --- reading ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Block:
    """A header block that is for this server; ``name`` as ``{namespace}name``."""

    name: str
    element: etree._Element
    must_understand: bool


@dataclasses.dataclass(frozen=True)
class Envelope:
    """A request: its version, the element in the Body that names the operation, its headers."""

    version: SoapVersion
    entry: etree._Element
    blocks: tuple[Block, ...] = ()


# SOAP encoding's ways to say "see there", and attachments': nobody here follows them, so the value
# would be lost. Looking at attributes only takes a tenth of the time: most messages have none.
_references = etree.XPath(
    "boolean(descendant-or-self::*/@*["
    "(local-name() = 'href' and (starts-with(., '#') or starts-with(., 'cid:')))"
    "or (local-name() = 'ref' and namespace-uri() = 'http://www.w3.org/2003/05/soap-encoding')])"
)
_FAULTS = frozenset(f"{{{version.namespace}}}Fault" for version in SoapVersion)

# Header blocks for others, or for nobody, need not be understood here.
_OURS = {
    SoapVersion.V11: ("actor", {"", "http://schemas.xmlsoap.org/soap/actor/next"}),
    SoapVersion.V12: (
        "role",
        {
            "",
            "http://www.w3.org/2003/05/soap-envelope/role/next",
            "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
        },
    ),
}


def version_of(root: etree._Element) -> SoapVersion:
    """Return the version of a parsed document.

    Raises :class:`SoapFault`: VersionMismatch for an Envelope of another namespace, Client for
    anything that is no Envelope.
    """
    for version in SoapVersion:
        if root.tag == version.envelope:
            return version
    name = etree.QName(root)
    if name.localname == "Envelope":
        space = f"of namespace {shown(name.namespace)}" if name.namespace else "without a namespace"
        raise SoapFault(
            FaultCode.VERSION_MISMATCH,
            "VersionMismatch",
            f"an Envelope {space} is not known; use SOAP 1.1 or 1.2",
        )
    raise _malformed(f"the document is {shown(name.localname)}, not a SOAP Envelope")


_LONGEST_NAME = 200


def shown(name: str) -> str:
    """Quote a name that a client sent, so that a long one does not fill the answer."""
    return f"'{name}'" if len(name) <= _LONGEST_NAME else f"'{name[:_LONGEST_NAME]}...'"


def unwrap(
    root: etree._Element, version: SoapVersion, understood: AbstractSet[str] = frozenset()
) -> Envelope:
    """Check an envelope and return what matters of it.

    ``understood`` are the header blocks, as ``{namespace}name``, that somebody has looked at.
    Raises :class:`SoapFault` for an envelope of other parts than one Header, which may be left
    out, and one Body after it; for headers that must be understood and are not; for a Body
    without exactly one element; and for references to other elements or attachments.
    """
    header, body = _parts(root, version)
    blocks = () if header is None else tuple(_blocks(header, version, understood))
    return Envelope(version, _entry(body), blocks)


def _malformed(message: str) -> SoapFault:
    return SoapFault(FaultCode.CLIENT, "InvalidEnvelope", message)


def _parts(
    root: etree._Element, version: SoapVersion
) -> tuple[etree._Element | None, etree._Element]:
    """Return the Header, if there is one, and the Body.

    A second one of either would be passed over in silence, with what must be understood in it.
    """
    names = [child.tag for child in root]
    if version.body not in names:
        raise _malformed(f"the Envelope of SOAP {version.label} has no Body of its namespace")
    place = names.index(version.body)
    if names[:place] not in ([], [version.header]):
        raise _malformed("only one Header may stand before the SOAP Body")
    for name in names[place + 1 :]:
        # SOAP 1.1 lets foreign elements follow (section 4), SOAP 1.2 nothing.
        if version is SoapVersion.V12 or name in (version.header, version.body):
            raise _malformed(f"{shown(str(name))} may not follow the SOAP Body")
    _refuse_text(root, "Envelope")
    return (root[0] if place else None), root[place]


def _entry(body: etree._Element) -> etree._Element:
    """Return the element that names the operation."""
    if len(body) != 1:
        raise _malformed(
            f"the SOAP Body must hold one element, the operation, not {len(body) or 'none'}"
        )
    _refuse_text(body, "Body")
    entry = body[0]
    if entry.tag in _FAULTS:
        raise _malformed("the SOAP Body holds a Fault, which is no request")
    if _references(entry):
        raise _malformed(
            "references to other elements or attachments (href, ref) are not supported; "
            "write values out"
        )
    return entry


def _refuse_text(element: etree._Element, name: str) -> None:
    texts = [element.text, *[child.tail for child in element]]
    if any(text and not text.isspace() for text in texts):
        raise _malformed(f"the SOAP {name} holds text between its elements")


def _blocks(
    header: etree._Element, version: SoapVersion, understood: AbstractSet[str]
) -> Iterator[Block]:
    """The blocks that are for us; raises for one that must be understood and is not."""
    attribute, ours = _OURS[version]
    for element in header:
        # What is neither true nor false may be meant as true: it is not done against a ban.
        must = element.get(version.must_understand, "").strip().lower() not in ("", "0", "false")
        target = element.get(f"{{{version.namespace}}}{attribute}", "").strip()
        if target not in ours:
            continue
        name = str(element.tag)
        if must and name not in understood:
            raise SoapFault(
                FaultCode.MUST_UNDERSTAND,
                "MustUnderstand",
                f"the header {shown(name)} must be understood and is not; leave it out",
            )
        yield Block(name, element, must)


# --- writing ------------------------------------------------------------------------------


def wrap(version: SoapVersion, body: str, header: str = "") -> bytes:
    """Put an envelope round written XML."""
    return "".join(_wrapped(version, [body], header)).encode("utf-8")


def _wrapped(version: SoapVersion, texts: Iterable[str], header: str) -> Iterator[str]:
    head = f"<soap:Header>{header}</soap:Header>" if header else ""
    yield (
        f'{xml_messages.DECLARATION}<soap:Envelope xmlns:soap="{version.namespace}">{head}'
        "<soap:Body>"
    )
    yield from texts
    yield "</soap:Body></soap:Envelope>"


def answer(version: SoapVersion, texts: Iterable[str], header: str = "") -> SoapAnswer:
    """Return the answer of an operation that went well; in pieces if its texts come one by one.

    ``header`` are written header blocks.
    """
    if isinstance(texts, Iterator):
        gathered = pieces.gathered(_wrapped(version, texts, header))
        return SoapAnswer(200, version.content_type, b"", pieces=gathered)
    return SoapAnswer(200, version.content_type, wrap(version, "".join(texts), header))


def nothing() -> SoapAnswer:
    """Return the answer to who wants none: WS-Addressing's address "none"."""
    return SoapAnswer(202, "text/xml; charset=utf-8", b"")


def fault_answer(
    version: SoapVersion,
    fault: SoapFault,
    namespace: str,
    request_id: str = "",
    status: int | None = None,
    header: str = "",
) -> SoapAnswer:
    """Return a fault as an answer, with its typed detail in the service's ``namespace``.

    The status is 500 for every SOAP 1.1 fault, as its HTTP binding demands, and for SOAP 1.2
    400 where the sender is to blame (SOAP 1.2 part 2, 7.5.2.2), unless another one is given.
    """
    sender = version is SoapVersion.V12 and fault.code is FaultCode.CLIENT
    detail = _detail(fault, namespace, request_id)
    if version is SoapVersion.V11:
        body = _fault_11(fault, detail)
    else:
        body = _fault_12(fault, namespace, detail)
    chosen = status or fault.status or (400 if sender else 500)
    return SoapAnswer(chosen, version.content_type, wrap(version, body, header), fault.reason)


_write_detail = xml_messages.members_writer(messages.DispatcherFault.members)


def _detail(fault: SoapFault, namespace: str, request_id: str) -> str:
    if fault.code in (FaultCode.VERSION_MISMATCH, FaultCode.MUST_UNDERSTAND):
        return ""  # The detail is for faults of the Body only (SOAP 1.1, 4.4).
    members = _write_detail(
        {"Code": fault.reason, "Message": fault.message, "RequestId": request_id or None}
    )
    name = messages.DispatcherFault.wire_name
    return f'<{name} xmlns="{namespace}">{members}</{name}>'


def _fault_11(fault: SoapFault, detail: str) -> str:
    wrapped = f"<detail>{detail}</detail>" if detail else ""
    space, code = "", f"soap:{fault.code.value}"
    if fault.standard is not None:
        # Where the code is one of another specification, its clients look for that.
        space, code = f' xmlns:code="{fault.standard[0]}"', f"code:{fault.standard[1]}"
    return (
        f"<soap:Fault><faultcode{space}>{code}</faultcode>"
        f"<faultstring>{escape(fault.message)}</faultstring>{wrapped}</soap:Fault>"
    )


_CODES_12 = {FaultCode.CLIENT: "Sender", FaultCode.SERVER: "Receiver"}


def _fault_12(fault: SoapFault, namespace: str, detail: str) -> str:
    wrapped = f"<soap:Detail>{detail}</soap:Detail>" if detail else ""
    return (
        f"<soap:Fault><soap:Code><soap:Value>soap:{_CODES_12.get(fault.code, fault.code.value)}"
        f"</soap:Value>{_subcode(fault, namespace)}</soap:Code><soap:Reason>"
        f'<soap:Text xml:lang="en">{escape(fault.message)}</soap:Text></soap:Reason>'
        f"{wrapped}</soap:Fault>"
    )


def _subcode(fault: SoapFault, namespace: str) -> str:
    if fault.code not in _CODES_12:
        return ""
    space, name = fault.standard or (namespace, fault.reason)
    return f'<soap:Subcode><soap:Value xmlns:tns="{space}">tns:{name}</soap:Value></soap:Subcode>'
