"""Keeps the values of secret parameters out of logs and details.

A secret of three or more characters is replaced wherever it appears, also in the forms that it
takes in Python's and JSON's notation, in a quoted shell word and in a web address. Shorter ones
are left: a mask for every "a" would hide the log and not the secret.
"""

import json
import shlex
import urllib.parse
from collections.abc import Iterable, Iterator

MASK = "********"
SHORTEST = 3

_MASK = MASK.encode()


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield secret.replace("\n", "\r\n")
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield shlex.quote(secret).strip("'")
    yield urllib.parse.quote(secret, errors="replace")
    yield urllib.parse.quote(secret, safe="", errors="replace")
    yield urllib.parse.quote_plus(secret, errors="replace")


class Masker:
    """Knows a set of secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        worth = {secret for secret in secrets if len(secret) >= SHORTEST}
        forms = {form.encode("utf-8", "surrogatepass") for s in worth for form in _forms(s)}
        self._needles = tuple(sorted(form for form in forms if len(form) >= SHORTEST))

    def text(self, text: str) -> str:
        """The text with every secret in it masked."""
        if not self._needles:
            return text
        stream = self.stream()
        data = text.encode("utf-8", "surrogatepass")
        return (stream.feed(data) + stream.finish()).decode("utf-8", "surrogatepass")

    def stream(self) -> "MaskedStream":
        """A mask for bytes that come in pieces."""
        return MaskedStream(self._needles)


class MaskedStream:
    """Masks secrets in a stream, also those that lie across the borders of its pieces.

    The end of a piece that may be the beginning of a secret is held back until more is known.
    """

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        self._needles = needles
        self._held = b""
        # How many of the held bytes belong to a secret whose mask is already out.
        self._covered = 0

    def feed(self, data: bytes) -> bytes:
        """Take a piece and give what is certain by now."""
        if not self._needles:
            return data
        held = self._held + data
        return self._release(held, self._undecided(held))

    def finish(self) -> bytes:
        """Give what was held back: nothing comes after it."""
        return self._release(self._held, len(self._held))

    def _undecided(self, data: bytes) -> int:
        """Where the part begins that may be the beginning of a secret."""
        return min((_unfinished(needle, data) for needle in self._needles), default=len(data))

    def _release(self, data: bytes, end: int) -> bytes:
        parts: list[bytes] = []
        position, covered = 0, max(0, self._covered - end)
        for start, stop in self._secret_spans(data):
            if start >= end:
                break
            parts.append(data[position:start])
            if not (start == 0 and self._covered):
                parts.append(_MASK)
            position = stop
            covered = max(0, stop - end)
        parts.append(data[position:end])
        self._held, self._covered = data[end:], covered
        return b"".join(parts)

    def _secret_spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets lie in the data, those that overlap joined into one."""
        spans = sorted(self._found(data))
        if self._covered:
            spans.insert(0, (0, self._covered))
        joined: list[tuple[int, int]] = []
        for start, stop in spans:
            if joined and start < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
            else:
                joined.append((start, stop))
        return joined

    def _found(self, data: bytes) -> Iterator[tuple[int, int]]:
        for needle in self._needles:
            start = data.find(needle)
            while start >= 0:
                yield start, start + len(needle)
                start = data.find(needle, start + 1)


def _unfinished(needle: bytes, data: bytes) -> int:
    """Where the longest end of the data begins with which the needle could begin."""
    start = data.find(needle[:1], max(0, len(data) - len(needle) + 1))
    while start >= 0:
        if needle.startswith(data[start:]):
            return start
        start = data.find(needle[:1], start + 1)
    return len(data)
