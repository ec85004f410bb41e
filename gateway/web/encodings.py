"""Bodies that were compressed: gzip in, bounded by what it unpacks to, and gzip out."""

import gzip
import io
import zlib
from collections.abc import Iterator

import flask
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from gateway.web import requests

_SHORTEST = 1024
"""Below that many bytes packing saves nothing that a client would notice."""
_LEVEL = 4
_GZIP = ("gzip", "x-gzip")


def body() -> bytes:
    """The whole body of the present request, unpacked; see ``requests.body``.

    Raises RequestEntityTooLarge also for a body that unpacks to more than the limit, BadRequest for
    one that is no gzip, UnsupportedMediaType for other encodings.
    """
    encoding = (requests.present().environ.get("HTTP_CONTENT_ENCODING") or "identity").strip()
    if encoding.lower() == "identity":
        return requests.body()
    if encoding.lower() not in _GZIP:
        raise UnsupportedMediaType(
            f"bodies in the Content-Encoding {encoding[:40]!r} are not supported; send gzip, or "
            "plain XML"
        )
    return unpacked(requests.body(), requests.present().max_content_length)


def unpacked(data: bytes, limit: int | None) -> bytes:
    """What a gzip body holds, of at most ``limit`` bytes; raises as ``body`` does."""
    try:
        # No more than one byte too many is ever unpacked.
        plain = gzip.GzipFile(fileobj=io.BytesIO(data)).read(-1 if limit is None else limit + 1)
    except (OSError, EOFError, zlib.error):
        raise BadRequest("the body is not in gzip, as its Content-Encoding says") from None
    if limit is not None and len(plain) > limit:
        raise RequestEntityTooLarge(f"The body unpacks to more than {limit} bytes.")
    return plain


def pack(answer: flask.Response) -> flask.Response:
    """The same answer, packed where the client takes that and it is worth it."""
    answer.headers["Vary"] = "Accept-Encoding"
    accepted = requests.present().environ.get("HTTP_ACCEPT_ENCODING", "")
    if "gzip" not in accepted or not requests.present().accept_encodings.quality("gzip"):
        return answer
    if answer.is_streamed:
        answer.response = _packed(answer.iter_encoded())
        # It is another length than that of the pieces.
        answer.headers.pop("Content-Length", None)
    else:
        data = answer.get_data()
        if len(data) < _SHORTEST:
            return answer
        answer.set_data(gzip.compress(data, _LEVEL, mtime=0))
    answer.headers["Content-Encoding"] = "gzip"
    return answer


def _packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)
    for piece in pieces:
        # What is there goes out: a client may wait for the first of many pieces.
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()
