"""WS-Addressing, of 2005 and of 2004: headers that tell messages apart and where answers go.

A client that sends them finds its MessageID again in the answer's header. Answers go back on the
connection, or nowhere; a request that wants them sent elsewhere is refused before it is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway import moments
from gateway.surfaces.dispatcher.soap_contract import FaultCode, SoapFault
from gateway.surfaces.dispatcher.soap_envelope import Block
from gateway.wire.xml_messages import escape

_2005 = "http://www.w3.org/2005/08/addressing"
_2004 = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_ANONYMOUS = {_2005: f"{_2005}/anonymous", _2004: f"{_2004}/role/anonymous"}
_NONE = f"{_2005}/none"
_FAULT = {_2005: f"{_2005}/soap/fault", _2004: f"{_2004}/fault"}
_NAMES = ("Action", "MessageID", "To", "From", "ReplyTo", "FaultTo", "RelatesTo")
_LONGEST = 1024

UNDERSTOOD = frozenset(f"{{{namespace}}}{name}" for namespace in _ANONYMOUS for name in _NAMES)
"""The blocks of both versions."""


@dataclass(frozen=True)
class Addressing:
    """What a request says of itself; ``reply`` and ``fault`` tell whether such is wanted."""

    namespace: str
    message_id: str | None
    reply: bool = True
    fault: bool = True

    def header(self, action: str) -> str:
        """The blocks of an answer, whose Action is given."""
        relates = ""
        if self.message_id:
            relates = f"<wsa:RelatesTo>{escape(self.message_id)}</wsa:RelatesTo>"
        space = f' xmlns:wsa="{self.namespace}"'
        return (
            f"<wsa:Action{space}>{escape(action)}</wsa:Action>"
            f"<wsa:MessageID{space}>urn:uuid:{moments.new_guid()}</wsa:MessageID>"
        ) + relates.replace("<wsa:RelatesTo>", f"<wsa:RelatesTo{space}>", 1)

    def fault_header(self) -> str:
        """The blocks of a fault."""
        return self.header(_FAULT[self.namespace])


def read(blocks: Sequence[Block]) -> Addressing | None:
    """What the header blocks that are for us say; None where they say nothing of this.

    Raises :class:`SoapFault` for a block that comes twice, and where answers are to go elsewhere.
    """
    found = {block.name: block for block in blocks if block.name in UNDERSTOOD}
    if not found:
        return None
    namespace = next(iter(found)).partition("}")[0][1:]
    _refuse_doubles(blocks, namespace)
    message_id = found.get(f"{{{namespace}}}MessageID")
    return Addressing(
        namespace,
        None if message_id is None else (message_id.element.text or "").strip()[:_LONGEST],
        reply=_is_wanted(found.get(f"{{{namespace}}}ReplyTo"), "ReplyTo", namespace),
        fault=_is_wanted(found.get(f"{{{namespace}}}FaultTo"), "FaultTo", namespace),
    )


def _refuse_doubles(blocks: Sequence[Block], namespace: str) -> None:
    names = [block.name for block in blocks if block.name in UNDERSTOOD]
    for name in names:
        local = name.rpartition("}")[2]
        if not name.startswith(f"{{{namespace}}}"):
            raise _invalid(namespace, "the header has blocks of two versions of WS-Addressing")
        if names.count(name) > 1 and local != "RelatesTo":
            raise _invalid(namespace, f"the header has more than one {local}")


def _is_wanted(block: Block | None, name: str, namespace: str) -> bool:
    if block is None:
        return True
    address = (block.element.findtext(f"{{{namespace}}}Address") or "").strip()
    if address in ("", _ANONYMOUS[namespace]):
        return True
    if address == _NONE:
        return False
    raise SoapFault(
        FaultCode.CLIENT,
        "OnlyAnonymousAddressSupported",
        f"answers are sent on the connection only: leave {name} out, or make its Address "
        f"{_ANONYMOUS[namespace]}",
        standard=(namespace, "OnlyAnonymousAddressSupported"),
    )


def _invalid(namespace: str, sentence: str) -> SoapFault:
    return SoapFault(
        FaultCode.CLIENT,
        "InvalidAddressingHeader",
        sentence,
        standard=(namespace, "InvalidAddressingHeader"),
    )
