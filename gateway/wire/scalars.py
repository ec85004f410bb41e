r"""The simple values of messages: how each is read from and written to XML and JSON.

Each kind is one :class:`Scalar`; both dialects and the XSD take it from here. A reader takes
what the wire gave and returns the value, or raises MessageError without a path (the reader of
the message adds it). Writers take values of the right type only.
"""

import base64
import binascii
import contextlib
import dataclasses
import datetime
import enum
import functools
import math
import re
import uuid
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from gateway.wire import wcf_json
from gateway.wire.errors import MessageError

T = TypeVar("T")
E = TypeVar("E", bound=enum.IntEnum)


@dataclasses.dataclass(frozen=True)
class Scalar(Generic[T]):
    """One kind of simple value.

    ``name`` is for people, ``xsd`` the built-in XML Schema type it is published as.
    ``from_text`` reads the text of an element ("" if it has none) and returns None for "absent";
    ``from_json`` reads any JSON value but null. ``to_text`` gives XML text, still unescaped;
    ``to_json`` a JSON literal. ``values`` are the texts of an enumeration, ``pattern`` an XSD
    pattern; either makes a named type ``type_name`` of it.
    """

    name: str
    xsd: str
    from_text: Callable[[str], T | None]
    to_text: Callable[[T], str]
    from_json: Callable[[Any, wcf_json.OffsetReader], T | None]
    to_json: Callable[[T, wcf_json.DateWriter], str]
    sample: T
    type_name: str | None = None
    values: tuple[str, ...] = ()
    pattern: str | None = None


def _problem(text: str) -> MessageError:
    return MessageError("", text)


_LONGEST_QUOTE = 60


def _shown(value: object) -> str:
    """Quote a client's value for an error, so that a long one does not fill the answer."""
    shown = repr(value[: _LONGEST_QUOTE + 1]) if isinstance(value, str) else _json_name(value)
    return shown if len(shown) <= _LONGEST_QUOTE else shown[:_LONGEST_QUOTE] + "..."


def _json_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "an object"
        case list():
            return "a list"
        case int():
            # Python refuses to print the very long ones.
            return str(value) if abs(value) < 10**40 else "a very large number"
        case _:
            return repr(value)


# --- text ---------------------------------------------------------------------------------

# What XML 1.0 cannot carry, not even as a character reference.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _text(text: str) -> str:
    return text


def _text_from_json(value: Any, _offsets: wcf_json.OffsetReader) -> str:
    """Read a text member. Clients post numbers from their databases (Dispatcher contract 4.3).

    As in WCF they stay as they were written: 4.50 is the text "4.50".
    """
    if isinstance(value, str):
        if bad := UNWRITABLE.search(value):
            raise _problem(f"holds the character U+{ord(bad.group()):04X}, which is not text")
        return value
    if isinstance(value, wcf_json.Number):
        return value.text
    if isinstance(value, bool):
        return _boolean_text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        with contextlib.suppress(ValueError):  # Python refuses to print the very long ones
            return repr(value)
    raise _problem(f"is {_shown(value)}; a text is expected")


def _string_to_json(value: str, _dates: wcf_json.DateWriter) -> str:
    """Write a text. What cannot come in again does not go out either, as in XML."""
    literal = wcf_json.string(value)
    if "\\" in literal:  # only then can there be any
        literal = wcf_json.string(UNWRITABLE.sub("\ufffd", value))
    return literal


TEXT = Scalar[str]("text", "string", _text, _text, _text_from_json, _string_to_json, sample="text")


# --- whole numbers ------------------------------------------------------------------------

_DIGITS = re.compile(r"\s*+([+-]?[0-9]{1,20})\s*+", re.ASCII)
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)


def _integer(text: str, numbers: range = _INT32) -> int:
    match = _DIGITS.fullmatch(text)
    if match is None:
        raise _problem(f"is {_shown(text)}; a whole number is expected")
    return _in_range(int(match.group(1)), numbers)


def _integer_from_json(value: Any, _offsets: wcf_json.OffsetReader, numbers: range = _INT32) -> int:
    if isinstance(value, str):
        return _integer(value, numbers)
    if isinstance(value, float) and value.is_integer():
        return _in_range(int(value), numbers)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _problem(f"is {_shown(value)}; a whole number is expected")
    return _in_range(value, numbers)


def _in_range(number: int, numbers: range) -> int:
    if number not in numbers:
        raise _problem(f"is {_shown(number)}; it must lie between {numbers[0]} and {numbers[-1]}")
    return number


INTEGER = Scalar[int](
    "whole number (32 bit)",
    "int",
    _integer,
    str,
    _integer_from_json,
    lambda value, _dates: str(value),
    sample=1,
)

LONG = Scalar[int](
    "whole number (64 bit)",
    "long",
    lambda text: _integer(text, _INT64),
    str,
    lambda value, offsets: _integer_from_json(value, offsets, _INT64),
    lambda value, _dates: str(value),
    sample=1,
)


# --- true and false -----------------------------------------------------------------------

_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def _boolean(text: str) -> bool:
    truth = _TRUTH.get(text)
    if truth is None:
        truth = _TRUTH.get(text.strip().lower())
    if truth is None:
        raise _problem(f"is {_shown(text)}; true or false is expected")
    return truth


def _boolean_from_json(value: Any, _offsets: wcf_json.OffsetReader) -> bool:
    """Real clients send ``"true"`` (Dispatcher contract 1.5)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _boolean(value)
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    raise _problem(f"is {_shown(value)}; true or false is expected")


def _boolean_text(value: bool) -> str:
    return "true" if value else "false"


BOOLEAN = Scalar[bool](
    "true or false",
    "boolean",
    _boolean,
    _boolean_text,
    _boolean_from_json,
    lambda value, _dates: _boolean_text(value),
    sample=True,
)


# --- dates --------------------------------------------------------------------------------

_DATE_TIME = re.compile(
    r"\s*+(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,20}))?)?"
    r"(?:(Z|z)|([+-])(\d\d):?(\d\d))?\s*+",
    re.ASCII,
)
_JSON_DATE = re.compile(r"\s*+\\?/Date\((-?\d{1,17})(?:([+-])(\d\d)(\d\d))?\)\\?/\s*+", re.ASCII)
_DAY = datetime.timedelta(days=1)
_MINUTE = datetime.timedelta(minutes=1)
# That of xs:dateTime.
_WIDEST_OFFSET = datetime.timedelta(hours=14)


class AsWritten(datetime.tzinfo):
    """The zone of a date that was written with an offset, or without any zone (then UTC).

    So a reader can tell what the clock of its writer showed: just that time of day. Dates in UTC
    have ``datetime.UTC``.
    """

    def __init__(self, offset: datetime.timedelta = datetime.timedelta()) -> None:
        self._offset = offset

    def utcoffset(self, _at: datetime.datetime | None) -> datetime.timedelta:
        """The offset that was written."""
        return self._offset

    def dst(self, _at: datetime.datetime | None) -> None:
        """Nobody knows."""

    def tzname(self, _at: datetime.datetime | None) -> None:
        """It has none."""


class WallZone(datetime.tzinfo):
    """The zone of a date that is written as a wall clock shows it.

    In XML without a zone; in JSON, which has no such dates, with the offset of ``zone``.
    """

    def __init__(self, zone: datetime.tzinfo) -> None:
        self._zone = zone

    def utcoffset(self, at: datetime.datetime | None) -> datetime.timedelta | None:
        """The offset of the zone, in whole minutes, which is all that can be written."""
        if at is None:
            return None
        offset = at.replace(tzinfo=self._zone).utcoffset() or datetime.timedelta()
        return offset // _MINUTE * _MINUTE

    def dst(self, _at: datetime.datetime | None) -> None:
        """Nobody asks."""

    def tzname(self, _at: datetime.datetime | None) -> None:
        """It has none."""


def _date_time(text: str) -> datetime.datetime:
    """Read ISO 8601, as xs:dateTime has it and a little wider. Without a zone it is UTC."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise _problem(
            f"is {_shown(text)}; a date and time such as 2015-06-25T14:00:00Z is expected"
        )
    try:
        return _assemble(match)
    except (ValueError, OverflowError) as error:
        raise _problem(f"is {_shown(text)}, which is no date: {error}") from None


def _assemble(match: re.Match[str]) -> datetime.datetime:
    year, month, day, hour, minute, second, fraction, _utc, sign, hours, minutes = match.groups()
    midnight_after = (hour, minute, second or "00") == ("24", "00", "00")
    moment = datetime.datetime(
        int(year),
        int(month),
        int(day),
        0 if midnight_after else int(hour),
        int(minute),
        int(second or 0),
        int((fraction or "0")[:6].ljust(6, "0")),
        tzinfo=datetime.UTC,
    )
    if midnight_after:
        moment += _DAY
    if _utc:
        return moment
    offset = _offset(sign, int(hours), int(minutes)) if sign else datetime.timedelta()
    written = moment.replace(tzinfo=AsWritten(offset))
    # Found out now whether there is such a moment at all.
    written.astimezone(datetime.UTC)
    return written


def _offset(sign: str, hours: int, minutes: int) -> datetime.timedelta:
    if hours > 14 or minutes > 59:  # noqa: PLR2004 - the widest offset of xs:dateTime
        raise ValueError("the offset from UTC is too large")
    return _signed(sign, hours, minutes)


def _signed(sign: str, hours: int, minutes: int) -> datetime.timedelta:
    offset = datetime.timedelta(hours=hours, minutes=minutes)
    return -offset if sign == "-" else offset


def _date_time_from_json(value: Any, offsets: wcf_json.OffsetReader) -> datetime.datetime:
    """Read ``/Date(ms)/`` or ``/Date(ms+HHMM)/``, or ISO 8601."""
    if not isinstance(value, str):
        raise _problem(f"is {_shown(value)}; a date such as /Date(1435238400000)/ is expected")
    match = _JSON_DATE.fullmatch(value)
    if match is None:
        return _date_time(value)
    milliseconds, sign, hours, minutes = match.groups()
    try:
        moment = wcf_json.EPOCH + datetime.timedelta(milliseconds=int(milliseconds))
        if sign is None:
            return moment
        offset = _signed(sign, int(hours), int(minutes))
        meant = offsets(moment, offset)
        if abs(offset) > _WIDEST_OFFSET:
            return meant
        # Whatever moment is meant: the clock of its writer showed this.
        written = moment + offset
        return written.replace(tzinfo=AsWritten(written - meant))
    except OverflowError:
        raise _problem(f"is {_shown(value)}, which is outside the years 1 to 9999") from None


def _date_time_to_json(value: datetime.datetime, dates: wcf_json.DateWriter) -> str:
    offset = value.utcoffset() if isinstance(value.tzinfo, WallZone) else None
    return dates(value) if offset is None else wcf_json.date(value, offset)


def _date_time_text(value: datetime.datetime) -> str:
    if isinstance(value.tzinfo, WallZone):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds")
    moment = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


DATETIME = Scalar[datetime.datetime](
    "date and time",
    "dateTime",
    _date_time,
    _date_time_text,
    _date_time_from_json,
    _date_time_to_json,
    sample=datetime.datetime(2015, 6, 25, 14, 0, tzinfo=datetime.UTC),
)


_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_TIMESTAMP_FORM = "14 digits, yyyyMMddHHmmss in UTC such as 20140621000000,"


def _timestamp(text: str) -> datetime.datetime:
    """Read ``yyyyMMddHHmmss`` as a whole second in UTC (Dispatcher contract 3, row 15)."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise _problem(f"is {_shown(text)}; {_TIMESTAMP_FORM} are expected")
    try:
        return datetime.datetime(*map(int, match.groups()), tzinfo=datetime.UTC)  # type: ignore[misc, arg-type]  # six of them
    except ValueError as error:
        raise _problem(
            f"is {_shown(text)}, which is no date ({error}); {_TIMESTAMP_FORM} are expected"
        ) from None


def _timestamp_from_json(value: Any, offsets: wcf_json.OffsetReader) -> datetime.datetime:
    return _timestamp(_text_from_json(value, offsets))


def _timestamp_text(value: datetime.datetime) -> str:
    moment = value.astimezone(datetime.UTC)
    # strftime leaves out the zeros of early years.
    return f"{moment.year:04}{moment:%m%d%H%M%S}"


TIMESTAMP = Scalar[datetime.datetime](
    "yyyyMMddHHmmss, UTC",
    "string",
    _timestamp,
    _timestamp_text,
    _timestamp_from_json,
    lambda value, _dates: f'"{_timestamp_text(value)}"',
    sample=datetime.datetime(2014, 6, 21, tzinfo=datetime.UTC),
    type_name="Timestamp",
    pattern="[0-9]{14}",
)


# --- ids ----------------------------------------------------------------------------------

_HEX = r"[0-9A-Fa-f]"
_GUID = re.compile(
    rf"\s*+(\{{)?({_HEX}{{8}})-?({_HEX}{{4}})-?({_HEX}{{4}})-?({_HEX}{{4}})-?({_HEX}{{12}})(?(1)\}})\s*+"
)
_SAMPLE_GUID = uuid.UUID("5cf59e5a-343c-4d85-a83c-8b18e4731040")


# The longest way to write an id: with braces and dashes.
_LONGEST_GUID = 38


def _guid(text: str) -> uuid.UUID | None:
    """Read an id with or without braces, in any case, padded (Dispatcher contract 3).

    Empty is absent: clients post back ids of what they have not created yet.
    """
    bare = text.strip()
    if not bare:
        return None
    found = _known_guid(bare) if len(bare) <= _LONGEST_GUID else None
    if found is not None:
        return found
    raise _problem(f"is {_shown(text)}; an id such as {_guid_text(_SAMPLE_GUID)} is expected")


# The same few definitions and agents are named again and again.
@functools.lru_cache(maxsize=4096)
def _known_guid(bare: str) -> uuid.UUID | None:
    match = _GUID.fullmatch(bare)
    return None if match is None else uuid.UUID(int=int("".join(match.groups()[1:]), 16))


def _guid_from_json(value: Any, _offsets: wcf_json.OffsetReader) -> uuid.UUID | None:
    if not isinstance(value, str):
        raise _problem(f"is {_shown(value)}; an id such as {_guid_text(_SAMPLE_GUID)} is expected")
    return _guid(value)


@functools.lru_cache(maxsize=4096)
def _guid_text(value: uuid.UUID) -> str:
    return f"{{{str(value).upper()}}}"


GUID = Scalar[uuid.UUID](
    "GUID",
    "string",
    _guid,
    _guid_text,
    _guid_from_json,
    lambda value, _dates: f'"{_guid_text(value)}"',
    sample=_SAMPLE_GUID,
    type_name="Guid",
    pattern=r"\s*(\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\}?)?\s*",
)


def _guid_or_name(text: str) -> uuid.UUID | str | None:
    match = _GUID.fullmatch(text)
    return _guid(text) if match else text.strip() or None


def _guid_or_name_from_json(value: Any, offsets: wcf_json.OffsetReader) -> uuid.UUID | str | None:
    return _guid_or_name(_text_from_json(value, offsets))


def _guid_or_name_text(value: uuid.UUID | str) -> str:
    return value if isinstance(value, str) else _guid_text(value)


GUID_OR_NAME = Scalar[uuid.UUID | str](
    "GUID or name",
    "string",
    _guid_or_name,
    _guid_or_name_text,
    _guid_or_name_from_json,
    lambda value, dates: _string_to_json(_guid_or_name_text(value), dates),
    sample=_SAMPLE_GUID,
)


# --- enumerations -------------------------------------------------------------------------


@functools.cache
def enumeration(values: type[E]) -> Scalar[E]:
    """Return the kind of an enumeration: names in XML, numbers in JSON (Dispatcher contract 1.5).

    In XML the number is accepted too; in JSON a name is refused, as WCF does. An alias in the
    enumeration is another accepted spelling that is never written.
    """
    by_text = dict(values.__members__)
    by_text.update((str(value.value), value) for value in values)
    by_number = {value.value: value for value in values}
    allowed = ", ".join(f"{value.value} {value.name}" for value in values)

    def from_text(text: str) -> E:
        value = by_text.get(text.strip())
        if value is None:
            raise _problem(f"is {_shown(text)}; it must be one of {allowed}")
        return value

    def from_json(value: Any, offsets: wcf_json.OffsetReader) -> E:
        try:
            return by_number[_integer_from_json(value, offsets)]
        except (KeyError, MessageError):
            raise _problem(
                f"is {_shown(value)}; it must be the number of one of {allowed}"
            ) from None

    return Scalar(
        values.__name__,
        "string",
        from_text,
        lambda value: value.name,
        from_json,
        lambda value, _dates: str(value.value),
        sample=next(iter(values)),
        type_name=values.__name__,
        values=tuple(value.name for value in values),
    )


# --- bytes --------------------------------------------------------------------------------

_OCTETS = tuple(str(octet) for octet in range(256))


_SPACES = b" \t\n\r\v\f"


def _bytes(text: str) -> bytes:
    """Read base64, strictly but for white space: a lenient decoder loses data in silence."""
    try:
        return base64.b64decode(text.encode("ascii").translate(None, _SPACES), validate=True)
    except (binascii.Error, ValueError):
        raise _problem("is not valid base64") from None


def _bytes_from_json(value: Any, _offsets: wcf_json.OffsetReader) -> bytes:
    """Read a list of numbers, as WCF writes it, or a base64 string."""
    if isinstance(value, str):
        return _bytes(value)
    try:
        if isinstance(value, list) and set(map(type, value)) <= {int}:
            return bytes(value)
    except ValueError:
        pass
    raise _problem("must be a list of numbers from 0 to 255, or a base64 text")


def _bytes_text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


BYTES = Scalar[bytes](
    "bytes",
    "base64Binary",
    _bytes,
    _bytes_text,
    _bytes_from_json,
    lambda value, _dates: f"[{','.join([_OCTETS[octet] for octet in value])}]",
    sample="<a/>".encode("utf-16-le"),
)
