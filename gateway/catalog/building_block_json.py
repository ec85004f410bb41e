"""Building blocks as JSON: the members of BuildingBlock, and ``format`` with its namespace."""

import collections
import json
import math
from typing import Any, NoReturn

from gateway.catalog.building_block import NAMESPACE, BuildingBlock, UnreadableBlock

_FORMAT = "format"


def read(data: bytes) -> dict[str, Any]:
    """The members of a block, unchecked. Raises UnreadableBlock."""
    try:
        found = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_members,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise UnreadableBlock(f"this is not JSON: {error.msg}", error.lineno) from None
    except UnicodeDecodeError as error:
        raise UnreadableBlock(f"byte {error.start} is not UTF-8: save the file as UTF-8") from None
    except RecursionError:
        raise UnreadableBlock("this is nested too deeply to be read") from None
    except ValueError as error:
        raise UnreadableBlock(str(error)) from None
    if not isinstance(found, dict) or found.pop(_FORMAT, None) != NAMESPACE:
        raise UnreadableBlock(
            f'this is no building block: it must be an object with "{_FORMAT}": "{NAMESPACE}"'
        )
    return found


def write(block: BuildingBlock) -> bytes:
    """The JSON text of a block, in UTF-8."""
    members = {_FORMAT: NAMESPACE, **block.plain()}
    return (json.dumps(members, ensure_ascii=False, indent=2) + "\n").encode()


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = collections.Counter(name for name, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise UnreadableBlock(f"an object has the member {twice!r} twice: remove one")
    return members


def _no_number(word: str) -> NoReturn:
    raise UnreadableBlock(f"{word} is no number that can be used: write a finite one")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UnreadableBlock(f"the number {text} is too large")
    return number
