from collections.abc import Callable

import pytest

from gateway.catalog import patterns


def test_a_pattern_is_found_anywhere_in_the_text() -> None:
    assert patterns.matches("b+", "abbc")
    assert not patterns.matches("^b+$", "abbc")


def test_a_pattern_made_to_take_for_ever_does_not() -> None:
    # Python's own engine would need some 2**50000 steps.
    assert not patterns.matches("^(a+)+$", "a" * 50_000 + "b")


@pytest.mark.parametrize("pattern", ["(", "(?<=a)b", r"(a)\1", "a{1000}{1000}{1000}"])
def test_what_cannot_be_matched_is_refused(pattern: str) -> None:
    with pytest.raises(patterns.PatternError):
        patterns.check(pattern)


def nothing() -> None:
    pass


def counting(most: int) -> Callable[[], None]:
    calls = []

    def proceed() -> None:
        calls.append(1)
        if len(calls) > most:
            raise TimeoutError

    return proceed


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b+", "abba bbb c", "bbb"),
        (r"id=(\w+)", "id=1 id=23;", "23"),
        (r"(?m)^Result: (.*)$", "Result: a\nResult: b c\nend", "b c"),
        ("ä(.)ö", "äßö", "ß"),
        ("(a)|b", "ab", None),
        ("x", "abc", None),
        ("()", "", ""),
    ],
)
def test_the_last_match_gives_its_first_group(pattern: str, text: str, found: str | None) -> None:
    assert patterns.last_found(pattern, text, nothing) == found


def test_a_search_made_to_take_for_ever_does_not_and_can_be_stopped() -> None:
    assert patterns.last_found("(a+)+$", "a" * 50_000 + "b", nothing) is None
    with pytest.raises(TimeoutError):
        patterns.last_found("a", "a" * 100, counting(10))


@pytest.mark.parametrize("pattern", ["(", "(?<=a)b", r"(a)\1", "a{1001}"])
def test_what_one_of_the_engines_cannot_do_is_refused(pattern: str) -> None:
    with pytest.raises(patterns.PatternError):
        patterns.check_capturing(pattern)
