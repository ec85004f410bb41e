"""``$[Name]``: where a task's settings take the value of a parameter.

The name stands between ``$[`` and the next ``]`` and contains neither. Only values are looked at,
never the names of members.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

_PLACEHOLDER = re.compile(r"\$\[((?:(?!\$\[)[^\]])+)\]")


def present(text: object) -> bool:
    """Whether this is a text with a placeholder in it."""
    return isinstance(text, str) and _PLACEHOLDER.search(text) is not None


def names(value: Any) -> Iterator[str]:
    """The names in all texts of a value made of dicts, lists and plain values, in their order."""
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, dict):
        for member in value.values():
            yield from names(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from names(member)


def fill(value: Any, lookup: Callable[[str], str]) -> Any:
    """The value with every placeholder replaced by what ``lookup`` gives for its name.

    What is put in is data: placeholders within it stay as they are.
    """
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: lookup(found.group(1)), value)
    if isinstance(value, dict):
        return {key: fill(member, lookup) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [fill(member, lookup) for member in value]
    return value
