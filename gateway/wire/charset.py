"""From bytes to text, when what is said about the encoding may be missing or wrong.

Old clients send Latin-1 without saying so (Dispatcher contract 1.4: PowerShell 5.1), declare
UTF-16 in text that they then send as UTF-8 (.NET's StringWriter), or pass a proxy that adds a
charset of its own. The order in which the claims are believed stands in :func:`decode` alone.
"""

import codecs
import encodings
from collections.abc import Iterator
from encodings import aliases

from gateway.wire.errors import CharsetError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# An allow-list, because Python also knows codecs that are no charsets, and slow ones ("idna").
_KNOWN = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "koi8-r", "koi8-u", "cp437", "cp850"}
    | {"cp852", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949", "gb2312", "gbk", "gb18030"}
    | {"big5"}
    | {f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)}
    | {f"cp125{page}" for page in range(9)}
)

# All that may be looked up, normalized. Python keeps whatever it was asked for, for ever.
_SPELLINGS = frozenset(aliases.aliases) | {name.replace("-", "_") for name in _KNOWN}

# As browsers do: what calls itself ASCII is a part of UTF-8, and Latin-1 means its Windows form.
_MEANT = {"ascii": "utf-8", "iso8859-1": "cp1252"}


def decode(data: bytes, charset: str | None = None, declared: str | None = None) -> str:
    """Decode a body, without its byte order mark.

    ``charset`` is the parameter of the Content-Type, ``declared`` what the text says of itself
    (an XML declaration). A byte order mark is believed first, then the pattern of zero bytes
    that betrays UTF-16, then UTF-8 if anybody claims it or nobody claims anything (other text
    hardly ever happens to be valid UTF-8), then the two claims in turn. What remains is Latin-1
    in its Windows form.

    Raises :class:`~gateway.wire.errors.CharsetError` for an unknown name, and for a marked
    encoding that the bytes do not keep to.
    """
    for mark, codec in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _strictly(data[len(mark) :], codec)
    marked = _utf16_by_its_zeros(data)
    if marked is not None:
        return _strictly(data, marked)
    for codec in _candidates(charset, declared):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _candidates(charset: str | None, declared: str | None) -> Iterator[str]:
    claims = [_codec(name) for name in (charset, declared) if name]
    if not claims or "utf-8" in claims:
        yield "utf-8"
    # One byte per character by its zeros (or rather their absence), so UTF-16 cannot be true.
    yield from (claim for claim in claims if not claim.startswith("utf-16"))
    yield from ("utf-8", "cp1252")


def _codec(name: str) -> str:
    spelling = encodings.normalize_encoding(name.strip(" \t\"'")).lower()
    try:
        codec = codecs.lookup(spelling).name if spelling in _SPELLINGS else ""
    except LookupError:  # an alias of what this platform has not
        codec = ""
    if codec not in _KNOWN:
        raise CharsetError(f"the charset {name[:40]!r} is not known; send UTF-8")
    return _MEANT.get(codec, codec)


def _utf16_by_its_zeros(data: bytes) -> str | None:
    if data[1:2] == b"\0" != data[:1]:
        return "utf-16-le"
    if data[:1] == b"\0" != data[1:2]:
        return "utf-16-be"
    return None


def _strictly(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise CharsetError(
            f"byte {error.start} of the text is not valid {codec.upper()}, as which it is marked"
        ) from None
