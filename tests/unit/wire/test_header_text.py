"""Names of files in headers, as clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import header_text
from gateway.wire.errors import MessageError


def wsgi(data: bytes) -> str:
    """Bytes as WSGI hands them on."""
    return data.decode("latin-1")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"setup.msi", "setup.msi"),
        (b" setup.msi\t", "setup.msi"),
        ("Ärger.msi".encode(), "Ärger.msi"),
        ("Ärger.msi".encode("latin-1"), "Ärger.msi"),
        ("10 €.txt".encode("cp1252"), "10 €.txt"),
        ("安装程序.exe".encode(), "安装程序.exe"),
        (b"%E5%AE%89.exe", "安.exe"),
        (b"%C3%84rger%20neu.msi", "Ärger neu.msi"),
        (b"UTF-8''%C3%84rger.msi", "Ärger.msi"),
        (b"utf-8'de'%c3%84rger.msi", "Ärger.msi"),
        (b"iso-8859-1'en'%A3%20rates", "£ rates"),
        (b"100%25.txt", "100%.txt"),
        (b"100% sure.txt", "100% sure.txt"),
        (b"%FF.txt", "%FF.txt"),
        (b"%", "%"),
        (b"", ""),
    ],
)
def test_a_header_is_read_in_every_way_it_is_written(sent: bytes, meant: str) -> None:
    assert header_text.decode(wsgi(sent)) == meant


@pytest.mark.parametrize("sent", [b"UTF-8''%FF.txt", "UTF-8''Ä".encode("latin-1")])
def test_what_says_that_it_is_rfc_8187_must_be(sent: bytes) -> None:
    with pytest.raises(MessageError, match="RFC 8187"):
        header_text.decode(wsgi(sent))


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        assert isinstance(header_text.decode(wsgi(data)), str)
    except MessageError:
        start = data.strip(b" \t")
        marks = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
        assert b"'" in data or start.startswith(marks) or b"\0" in start[:2]
