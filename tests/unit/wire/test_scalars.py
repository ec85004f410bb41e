"""Each kind of simple value, in both dialects."""

import datetime
import enum
import uuid
from typing import Any

import pytest

from gateway.wire import scalars, wcf_json
from gateway.wire.errors import MessageError
from gateway.wire.scalars import (
    BOOLEAN,
    BYTES,
    DATETIME,
    GUID,
    GUID_OR_NAME,
    INTEGER,
    TEXT,
    TIMESTAMP,
    Scalar,
)

ID = uuid.UUID("3f2504e0-4f89-11d3-9a0c-0305e82c3301")
ID_OUT = "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}"


class Shade(enum.IntEnum):
    Dark = -1
    Grey = 0
    Light = 2
    Gray = 0


SHADE = scalars.enumeration(Shade)


def utc(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts, tzinfo=datetime.UTC)  # type: ignore[misc, arg-type]  # ints


@pytest.mark.parametrize(
    ("scalar", "text", "value"),
    [
        (TEXT, "", ""),
        (TEXT, " a ", " a "),
        (INTEGER, " -7\n", -7),
        (INTEGER, "+2147483647", 2**31 - 1),
        (BOOLEAN, "true", True),
        (BOOLEAN, "True", True),
        (BOOLEAN, " 0 ", False),
        (BOOLEAN, "1", True),
        (GUID, str(ID), ID),
        (GUID, ID_OUT, ID),
        (GUID, f"  {{{ID}}} ", ID),
        (GUID, ID.hex, ID),
        (GUID, "  ", None),
        (GUID_OR_NAME, ID_OUT, ID),
        (GUID_OR_NAME, " PC1234 ", "PC1234"),
        (GUID_OR_NAME, "", None),
        (SHADE, "Light", Shade.Light),
        (SHADE, "Gray", Shade.Grey),
        (SHADE, "Grey", Shade.Grey),
        (SHADE, " 2 ", Shade.Light),
        (SHADE, "-1", Shade.Dark),
        (BYTES, " PAA+\nAA== ", b"<\0>\0"),
        (BYTES, "", b""),
        (DATETIME, "2015-06-25T14:00:00", utc(2015, 6, 25, 14)),
        (DATETIME, "2015-06-25T14:00:00Z", utc(2015, 6, 25, 14)),
        (DATETIME, "2015-06-25T14:00:00+02:00", utc(2015, 6, 25, 12)),
        (DATETIME, "2015-06-25 14:00:00.123456789-0130", utc(2015, 6, 25, 15, 30, 0, 123456)),
        (DATETIME, "2015-12-31T24:00:00Z", utc(2016, 1, 1)),
        (DATETIME, "2015-06-25T14:00", utc(2015, 6, 25, 14)),
        (DATETIME, "0001-01-01T00:00:00Z", utc(1, 1, 1)),
        (TIMESTAMP, "20140621123456", utc(2014, 6, 21, 12, 34, 56)),
        (TIMESTAMP, "00010101000000", utc(1, 1, 1)),
    ],
)
def test_text_of_an_element_is_read(scalar: Scalar[Any], text: str, value: Any) -> None:
    assert scalar.from_text(text) == value


@pytest.mark.parametrize(
    ("scalar", "text", "problem"),
    [
        (INTEGER, "", "a whole number is expected"),
        (INTEGER, "2147483648", "between -2147483648 and 2147483647"),
        (INTEGER, "1_000", "whole number"),
        (INTEGER, "\u0663", "whole number"),
        (INTEGER, "1.5", "whole number"),
        (INTEGER, "9" * 5000, "whole number"),
        (BOOLEAN, "", "true or false"),
        (BOOLEAN, "yes", "true or false"),
        (GUID, "{" + str(ID), "an id such as"),
        (GUID, "PC1234", "an id such as"),
        (GUID, f"urn:uuid:{ID}", "an id such as"),
        (SHADE, "light", "-1 Dark, 0 Grey, 2 Light"),
        (SHADE, "1", "-1 Dark, 0 Grey, 2 Light"),
        (SHADE, "", "one of"),
        (BYTES, "@@@", "base64"),
        (BYTES, "PAA", "base64"),
        (BYTES, "Ä", "base64"),
        (DATETIME, "", "a date and time such as"),
        (DATETIME, "tomorrow", "a date and time such as"),
        (DATETIME, "2015-02-30T00:00:00", "which is no date"),
        (DATETIME, "2015-06-25T24:00:01", "which is no date"),
        (DATETIME, "2015-06-25T23:59:60", "which is no date"),
        (DATETIME, "2015-06-25T14:00:00+15:00", "offset"),
        (DATETIME, "0000-01-01T00:00:00Z", "which is no date"),
        (DATETIME, "0001-01-01T00:00:00+02:00", "which is no date"),
        (DATETIME, "9999-12-31T24:00:00Z", "which is no date"),
        (DATETIME, "12015-06-25T14:00:00Z", "a date and time such as"),
        (DATETIME, "-2015-06-25T14:00:00Z", "a date and time such as"),
        (TIMESTAMP, "", "14 digits"),
        (TIMESTAMP, " 20140621123456", "14 digits"),
        (TIMESTAMP, "2014062112345", "14 digits"),
        (TIMESTAMP, "201406211234567", "14 digits"),
        (TIMESTAMP, "\u0662" * 14, "14 digits"),
        (TIMESTAMP, "20140631000000", "which is no date"),
        (TIMESTAMP, "00000101000000", "which is no date"),
    ],
)
def test_text_that_is_refused(scalar: Scalar[Any], text: str, problem: str) -> None:
    with pytest.raises(MessageError, match=problem) as caught:
        scalar.from_text(text)
    assert len(caught.value.problem) < 250


@pytest.mark.parametrize(
    ("scalar", "raw", "value"),
    [
        (TEXT, "a", "a"),
        (TEXT, 7, "7"),
        (TEXT, 1.5, "1.5"),
        (TEXT, True, "true"),
        (TEXT, 10**400, "1" + "0" * 400),
        (TEXT, wcf_json.read(b"4.50"), "4.50"),
        (INTEGER, 7, 7),
        (INTEGER, 7.0, 7),
        (INTEGER, " 7 ", 7),
        (BOOLEAN, True, True),
        (BOOLEAN, "false", False),
        (BOOLEAN, 1, True),
        (GUID, f" {{{ID}}} ", ID),
        (GUID, "", None),
        (GUID_OR_NAME, ID_OUT, ID),
        (GUID_OR_NAME, "PC1234", "PC1234"),
        (GUID_OR_NAME, 1234, "1234"),
        (SHADE, 2, Shade.Light),
        (SHADE, "2", Shade.Light),
        (SHADE, -1, Shade.Dark),
        (BYTES, [60, 0, 255], b"<\0\xff"),
        (BYTES, "PAA=", b"<\0"),
        (BYTES, [], b""),
        (DATETIME, "/Date(1435238400000)/", utc(2015, 6, 25, 13, 20)),
        (DATETIME, "/Date(1435238400000+0200)/", utc(2015, 6, 25, 13, 20)),
        (DATETIME, "\\/Date(1435238400000)\\/", utc(2015, 6, 25, 13, 20)),
        (DATETIME, "/Date(-62135596800000)/", utc(1, 1, 1)),
        (DATETIME, "2015-06-25T13:20:00.0000000+00:00", utc(2015, 6, 25, 13, 20)),
        (TIMESTAMP, "20150625132000", utc(2015, 6, 25, 13, 20)),
        (TIMESTAMP, 20150625132000, utc(2015, 6, 25, 13, 20)),
    ],
)
def test_a_json_value_is_read(scalar: Scalar[Any], raw: Any, value: Any) -> None:
    assert scalar.from_json(raw, wcf_json.plain_offset) == value


@pytest.mark.parametrize(
    ("scalar", "raw", "problem"),
    [
        (TEXT, {}, "is an object; a text is expected"),
        (TEXT, [1], "is a list"),
        (TEXT, float("nan"), "a text is expected"),
        pytest.param(TEXT, 10**5000, "a text is expected", id="text of 5000 digits"),
        (TEXT, "a\0", "the character U\\+0000"),
        (TEXT, "\ud800", "the character U\\+D800"),
        (INTEGER, True, "is true; a whole number is expected"),
        (INTEGER, 1.5, "is 1.5"),
        (INTEGER, float("inf"), "whole number"),
        pytest.param(INTEGER, 10**5000, "a very large number", id="5000 digits"),
        (BOOLEAN, 2, "true or false"),
        (BOOLEAN, {}, "true or false"),
        (GUID, 7, "an id such as"),
        (GUID_OR_NAME, [], "a text is expected"),
        (SHADE, "Light", "the number of one of -1 Dark"),
        (SHADE, 1, "the number of one of"),
        (SHADE, 10**400, "the number of one of"),
        (BYTES, [256], "from 0 to 255"),
        (BYTES, [-1], "from 0 to 255"),
        (BYTES, [True], "from 0 to 255"),
        (BYTES, [1.0], "from 0 to 255"),
        (BYTES, {}, "from 0 to 255"),
        (BYTES, "@", "base64"),
        (DATETIME, 1435238400000, "a date such as"),
        (DATETIME, "/Date(99999999999999999)/", "outside the years"),
        (DATETIME, "/Date(999999999999999999999999)/", "a date and time"),
        (DATETIME, "/Date(1.5)/", "a date and time"),
        (TIMESTAMP, "/Date(1435238400000)/", "14 digits"),
    ],
)
def test_json_values_that_are_refused(scalar: Scalar[Any], raw: Any, problem: str) -> None:
    with pytest.raises(MessageError, match=problem) as caught:
        scalar.from_json(raw, wcf_json.plain_offset)
    assert len(caught.value.problem) < 250


@pytest.mark.parametrize(
    ("scalar", "value", "text", "json"),
    [
        (TEXT, 'a"<', 'a"<', '"a\\"<"'),
        (INTEGER, -7, "-7", "-7"),
        (BOOLEAN, False, "false", "false"),
        (GUID, ID, ID_OUT, f'"{ID_OUT}"'),
        (GUID_OR_NAME, ID, ID_OUT, f'"{ID_OUT}"'),
        (GUID_OR_NAME, "PC", "PC", '"PC"'),
        (SHADE, Shade.Grey, "Grey", "0"),
        (BYTES, b"<\0", "PAA=", "[60,0]"),
        (TIMESTAMP, utc(1, 1, 1), "00010101000000", '"00010101000000"'),
        (
            DATETIME,
            datetime.datetime(
                2015, 6, 25, 14, tzinfo=datetime.timezone(datetime.timedelta(hours=2))
            ),
            "2015-06-25T12:00:00.000Z",
            r'"\/Date(1435233600000)\/"',
        ),
        (DATETIME, utc(1, 1, 1), "0001-01-01T00:00:00.000Z", r'"\/Date(-62135596800000)\/"'),
    ],
)
def test_values_are_written(scalar: Scalar[Any], value: Any, text: str, json: str) -> None:
    assert scalar.to_text(value) == text
    assert scalar.to_json(value, wcf_json.date) == json


def test_an_enumeration_is_published_without_its_aliases() -> None:
    assert SHADE.values == ("Dark", "Grey", "Light")
    assert scalars.enumeration(Shade) is SHADE


def test_ids_that_are_padded_without_end_are_read_and_not_kept() -> None:
    known = scalars._known_guid.cache_info().currsize
    text = "5cf59e5a-343c-4d85-a83c-8b18e4731040"
    for blanks in (1, 1000, 100_000):
        padded = " " * blanks + text + "\t" * blanks
        assert scalars.GUID.from_text(padded) == uuid.UUID(text)
        assert scalars.GUID.from_text(" " * blanks) is None
        with pytest.raises(MessageError):
            scalars.GUID.from_text(text + "0" * blanks)
    assert scalars._known_guid.cache_info().currsize <= known + 2
