"""Which dialect an answer is written in, and how a request's body is to be read.

Dispatcher contract 1.4, the order of WCF's automatic format selection: the ``Accept`` header,
then the *request's* ``Content-Type`` (clients send one with GET, too), then XML.
"""

import enum
from typing import NamedTuple

from werkzeug import datastructures, http


class Dialect(enum.Enum):
    """The two dialects of a REST surface; the value is the Content-Type that answers carry."""

    # Windows PowerShell reads an answer without charset as Latin-1.
    XML = "application/xml; charset=utf-8"
    JSON = "application/json; charset=utf-8"


_XML_TYPES = frozenset({"application/xml", "text/xml"})
_DEFAULTS = frozenset({"application/*", "text/*"})
_JSON_TYPES = frozenset({"application/json", "text/json"})


class ContentType(NamedTuple):
    """A Content-Type taken apart: media type in lower case ("" if none), charset if given."""

    media: str
    charset: str | None


def content_type(header: str | None) -> ContentType:
    """Take a Content-Type header apart; nonsense gives an empty media type."""
    media, options = http.parse_options_header(header)
    return ContentType(media.strip().lower(), options.get("charset") or None)


def dialect_of(media: str) -> Dialect | None:
    """Return the dialect of a media type, or None if it names neither."""
    if media in _JSON_TYPES or media.endswith("+json"):
        return Dialect.JSON
    if media in _XML_TYPES or media.endswith("+xml"):
        return Dialect.XML
    return None


def answer_dialect(accept: str | None, request_type: str | None) -> Dialect:
    """Choose the dialect of the answer from the request's Accept and Content-Type headers."""
    return _accepted(accept) or dialect_of(content_type(request_type).media) or Dialect.XML


def body_dialect(request_type: str | None, body: bytes) -> Dialect:
    """Choose how to read a request's body: by its Content-Type, else by its first character."""
    stated = dialect_of(content_type(request_type).media)
    if stated is not None:
        return stated
    start = body[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
    return Dialect.JSON if start[:1] in (b"{", b"[") else Dialect.XML


def _accepted(accept: str | None) -> Dialect | None:
    """Return the dialect that Accept names and likes best, or None if it leaves the choice.

    As in WCF a type that is named comes before a wild card, whatever their qualities, and
    ``application/*`` and ``text/*`` ask for the default, XML. ``*/*`` would too, by the letter; but
    curl, requests and their like send it with every request and mean nothing by it, so it is taken
    for no Accept at all.
    """
    if not accept:
        return None
    offers = http.parse_accept_header(accept, datastructures.MIMEAccept)
    # Werkzeug sorts by how specific a type is first; the sort is stable, so that breaks ties.
    liked = sorted((offer for offer in offers if offer[1] > 0), key=lambda offer: -offer[1])
    media = [offer.partition(";")[0].strip().lower() for offer, _ in liked]
    named = next(filter(None, map(dialect_of, media)), None)
    if named is None and not _DEFAULTS.isdisjoint(media):
        return Dialect.XML
    return named
