"""What must hold for the answer to any message, however hostile."""

import re
from collections.abc import Iterator

from lxml import etree

from gateway.surfaces.dispatcher.service import Service
from tests.contract.dispatcher.house import ENVELOPES, checked
from tests.hostile.house import Answer
from tests.hostile.messages import TYPES, Message

MOST_SECONDS = 0.2
"""Of CPU, for one message."""

_MOST_REFUSAL = 16 * 1024
_PAGES = frozenset({400, 401, 403, 405, 413, 429})
_FAULTS = frozenset({400, 401, 403, 409, 413, 415, 422, 500})
# What only we, Python and the libraries below us say.
_INSIDE = re.compile(
    rb'Traceback|lxml|spyne|libxml|xml(?:Parse|SAX|Str)\w|XML_\w|File "|object at 0x|site-packages'
    rb"|\.py\b|sqlite|argon2|werkzeug"
)
_DECLARED = re.compile(rb"""encoding\s*=\s*["']([\w.-]+)""")


def broken(message: Message, answer: Answer) -> list[str]:
    """What rules the answer to a message breaks, as sentences."""
    return [*_told(message, answer), *(f"logged: {each}" for each in answer.logged)]


def _told(message: Message, answer: Answer) -> Iterator[str]:
    kind = answer.headers.get("Content-Type", "")
    if found := _INSIDE.search(_beyond(message, answer.body)):
        yield f"the answer shows something of the inside: {found[0]!r}"
    if answer.status == 200:
        if not right(message):
            yield "a message that is not right got 200"
        if kind not in TYPES.values():
            yield f"the answer is {kind}"
    elif len(answer.body) > _MOST_REFUSAL:
        yield f"the refusal is {len(answer.body)} bytes long"
    if kind in TYPES.values():
        yield from _envelope(answer, kind)
    elif not kind.startswith("text/html") or answer.status not in _PAGES:
        yield f"the status is {answer.status} and the answer {kind}"


def _beyond(message: Message, body: bytes) -> bytes:
    """An answer without words that the client has sent itself."""
    return b"" if _INSIDE.search(message.body) else body


def _envelope(answer: Answer, kind: str) -> Iterator[str]:
    try:
        content = checked(answer.body)
    except (etree.Error, AssertionError, LookupError, ValueError) as error:
        yield f"the answer is not valid: {error!r}"
        return
    fault = etree.QName(content).localname == "Fault"
    version = next(each for each in ENVELOPES if TYPES[each] == kind)
    if content.getparent().getparent().tag != f"{{{version}}}Envelope":
        yield f"an Envelope of another version is sent as {kind}"
    if fault != (answer.status != 200):
        yield f"the status is {answer.status} and the answer {content.tag}"
    if fault and answer.status not in _FAULTS:
        yield f"the status of the fault is {answer.status}"
    if fault and (code := _blamed(content)) in ("soap:Server", "soap:Receiver"):
        yield f"the server took the blame: {code}"


def _blamed(fault: etree._Element) -> str | None:
    return fault.findtext("faultcode") or fault.findtext("{*}Code/{*}Value")


# --- what may be answered with 200 ------------------------------------------------------------


def right(message: Message) -> bool:
    """Whether a message is a call of something that only reads, in any way of decoding it."""
    if message.header("Authorization") is None:
        # A UsernameToken may stand for it, but never a wrong one.
        return False
    return any(_calls(message.service, text) for text in _texts(message.body))


def _texts(data: bytes) -> Iterator[bytes]:
    declared = _DECLARED.search(data[:200].replace(b"\0", b""))
    codecs = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"]
    codecs += [declared[1].decode()] if declared else []
    for codec in codecs:
        try:
            text = data.decode(codec)
        except (UnicodeError, LookupError):
            continue
        yield re.sub(r"^\s*<\?xml\s[^>]*\?>", "", text.lstrip(" \t\r\n\ufeff")).encode(
            "utf-8", "replace"
        )


def _calls(service: Service, text: bytes) -> bool:
    try:
        root = etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return False
    if root.getroottree().docinfo.doctype or root.tag not in _ROOTS:
        return False
    bodies = root.findall(f"{{{etree.QName(root).namespace}}}Body")
    entries = [list(body.iterchildren("*")) for body in bodies]
    if [len(each) for each in entries] != [1]:
        return False
    return etree.QName(entries[0][0]).localname in _reading(service)


_ROOTS = frozenset(f"{{{namespace}}}Envelope" for namespace in ENVELOPES)


def _reading(service: Service) -> frozenset[str]:
    return frozenset(each.name for each in service.operations if each.verb == "GET")
