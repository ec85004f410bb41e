"""The Security header of WS-Security 1.0: its UsernameToken, and what else is in it.

Only UsernameTokens and Timestamps are looked at. A header that must be understood and holds other
tokens, signatures or encrypted parts is refused: nobody here has checked them.
"""

import base64
import binascii
import datetime
from collections.abc import Iterator, Sequence

from lxml import etree

from gateway import moments
from gateway.identity.authentication import Challenge, Reason
from gateway.identity.username_tokens import UsernameToken
from gateway.surfaces.dispatcher.soap_contract import FaultCode, SoapFault
from gateway.surfaces.dispatcher.soap_envelope import Block
from gateway.wire.errors import MessageError
from gateway.wire.scalars import DATETIME

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU = f"{_OASIS}wssecurity-utility-1.0.xsd"

HEADER = f"{{{WSSE}}}Security"
_TOKEN = f"{{{WSSE}}}UsernameToken"
_TIMESTAMP = f"{{{WSU}}}Timestamp"
_CREATED = f"{{{WSU}}}Created"
_NONCE = f"{{{WSSE}}}Nonce"
_TEXT, _DIGEST = "PasswordText", "PasswordDigest"
_MOST_NONCE = 256

# As it stands in a body of any encoding: UTF-16 has a zero byte between the letters.
_MARKS = (b"UsernameToken", "UsernameToken".encode("utf-16-le")[:-1])


def may_hold_token(data: bytes) -> bool:
    """Whether a body is worth to be parsed for a token, told without parsing it."""
    return any(mark in data for mark in _MARKS)


def username_token(blocks: Sequence[Block]) -> UsernameToken | None:
    """The token of a message, from the header blocks that are for us; None without one.

    Raises :class:`SoapFault` for a header that cannot be taken as it is.
    """
    found = [token for block in blocks if block.name == HEADER for token in _tokens(block)]
    if len(found) > 1:
        raise _refused("InvalidSecurity", "the Security header holds more than one UsernameToken")
    return _read(found[0]) if found else None


def _tokens(block: Block) -> Iterator[etree._Element]:
    for child in block.element:
        if child.tag == _TOKEN:
            yield child
        elif child.tag != _TIMESTAMP and block.must_understand:
            name = etree.QName(child).localname
            raise _refused(
                "UnsupportedSecurityToken",
                f"the Security header holds {name[:60]}, which is not supported and must be "
                "understood: send a UsernameToken alone, over TLS",
            )


def _read(element: etree._Element) -> UsernameToken:
    name = _text(element, f"{{{WSSE}}}Username")
    if name is None:
        raise _refused("InvalidSecurityToken", "the UsernameToken has no Username")
    password = _only(element, f"{{{WSSE}}}Password")
    created = _text(element, _CREATED)
    return UsernameToken(
        name=name,
        password="" if password is None else password.text or "",
        is_digest=password is not None and _is_digest(password),
        nonce=_nonce(_text(element, _NONCE)),
        created=None if created is None else _moment(created),
        created_text=created or "",
    )


def _is_digest(password: etree._Element) -> bool:
    # Stacks write the whole address, its end, or nothing, which is text.
    kind = (password.get("Type") or _TEXT).strip().replace(":", "#").rpartition("#")[2]
    if kind not in (_TEXT, _DIGEST):
        raise _refused(
            "InvalidSecurityToken",
            f"the Password's Type is {_TEXT} or {_DIGEST}, not {kind[:60]!r}",
        )
    return kind == _DIGEST


def _nonce(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        nonce = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refused("InvalidSecurityToken", "the Nonce is not Base64") from None
    if not 0 < len(nonce) <= _MOST_NONCE:
        raise _refused("InvalidSecurityToken", f"a Nonce has 1 to {_MOST_NONCE} bytes")
    return nonce


def _moment(text: str) -> int:
    try:
        read = DATETIME.from_text(text)
    except MessageError:
        read = None
    if read is None:
        raise _refused(
            "InvalidSecurityToken", "Created is a date and time such as 2026-01-31T12:00:00Z"
        )
    # Without a zone it is UTC (WS-Security 1.0, section 10).
    return moments.from_datetime(read if read.tzinfo else read.replace(tzinfo=datetime.UTC))


def _text(element: etree._Element, name: str) -> str | None:
    found = _only(element, name)
    return None if found is None else (found.text or "").strip()


def _only(element: etree._Element, name: str) -> etree._Element | None:
    found = element.findall(name)
    if len(found) > 1:
        local = etree.QName(name).localname
        raise _refused("InvalidSecurityToken", f"the UsernameToken has more than one {local}")
    return found[0] if found else None


def refusal(challenge: Challenge) -> SoapFault:
    """A token that was not taken, as the fault of the specification."""
    expired = challenge.reason in (Reason.STALE, Reason.REPLAYED)
    word = "MessageExpired" if expired else "FailedAuthentication"
    return _refused(word, challenge.reason.value, challenge.retry_after)


def different_logins() -> SoapFault:
    """Of a message whose HTTP header and token name two logins."""
    return _refused(
        "FailedAuthentication", "the Authorization header and the UsernameToken name two logins"
    )


def _refused(word: str, sentence: str, retry_after: int | None = None) -> SoapFault:
    return SoapFault(
        FaultCode.CLIENT, word, sentence, standard=(WSSE, word), retry_after=retry_after
    )
