"""Long answers, piece by piece: many short texts become a few pieces worth sending."""

from collections.abc import Iterable, Iterator

SIZE = 64 * 1024
"""About how many characters a piece holds."""


def gathered(texts: Iterable[str]) -> Iterator[bytes]:
    """Join texts into pieces of ``SIZE`` characters or little more, in UTF-8; the last is shorter.

    No more than a piece is kept, and no text is asked for before the piece with it is.
    """
    some: list[str] = []
    length = 0
    for text in texts:
        some.append(text)
        length += len(text)
        if length >= SIZE:
            yield "".join(some).encode()
            some.clear()
            length = 0
    if some:
        yield "".join(some).encode()
