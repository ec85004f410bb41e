"""The WCF dialect of JSON."""

import contextlib
import datetime
import json
import uuid
import zoneinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import wcf_json
from gateway.wire.errors import JsonError, MessageError
from gateway.wire.scalars import DATETIME

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"ID":"w","Type":1,}', {"ID": "w", "Type": 1}),
        (b"[1, 2 ,\r\n ]", [1, 2]),
        (b'{"a":[{"b":",]",},],}', {"a": [{"b": ",]"}]}),
        (b'{"a":"raw\ttab\nand break"}', {"a": "raw\ttab\nand break"}),
        ('{"a":"Ä-€"}'.encode(), {"a": "Ä-€"}),
        ('{"a":"Ä-€"}'.encode("utf-8-sig"), {"a": "Ä-€"}),
        ('{"a":"Ä-€"}'.encode("utf-16"), {"a": "Ä-€"}),
        ('{"a":"Ä-€"}'.encode("utf-16-be"), {"a": "Ä-€"}),
        ('{"a":"Ä-€"}'.encode("cp1252"), {"a": "Ä-€"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\\/Date(1)\\/"', "/Date(1)/"),
        (b"null", None),
    ],
)
def test_the_lenient_dialect_is_read(data: bytes, value: Any) -> None:
    assert wcf_json.read(data) == value


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b'{"a":1', "line 1, column 7"),
        (b'{"a":\n  tru}', "line 2, column 3"),
        (b"[1,\n2,,]", "line 2, column 4|line 2, column 3"),
        (b"[,]", "line 1, column 2"),
        (b"{,}", "line 1, column 2"),
        (b'{"a":1}}', "line 1, column 8"),
        (b'["' + b'\\"' * 200_000, "line 1"),
        (b'["' + b"\\" * 200_001, "line 1"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"[1e999]", "out of range"),
        (b"9" * 5000, "too many digits"),
        (b"[" + b"9" * 5000 + b",]", "too many digits"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b"[" * 1_000_000, "nested deeper than 64"),
        (b'{"a":' * 100_000, "nested deeper than 64"),
        (b" " * (wcf_json.MAX_SIZE + 1), "larger than"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_refused_and_how_it_is_said(data: bytes, problem: str) -> None:
    with pytest.raises(JsonError, match=problem):
        wcf_json.read(data)


@pytest.mark.parametrize("digits", ["4.50", "1E5", "-0.0", "1e-7", "0.1234567890123456789"])
def test_a_number_knows_how_it_was_written(digits: str) -> None:
    (number,) = wcf_json.read(f"[{digits},]".encode())
    assert number == float(digits)
    assert number.text == digits
    assert json.dumps(number) == json.dumps(float(digits))


def test_an_unknown_charset_is_a_json_error() -> None:
    with pytest.raises(JsonError, match="'bogus' is not known"):
        wcf_json.read(b"{}", charset="bogus")


def test_depth_counts_brackets_outside_of_texts_only() -> None:
    assert wcf_json.read(b'["' + b"[" * 500 + b'"]') == ["[" * 500]
    assert wcf_json.read(b"[" * 64 + b"]" * 64) is not None
    assert len(wcf_json.read(b"[" + b"[]," * 500 + b"[]]")) == 501


@given(
    st.binary(max_size=200)
    | st.text(alphabet='{}[]",:\\/ \n019.-eEtruNaI', max_size=60).map(str.encode)
)
def test_any_bytes_give_a_value_or_a_json_error(data: bytes) -> None:
    with contextlib.suppress(JsonError):
        wcf_json.read(data)


@given(VALUES)
def test_what_standard_json_says_is_read_alike(value: Any) -> None:
    text = json.dumps(value)
    assert wcf_json.read(text.encode()) == json.loads(text)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    written = wcf_json.write(value)
    assert written.isascii()
    assert wcf_json.read(written) == value


def test_dates_go_out_with_escaped_slashes() -> None:
    moment = datetime.datetime(2015, 6, 25, 13, 20, 0, 1999, tzinfo=datetime.UTC)
    assert wcf_json.write({"a": [moment]}) == rb'{"a":["\/Date(1435238400001)\/"]}'
    earliest = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
    assert wcf_json.write(earliest) == rb'"\/Date(-62135596800000)\/"'


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("UTC", r'"\/Date(1435240800000+0000)\/"'),
        ("Europe/Berlin", r'"\/Date(1435233600000+0200)\/"'),
        ("America/St_Johns", r'"\/Date(1435249800000-0230)\/"'),
    ],
)
def test_dates_as_a_vendor_server_in_a_zone_writes_them(zone: str, written: str) -> None:
    dates = wcf_json.unspecified_date(zoneinfo.ZoneInfo(zone))
    moment = datetime.datetime(2015, 6, 25, 14, 0, tzinfo=datetime.UTC)
    assert dates.write(moment) == written


@pytest.mark.parametrize(
    ("zone", "written", "moment"),
    [
        ("UTC", "1435240800000+0000", (2015, 6, 25, 14, 0)),
        ("Europe/Berlin", "1435233600000+0200", (2015, 6, 25, 14, 0)),
        ("America/St_Johns", "1435249800000-0230", (2015, 6, 25, 14, 0)),
        # Any other offset only says that the moment is meant for the server's own time.
        ("Europe/Berlin", "1435233600000-0500", (2015, 6, 25, 14, 0)),
        ("Europe/Berlin", "1435233600000+9999", (2015, 6, 25, 14, 0)),
        ("UTC", "1435240800000+0200", (2015, 6, 25, 14, 0)),
        # 02:30 is skipped in Berlin on that day.
        ("Europe/Berlin", "1427592600000+0100", (2015, 3, 29, 2, 30)),
        # Without an offset it is UTC.
        ("Europe/Berlin", "1435240800000", (2015, 6, 25, 14, 0)),
    ],
)
def test_dates_as_a_vendor_server_in_a_zone_reads_them(
    zone: str, written: str, moment: tuple[int, int, int, int, int]
) -> None:
    dates = wcf_json.unspecified_date(zoneinfo.ZoneInfo(zone))
    read = DATETIME.from_json(f"/Date({written})/", dates.read_offset)
    assert read == datetime.datetime(*moment, tzinfo=datetime.UTC)


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kolkata", "Africa/Monrovia"]
)
MOMENTS = st.integers(-62135424000000, 253402128000000).map(
    lambda milliseconds: wcf_json.EPOCH + datetime.timedelta(milliseconds=milliseconds)
)


@given(ZONES, MOMENTS)
def test_a_date_that_went_out_comes_in_as_the_same_moment(
    zone: str, moment: datetime.datetime
) -> None:
    dates = wcf_json.unspecified_date(zoneinfo.ZoneInfo(zone))
    assert DATETIME.from_json(json.loads(dates.write(moment)), dates.read_offset) == moment


@given(
    ZONES,
    st.integers() | st.integers(-62135596800000, 253402300799999),
    st.from_regex(r"([+-][0-9]{4})?", fullmatch=True),
)
def test_any_milliseconds_and_offset_give_a_moment_or_a_message_error(
    zone: str, milliseconds: int, offset: str
) -> None:
    dates = wcf_json.unspecified_date(zoneinfo.ZoneInfo(zone))
    with contextlib.suppress(MessageError):
        DATETIME.from_json(f"/Date({milliseconds}{offset})/", dates.read_offset)


def test_separators_that_javascript_takes_for_line_ends_are_escaped() -> None:
    assert wcf_json.write("\u2028\u2029") == rb'"\u2028\u2029"'


def test_ids_are_written_in_braces_and_what_cannot_be_written_is_an_error() -> None:
    number = uuid.UUID("5cf59e5a-343c-4d85-a83c-8b18e4731040")
    assert wcf_json.write([number, (), {}]) == b'["{5CF59E5A-343C-4D85-A83C-8B18E4731040}",[],{}]'
    with pytest.raises(TypeError):
        wcf_json.write(object())
    with pytest.raises(ValueError, match="JSON compliant"):
        wcf_json.write(float("nan"))


@pytest.mark.parametrize("body", [b"[" + b"{}," * 60 + b"1]", b"[" + b"1," * 60 + b"1]"])
def test_more_values_than_allowed_are_refused(body: bytes) -> None:
    assert wcf_json.read(body, max_values=200)
    with pytest.raises(JsonError, match="more than 50 values"):
        wcf_json.read(body, max_values=50)


def test_commas_and_brackets_within_texts_are_no_values() -> None:
    assert wcf_json.read(b'["' + b",[{" * 500 + b'"]', max_values=5) == [",[{" * 500]
