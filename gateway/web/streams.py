"""Answers that come in pieces, and may be longer than the memory is large."""

from collections.abc import Iterator

import flask


def answer(pieces: Iterator[bytes], content_type: str) -> flask.Response:
    """An answer of these pieces. One that is a single piece states its length.

    The first two are asked for at once: what goes wrong there is raised here, and can still be
    told with a status. The others are when the client has taken those before. What goes wrong then
    cuts the connection (``front/exchange.py``), since nothing else tells a client that the answer
    is not whole.
    """
    first, second = next(pieces, b""), next(pieces, None)
    if second is None:
        return flask.Response(first, content_type=content_type)
    return flask.Response(_joined(first, second, pieces), content_type=content_type)


def _joined(first: bytes, second: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from others
