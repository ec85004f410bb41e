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
