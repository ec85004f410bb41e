"""The log: one shape, request ids, no secrets, no forged lines."""

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.observability import logs
from gateway.settings import LogFormat, LogLevel


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configure(stream: io.StringIO, form: LogFormat = LogFormat.JSON) -> None:
    logs.configure(LogLevel.INFO, form, stream)


def test_our_lines_and_those_of_libraries_have_one_shape(stream: io.StringIO) -> None:
    configure(stream)
    logging.getLogger("library").warning("disk %s", "full", extra={"free": 3})
    structlog.get_logger("gateway").warning("disk full", free=3)
    library, ours = lines(stream)
    assert library.keys() == ours.keys() == {"event", "free", "level", "logger", "timestamp"}
    assert (library["event"], library["free"]) == (ours["event"], ours["free"]) == ("disk full", 3)


def test_the_request_stands_on_each_line_of_its_block_only(stream: io.StringIO) -> None:
    configure(stream)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger("a").info("in")
    logging.getLogger("a").info("out")
    inside, outside = lines(stream)
    assert inside["request_id"] == "r1"
    assert "request_id" not in outside


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    configure(stream)
    logging.getLogger("a").debug("x")
    assert stream.getvalue() == ""


def test_configured_twice_a_line_is_written_once(stream: io.StringIO) -> None:
    configure(stream)
    configure(stream)
    logging.getLogger("a").info("x")
    assert len(lines(stream)) == 1


def test_warnings_go_to_the_log(stream: io.StringIO) -> None:
    configure(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    assert "old" in stream.getvalue()


@pytest.mark.parametrize("form", LogFormat)
def test_an_exception_is_told_without_its_secrets(stream: io.StringIO, form: LogFormat) -> None:
    configure(stream, form)
    try:
        int("postgresql://ada:hunter2@db/x")
    except ValueError:
        logging.getLogger("a").exception("failed")
    assert "ValueError" in stream.getvalue()
    assert "postgresql://ada:********@db/x" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic hunter2hunter2==",
        "authorization: bearer hunter2.hunter2",
        "password=hunter2&x=1",
        '{"password": "hunter2 hunter2"}',
        "db_password: 'hunter2, hunter2'",
        "access_token=hunter2",
        "http://ada:hunter2@host/",
    ],
)
def test_secrets_in_text_are_masked(stream: io.StringIO, text: str) -> None:
    configure(stream)
    logging.getLogger("a").error("%s", text)
    assert "hunter2" not in stream.getvalue()
    assert logs.MASK in stream.getvalue()


def test_values_named_like_secrets_are_masked(stream: io.StringIO) -> None:
    configure(stream)
    structlog.get_logger("a").error(
        "x",
        Password="hunter2",
        headers={"Cookie": "hunter2", "Host": "h"},
        several=[{"api_key": "hunter2"}],
        session_token=b"hunter2",
    )
    assert "hunter2" not in stream.getvalue()
    assert lines(stream)[0]["headers"] == {"Cookie": logs.MASK, "Host": "h"}


@given(st.text())
def test_a_client_cannot_forge_a_line(text: str) -> None:
    event = logs.one_line(None, "", {"event": text})
    assert len(f"{event['event']}x".splitlines()) == 1
    assert "\x1b" not in event["event"]


@given(st.recursive(st.text() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_masking_takes_anything(value: object) -> None:
    assert "event" in logs.mask_secrets(None, "", {"event": value})


def test_a_line_for_people(stream: io.StringIO) -> None:
    configure(stream, LogFormat.CONSOLE)
    logging.getLogger("a").error("two\nlines\x1b[0m", extra={"free": 3})
    assert stream.getvalue().count("\n") == 1
    assert "two\\nlines\\x1b[0m" in stream.getvalue()
    assert "free=3" in stream.getvalue()
