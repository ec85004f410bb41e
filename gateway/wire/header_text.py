"""Text in HTTP headers, which old clients write in more ways than one.

A header holds bytes of which only ASCII is agreed upon. Files have names in all languages.
"""

import re
from urllib import parse

from gateway.wire import charset
from gateway.wire.errors import CharsetError, MessageError

_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'(.*)", re.IGNORECASE | re.DOTALL)
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")


def decode(value: str) -> str:
    """The text of a header's value, of which WSGI makes one character of each byte.

    Understood are RFC 8187 (``UTF-8''%C3%84``), UTF-8 in percent signs (``%C3%84``), UTF-8 as it
    is, and Latin-1 in its Windows form. Percent signs that encode no UTF-8 stay as they are.
    Raises MessageError for what says that it is RFC 8187 and is not.
    """
    value = value.strip(" \t")
    extended = _EXTENDED.fullmatch(value)
    if extended is not None:
        return _strictly(extended[1], parse.unquote_to_bytes(extended[2].encode("latin-1")))
    try:
        text = charset.decode(value.encode("latin-1"))
    except CharsetError as error:
        raise MessageError("", error.sentence) from None
    return _unquoted(text) if _ENCODED.search(text) else text


def _strictly(codec: str, data: bytes) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        raise MessageError("", f"is not {codec.upper()} in percent signs (RFC 8187)") from None


def _unquoted(text: str) -> str:
    try:
        return parse.unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text
