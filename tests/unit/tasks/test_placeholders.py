from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks import placeholders


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("a $[x] b", "a <x> b"),
        ("$[x]$[y.User]", "<x><y.User>"),
        ("$[a$[b]", "$[a<b>"),
        ("$[", "$["),
        ("$[]", "$[]"),
        ("$[x", "$[x"),
        ("[x] $x ${x}", "[x] $x ${x}"),
        ("$[Two Words\n]", "<Two Words\n>"),
    ],
)
def test_where_names_stand(text: str, filled: str) -> None:
    assert placeholders.fill(text, lambda name: f"<{name}>") == filled


def test_values_are_filled_at_any_depth_and_names_are_not() -> None:
    value = {"$[k]": ["$[a]", {"b": "$[b]"}, 3, None, True]}
    filled = placeholders.fill(value, str.upper)
    assert filled == {"$[k]": ["A", {"b": "B"}, 3, None, True]}
    assert list(placeholders.names(value)) == ["a", "b"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="$[]ab."),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_a_value_put_in_is_never_looked_at_again(value: Any) -> None:
    filled = placeholders.fill(value, lambda name: f"$[{name}]")
    assert filled == value
    assert placeholders.fill(value, lambda _: "") is not None or value is None
