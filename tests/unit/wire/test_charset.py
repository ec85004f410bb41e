"""Bytes to text, when the claims about the encoding are missing, wrong or contradictory."""

import contextlib
import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import charset
from gateway.wire.errors import CharsetError

TEXT = "Müller, 5 €"


@pytest.mark.parametrize(
    ("data", "named", "declared"),
    [
        (TEXT.encode(), None, None),
        (TEXT.encode(), "utf-8", None),
        (TEXT.encode(), '"UTF-8"', None),
        (TEXT.encode(), "us-ascii", None),
        (TEXT.encode("utf-8-sig"), None, None),
        (TEXT.encode("utf-8-sig"), "iso-8859-1", "windows-1252"),
        (TEXT.encode("utf-16"), None, None),
        (TEXT.encode("utf-16-le"), None, None),
        (TEXT.encode("utf-16-be"), "utf-8", None),
        (TEXT.encode("cp1252"), None, None),
        (TEXT.encode("cp1252"), "windows-1252", None),
        (TEXT.encode("cp1252"), None, "windows-1252"),
        # Both claims are tried, and a wrong one is not fatal.
        (TEXT.encode("cp1252"), "utf-8", "windows-1252"),
        (TEXT.encode(), "iso-8859-1", "utf-8"),
        # .NET's StringWriter declares UTF-16 in what is then sent as UTF-8.
        (TEXT.encode(), None, "utf-16"),
        (TEXT.encode(), "utf-16", None),
    ],
)
def test_text_survives_missing_and_wrong_claims(
    data: bytes, named: str | None, declared: str | None
) -> None:
    assert charset.decode(data, named, declared) == TEXT


def test_a_claim_is_believed_when_nobody_says_utf_8() -> None:
    assert charset.decode("Łódź".encode("iso8859-2"), "iso-8859-2") == "Łódź"


@pytest.mark.parametrize(
    "name", ["bogus", "hex", "idna", "unicode_escape", "utf-7", "a\0b", "\ud800"]
)
def test_what_is_no_charset_is_refused_by_name(name: str) -> None:
    with pytest.raises(CharsetError, match="is not known; send UTF-8"):
        charset.decode(b"<a/>", name)


def test_a_marked_encoding_must_be_kept_to() -> None:
    with pytest.raises(CharsetError, match="byte 2 of the text is not valid UTF-8"):
        charset.decode(b"\xef\xbb\xbfab\xff")


@given(st.binary(), st.none() | st.text(), st.none() | st.text())
def test_any_bytes_give_text_or_a_charset_error(
    data: bytes, named: str | None, declared: str | None
) -> None:
    with contextlib.suppress(CharsetError):
        assert charset.decode(data, named, declared).encode("utf-8") is not None


def test_names_that_are_no_charsets_are_not_kept_by_python() -> None:
    """A client could fill the memory with them."""
    kept: dict[str, object] = vars(encodings)["_cache"]
    before = set(kept)
    for number in range(50):
        for name in (f"x-{number}", f"utf{'-' * number}8"):
            with contextlib.suppress(CharsetError):
                charset.decode(b"<a/>", name)
    assert len(set(kept) - before) <= 1
