from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.masking import MASK, Masker


def covered(secrets: list[str], text: str) -> str:
    """The plain meaning of masking: every place in an occurrence of a secret is covered."""
    hidden = [False] * len(text)
    starts = set()
    for secret in secrets:
        for start in range(len(text) - len(secret) + 1):
            if text.startswith(secret, start):
                starts.add(start)
                hidden[start : start + len(secret)] = [True] * len(secret)
    return "".join(" " if hide else letter for letter, hide in zip(text, hidden, strict=True))


_SECRETS = st.lists(st.text(alphabet="ab", min_size=3, max_size=6), min_size=1, max_size=3)
_PIECES = st.lists(st.text(alphabet="abc", max_size=8), max_size=12)


@given(_SECRETS, _PIECES)
def test_no_part_of_a_secret_comes_through(secrets: list[str], pieces: list[str]) -> None:
    stream = Masker(secrets).stream()
    out = b"".join(stream.feed(piece.encode()) for piece in pieces) + stream.finish()
    expected = covered(secrets, "".join(pieces))
    # Everything that is not in a secret is there, in its order, and nothing else but masks.
    assert out.decode().replace(MASK, "") == expected.replace(" ", "")
    assert Masker(secrets).text("".join(pieces)) == out.decode()


@given(_PIECES)
def test_without_secrets_everything_passes_at_once(pieces: list[str]) -> None:
    stream = Masker(["", "ab"]).stream()
    assert [stream.feed(piece.encode()) for piece in pieces] == [p.encode() for p in pieces]


def test_secrets_are_known_in_other_forms() -> None:
    secret = "p@ss\n'wörd\" \\x"
    masker = Masker([secret])
    import json
    import shlex
    import urllib.parse

    for form in (
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        shlex.quote(secret),
        urllib.parse.quote(secret),
        urllib.parse.quote_plus(secret),
        secret.replace("\n", "\r\n"),
    ):
        assert masker.text(f"<{form}>").strip("'<>") == MASK


def test_only_what_may_be_a_beginning_is_held_back() -> None:
    stream = Masker(["secret"]).stream()
    assert stream.feed(b"a line\nsec") == b"a line\n"
    assert stream.feed(b"tor\n") == b"sector\n"
    assert stream.feed(b"secre") == b""
    assert stream.finish() == b"secre"


def test_a_long_secret_does_not_slow_the_stream() -> None:
    stream = Masker(["-----BEGIN KEY-----\n" + "x" * 5000]).stream()
    data = b"x" * 65536
    assert sum(len(stream.feed(data)) for _ in range(200)) == 200 * len(data)
