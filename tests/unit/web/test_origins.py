"""Changing calls that a page of another site makes are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from gateway.web import origins

HOST = "gateway.example:8080"


def problem(
    method: str = "POST", host: str = HOST, public_url: str | None = None, **headers: str
) -> str | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return origins.problem(method, Headers({"Host": host, **named}), public_url)


def test_clients_that_are_no_browsers_send_neither_header() -> None:
    assert problem() is None
    assert origins.problem("POST", Headers(), None) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (HOST, "http://gateway.example:8080"),
        (HOST, "https://GATEWAY.example:8080"),
        ("gateway.example", "https://gateway.example"),
        ("gateway.example", "http://gateway.example:80"),
        ("gateway.example:443", "https://gateway.example"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_our_own_pages_may_change_things(host: str, origin: str) -> None:
    assert problem(host=host, Origin=origin, Sec_Fetch_Site="same-origin") is None


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://gateway.example",
        "http://gateway.example:8081",
        "http://gateway.example:8080.evil.example",
        "http://gateway.example:8080@evil.example",
        "null",
        "",
        "http://[",
        "http://gateway.example:port",
    ],
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    assert "Origin" in (problem(Origin=origin) or "")


def test_behind_a_proxy_that_changes_the_host_the_public_address_counts() -> None:
    public = "https://gateway.example/old"
    assert problem(host="10.0.0.5", public_url=public, Origin="https://gateway.example") is None
    assert problem(host="10.0.0.5", public_url=public, Origin="https://evil.example")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "post"])
def test_what_the_browser_calls_cross_site_is_refused(method: str) -> None:
    assert problem(method, Sec_Fetch_Site="Cross-Site")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_changes_nothing(method: str) -> None:
    assert problem(method, Origin="http://evil.example", Sec_Fetch_Site="cross-site") is None


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40))
def test_any_text_is_answered_and_never_taken_for_ours(origin: str) -> None:
    assert problem(host="gateway.test", Origin=origin) or "gateway.test" in origin.lower()
