"""Patterns that users write, matched in a time that grows only with the length of the text.

Python's own ``re`` backtracks: a short pattern can hold the whole process for years. Pydantic
brings Rust's engine, which cannot; what it lacks for that are look-around and back-references.
It tells only whether a pattern is found. What is found is told by RE2, which is of the same kind;
it is loaded when it is first needed.
"""

import functools
from collections.abc import Callable
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_PATTERN = 1000


class PatternError(ValueError):
    """A pattern that cannot be used; the message says why."""


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> SchemaValidator:
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    return SchemaValidator(schema)


def check(pattern: str) -> None:
    """Raise PatternError unless the pattern can be matched."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"the pattern has {len(pattern)} characters, {MAX_PATTERN} are allowed")
    try:
        _compiled(pattern)
    except SchemaError as error:
        raise PatternError(
            "the pattern is not a regular expression that can be used here"
            " (look-around and back-references are not)"
        ) from error


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text; PatternError for an unusable one."""
    check(pattern)
    return _compiled(pattern).isinstance_python(text)


def check_capturing(pattern: str) -> None:
    """Raise PatternError unless the pattern can be matched and what it finds be taken."""
    check(pattern)
    _capturing(pattern)


def last_found(pattern: str, text: str, proceed: Callable[[], None]) -> str | None:
    """What the last match of the pattern has in its first group, or else all that it matched.

    None for no match, and for one without the group. ``proceed`` is called before each match: one
    takes a time that grows with the length of the text, and there may be as many as the text is
    long. Raises PatternError, and what ``proceed`` raises.
    """
    expression = _capturing(pattern)
    found = None
    for match in expression.finditer(text.encode("utf-8", "replace")):
        proceed()
        found = match
    if found is None:
        return None
    taken = found.group(1 if expression.groups else 0)
    return None if taken is None else str(taken, "utf-8", "replace")


@functools.lru_cache(maxsize=256)
def _capturing(pattern: str) -> Any:
    import re2  # noqa: PLC0415  (few modules capture anything)

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        # RE2's own text is made of bytes of the pattern, which may be half a character.
        raise PatternError(
            "the pattern is not a regular expression that can be used here"
        ) from error
