"""Puts the values of parameters and environment variables into the text of a file.

``$[Name]`` stands for a parameter, ``%NAME%`` for a variable. Names that nobody knows stay as they
are: in a file both forms may mean something else. What is put in is data, not looked at again.
"""

import codecs
import re
from collections.abc import Callable, Mapping

from gateway.tasks.base import Parameters, TaskFailed

MOST_BYTES = 16 * 1024 * 1024
# Of the text with the values in it, in characters: a long value may stand in many places.
_MOST_CHARACTERS = 2 * MOST_BYTES

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PARAMETER = r"\$\[((?:(?!\$\[)[^\]\r\n])+)\]"
_VARIABLE = r"%([^%\s=]+)%"
_NAMES = re.compile(f"{_PARAMETER}|{_VARIABLE}")

_Lookup = Callable[[str], str | None]


def parse(name: str, data: bytes, parameters: Parameters, environment: Mapping[str, str]) -> bytes:
    """The bytes of the file called ``name`` with the values put in, in the encoding it had.

    Files are UTF-8, or UTF-16 with a byte order mark. An empty environment leaves ``%NAME%``
    alone. Raises TaskFailed for other files, and where the text becomes too long.
    """
    mark, encoding = next(
        ((mark, encoding) for mark, encoding in _MARKS if data.startswith(mark)), (b"", "utf-8")
    )
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise TaskFailed(
            f"The placeholders in the resource {name!r} cannot be replaced: it is neither UTF-8"
            " nor UTF-16 with a byte order mark."
        ) from error
    filled = _filled(text, _of(parameters), _variables(environment))
    if filled is None:
        raise TaskFailed(
            f"The resource {name!r} would have more than {_MOST_CHARACTERS} characters with the"
            " values in it."
        )
    return mark + filled.encode(encoding, "surrogatepass")


def _filled(text: str, parameter: _Lookup, variable: _Lookup) -> str | None:
    """The text with what the two give; None if it becomes too long."""
    pieces: list[str] = []
    position = start = size = 0
    while found := _NAMES.search(text, start):
        value = parameter(found[1]) if found[1] is not None else variable(found[2])
        if value is None:
            # Its last character may be the first of the next: a%b%NAME%.
            start = found.end() - 1
            continue
        pieces += (text[position : found.start()], value)
        size += len(pieces[-1]) + len(pieces[-2])
        if size > _MOST_CHARACTERS:
            return None
        position = start = found.end()
    pieces.append(text[position:])
    return "".join(pieces)


def _of(parameters: Parameters) -> _Lookup:
    return lambda name: parameters.get(name) if parameters.known(name) else None


def _variables(environment: Mapping[str, str]) -> _Lookup:
    """By the very name, or else by one that differs in case, as Windows has it."""
    folded = {name.upper(): value for name, value in environment.items()}
    return lambda name: environment.get(name, folded.get(name.upper()))
