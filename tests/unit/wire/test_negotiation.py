"""Which dialect is answered: Accept, then the request's Content-Type, then XML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import negotiation
from gateway.wire.negotiation import Dialect

XML, JSON = Dialect.XML, Dialect.JSON
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "content_type", "expected"),
    [
        (None, None, XML),
        ("", "", XML),
        # The PowerShell clients: no Accept, a Content-Type on GET, too.
        (None, "application/json", JSON),
        (None, "application/json; charset=utf-8", JSON),
        (None, "Application/JSON;charset=ISO-8859-1", JSON),
        (None, "text/json", JSON),
        (None, "text/xml", XML),
        (None, "application/x-www-form-urlencoded", XML),
        (None, ";;;=", XML),
        ("application/json", None, JSON),
        ("application/json", "application/xml", JSON),
        ("application/xml", "application/json", XML),
        ("text/xml", "application/json", XML),
        # A wild card says nothing: the search goes on.
        ("*/*", None, XML),
        ("*/*", "application/json", JSON),
        ("application/*", "application/json", XML),
        ("text/*;q=0.1", "application/json", XML),
        ("text/*, application/json;q=0.1", None, JSON),
        ("text/*", "text/json", XML),
        ("*/*, application/json;q=0.5", None, JSON),
        ("image/*, application/json;q=0.5", None, JSON),
        ("text/html, image/gif, *; q=.2, */*; q=.2", None, XML),
        ("application/json, */*;q=0.5", None, JSON),
        # Qualities, then the client's order.
        ("application/xml;q=0.5, application/json", None, JSON),
        ("application/json;q=0.5, application/xml", "application/json", XML),
        ("application/json, application/xml", None, JSON),
        ("application/xml, application/json", None, XML),
        ("application/json;q=0", "application/json", JSON),
        ("application/json;q=nonsense", None, XML),
        ("text/plain, application/json;q=0.1", None, JSON),
        ("image/png", "application/json", JSON),
        ("application/problem+json", None, JSON),
        (BROWSER, None, XML),
        (BROWSER, "application/json", XML),
    ],
)
def test_the_dialect_of_the_answer(
    accept: str | None, content_type: str | None, expected: Dialect
) -> None:
    assert negotiation.answer_dialect(accept, content_type) is expected


def test_answers_name_their_charset() -> None:
    assert all(dialect.value.endswith("; charset=utf-8") for dialect in Dialect)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ("", None)),
        ("text/xml", ("text/xml", None)),
        ('Text/XML; Charset="UTF-8"', ("text/xml", "UTF-8")),
        ("application/json;charset=iso-8859-1", ("application/json", "iso-8859-1")),
        ("application/json; charset=", ("application/json", None)),
    ],
)
def test_a_content_type_is_taken_apart(
    header: str | None, expected: tuple[str, str | None]
) -> None:
    assert negotiation.content_type(header) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b"<a/>", JSON),
        ("text/xml", b"{}", XML),
        (None, b'\xef\xbb\xbf {"a":1}', JSON),
        (None, "[]".encode("utf-16"), JSON),
        (None, b" \n<Job/>", XML),
        ("application/x-www-form-urlencoded", b"{}", JSON),
        (None, b"", XML),
    ],
)
def test_how_a_body_is_read(content_type: str | None, body: bytes, expected: Dialect) -> None:
    assert negotiation.body_dialect(content_type, body) is expected


@given(st.none() | st.text(), st.none() | st.text())
def test_any_headers_give_a_dialect(accept: str | None, content_type: str | None) -> None:
    assert negotiation.answer_dialect(accept, content_type) in Dialect
