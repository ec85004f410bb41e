r"""The JSON dialect of .NET's WCF: what it reads beyond the standard, and how it writes dates.

Dispatcher contract 1.5: a trailing comma is accepted (a real client's hand-written body has
one), dates go out as ``"\/Date(ms)\/"`` with the slashes escaped *on the wire*, which Windows
PowerShell needs to see a date in them. No JSON library of Python writes that escape.
"""

import dataclasses
import datetime
import itertools
import json
import math
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

from gateway.wire import charset as charsets
from gateway.wire.errors import CharsetError, JsonError

MAX_SIZE = 16 * 1024 * 1024
"""Bytes of one body."""

MAX_DEPTH = 64
"""Lists and objects inside one another."""

MAX_VALUES = 100_000
"""Members of objects and items of lists, all together."""

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_MINUTE = datetime.timedelta(minutes=1)
_NOTHING = datetime.timedelta()


# --- reading ------------------------------------------------------------------------------


def read(
    data: bytes,
    *,
    charset: str | None = None,
    max_size: int = MAX_SIZE,
    max_depth: int = MAX_DEPTH,
    max_values: int = MAX_VALUES,
) -> Any:
    """Read a body into dicts, lists, str, int, float, bool and None.

    UTF-8 and UTF-16, with or without byte order mark, and Latin-1 as the last resort
    (Dispatcher contract 1.4). Of a member that is given twice the last counts. Numbers are
    finite.

    Raises :class:`~gateway.wire.errors.JsonError` with a sentence that names line and column.
    """
    text = _text(data, charset, max_size)
    _refuse_depth(text, max_depth)
    _refuse_count(text, max_values)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        value = _read_with_trailing_commas(text, error)
    except ValueError:  # int() refuses more digits than it can convert in reasonable time
        raise JsonError("a number in the body has too many digits") from None
    if _SURROGATE.search(text):
        _refuse_half_characters(value)
    return value


def _text(data: bytes, charset: str | None, max_size: int) -> str:
    if len(data) > max_size:
        raise JsonError(f"the body is larger than {max_size} bytes")
    try:
        text = charsets.decode(data, charset)
    except CharsetError as error:
        raise JsonError(error.sentence) from None
    if not text.strip():
        raise JsonError("the body is empty; a JSON value is expected")
    return text


def _read_with_trailing_commas(text: str, first: json.JSONDecodeError) -> Any:
    """Try once more with the commas before ``]`` and ``}`` blanked out, so positions stay."""
    mended = _TOKEN.sub(_blank_if_trailing, text)
    if mended == text:
        raise _located(first) from None
    try:
        return _DECODER.decode(mended)
    except json.JSONDecodeError as error:
        raise _located(error) from None
    except ValueError:
        raise JsonError("a number in the body has too many digits") from None


# A string is one token, also when its end is missing: every character is looked at once.
_STRING = r'"(?:[^"\\]++|\\.)*+(?:"|\Z|\\\Z)'
_TOKEN = re.compile(rf"{_STRING}|[\[{{,]\s*+,|,(?=\s*+[\]}}])", re.DOTALL)
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)


def _blank_if_trailing(match: re.Match[str]) -> str:
    # Longer matches are strings, and commas that follow nothing ("[,]"), which stay errors.
    return " " if match.group() == "," else match.group()


def _refuse_depth(text: str, limit: int) -> None:
    if text.count("[") + text.count("{") <= limit:
        return
    depth = 0
    for match in _BRACKET.finditer(text):
        found = match.group()
        depth += (found in "[{") - (found in "]}")
        if depth > limit:
            line = text.count("\n", 0, match.start()) + 1
            raise JsonError(f"line {line}: the body is nested deeper than {limit}")


_SEPARATOR = re.compile(rf"{_STRING}|[,\[{{]", re.DOTALL)


def _refuse_count(text: str, limit: int) -> None:
    """Refuse more values than anybody means; each would become an object of Python's."""
    if text.count(",") + text.count("[") + text.count("{") <= limit:
        return
    separators = (match for match in _SEPARATOR.finditer(text) if match.end() - match.start() == 1)
    if sum(1 for _ in itertools.islice(separators, limit + 1)) > limit:
        raise JsonError(f"the body has more than {limit} values")


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _refuse_half_characters(value: Any) -> None:
    r"""Refuse a lone ``\ud800``, which no store and no other dialect can take."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError("a text in the body holds half of a surrogate pair") from None


def _located(error: json.JSONDecodeError) -> JsonError:
    problem = error.msg[:1].lower() + error.msg[1:]
    return JsonError(f"the body is not JSON: line {error.lineno}, column {error.colno}: {problem}")


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"the body is not JSON: {name} is not a JSON number")


class Number(float):
    """A number with a fraction or an exponent; ``text`` is how the client wrote it."""

    __slots__ = ("text",)  # a body may hold millions

    text: str


def _finite(digits: str) -> Number:
    number = Number(digits)
    if math.isinf(number):
        raise JsonError("a number in the body is out of range")
    number.text = digits
    return number


# Not strict: hand-written bodies have raw tabs and line breaks in their strings.
_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse_constant, parse_float=_finite)


# --- writing ------------------------------------------------------------------------------

DateWriter: TypeAlias = Callable[[datetime.datetime], str]
"""How an aware datetime becomes a JSON string literal, quotes included."""

OffsetReader: TypeAlias = Callable[[datetime.datetime, datetime.timedelta], datetime.datetime]
"""What ``/Date(ms+HHMM)/`` means: the moment of its milliseconds and its offset give a moment.

May raise OverflowError.
"""


@dataclasses.dataclass(frozen=True)
class Dates:
    """How dates are written, and how those are read that carry an offset."""

    write: DateWriter
    read_offset: OffsetReader


string: Callable[[str], str] = json.JSONEncoder(ensure_ascii=True).encode
"""Write a JSON string literal. All beyond ASCII is escaped, U+2028 and lone surrogates too."""


def date(moment: datetime.datetime, offset: datetime.timedelta | None = None) -> str:
    r"""Write an aware datetime as ``"\/Date(ms)\/"``: milliseconds since 1970, UTC.

    With an offset that follows them: ``"\/Date(ms+0200)\/"``.
    """
    suffix = "" if offset is None else _suffix(offset)
    return f'"\\/Date({(moment - EPOCH) // _MILLISECOND}{suffix})\\/"'


def _suffix(offset: datetime.timedelta) -> str:
    hours, rest = divmod(abs(offset) // _MINUTE, 60)
    return f"{'-' if offset < _NOTHING else '+'}{hours:02}{rest:02}"


def plain_offset(moment: datetime.datetime, _offset: datetime.timedelta) -> datetime.datetime:
    """Read a date with an offset as WCF does: the offset says nothing about the moment."""
    return moment


DATES = Dates(date, plain_offset)
"""Dates in UTC, without an offset."""


def unspecified_date(zone: datetime.tzinfo) -> Dates:
    r"""Dates of a vendor's server in ``zone`` that takes UTC for local time.

    Dispatcher contract 7, item 7: times come out earlier by the zone's offset, which is added
    as a suffix: 14:00 UTC is ``"\/Date(<12:00 UTC>+0200)\/"`` of a server in Berlin in June. What
    comes in with a suffix is turned into the server's local time and that taken for UTC, so that
    a date which was answered can be sent back (7, item 5).
    """

    def offset_at(local: datetime.datetime) -> datetime.timedelta:
        minutes = (local.replace(tzinfo=zone).utcoffset() or _NOTHING) // _MINUTE
        return minutes * _MINUTE

    def write(moment: datetime.datetime) -> str:
        offset = offset_at(moment.astimezone(datetime.UTC))
        return date(moment - offset, offset)

    def read_offset(moment: datetime.datetime, offset: datetime.timedelta) -> datetime.datetime:
        # Of local times that daylight saving skips only the suffix tells what was written.
        written = moment + offset
        if offset_at(written) == offset:
            return written
        return moment.astimezone(zone).replace(tzinfo=datetime.UTC)

    return Dates(write, read_offset)


def write(value: object, *, dates: DateWriter = date) -> bytes:
    """Write plain values as compact ASCII JSON.

    ``value`` is made of dicts with str keys, lists or tuples, str, bool, int, finite float,
    None, aware datetimes, and UUIDs, which come out upper case and in braces.

    Raises TypeError or ValueError for anything else: that is a mistake of the program.
    """
    return "".join(_fragments(value, dates)).encode("ascii")


def _fragments(value: object, dates: DateWriter) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _object_fragments(value, dates)
    elif isinstance(value, list | tuple):
        comma = "["
        for item in value:
            yield comma
            yield from _fragments(item, dates)
            comma = ","
        yield "]" if comma == "," else "[]"
    elif isinstance(value, datetime.datetime):
        yield dates(value)
    elif isinstance(value, uuid.UUID):
        yield f'"{{{str(value).upper()}}}"'
    else:
        yield json.dumps(value, allow_nan=False)


def _object_fragments(value: Mapping[str, object], dates: DateWriter) -> Iterator[str]:
    comma = "{"
    for name, item in value.items():
        yield f"{comma}{string(name)}:"
        yield from _fragments(item, dates)
        comma = ","
    yield "}" if comma == "," else "{}"
