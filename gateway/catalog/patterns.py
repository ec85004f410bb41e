"""Patterns that users write, matched in a time that grows only with the length of the text.

Python's own ``re`` backtracks: a short pattern can hold the whole process for years. Pydantic
brings Rust's engine, which cannot; what it lacks for that are look-around and back-references.
"""

import functools

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
