import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.parameters import MAX_VALUE, PartParameters, RunParameters
from gateway.agents.protocol import ParameterValue
from gateway.catalog.definitions import ParameterType
from gateway.tasks.base import TaskFailed

CREDENTIALS, PASSWORD = ParameterType.CREDENTIALS, ParameterType.PASSWORD


def run() -> RunParameters:
    return RunParameters(
        [
            ParameterValue("Plain", value="1"),
            ParameterValue("Login", CREDENTIALS, "joe", "password1", secret=True),
            ParameterValue("Word", PASSWORD, "password2", secret=True),
            ParameterValue("Login.User", value="taken by name"),
        ]
    )


def parameters() -> PartParameters:
    return run().of_part(0)


def values(run: RunParameters) -> dict[tuple[int, str], str]:
    return {(one.part, one.name): one.value for one in run.shown()}


def test_names_have_no_case_and_credentials_two_parts() -> None:
    found = parameters()
    assert found.get("PLAIN") == "1"
    assert found.get("login") == "joe"
    assert found.get("login.PASSWORD") == "password1"
    # A parameter that is really called so comes first.
    assert found.get("Login.User") == "taken by name"


@pytest.mark.parametrize("name", ["Missing", "Plain.Password", "Word.User", ".User", ""])
def test_what_is_not_there(name: str) -> None:
    assert not parameters().known(name)
    assert not parameters().present(name)
    with pytest.raises(TaskFailed, match="no parameter named"):
        parameters().get(name)
    with pytest.raises(TaskFailed, match="no parameter named"):
        parameters().set(name, "x")


def test_a_value_has_a_bound() -> None:
    with pytest.raises(TaskFailed, match="more than"):
        parameters().set("Plain", "x" * (MAX_VALUE + 1))


def test_changes_are_seen_and_secrets_stay_secret() -> None:
    whole = run()
    changed = whole.of_part(0)
    assert changed.set("plain", "2") == "2"
    assert changed.set("Word", "newer") == "********"
    assert changed.set("Login.password", "newest") == "********"
    assert changed.set("login", "jane") == "jane"
    assert changed.get("Word") == "newer"
    assert {"password1", "password2", "newer", "newest"} <= whole.secrets
    assert "jane" not in whole.secrets
    shown = {(0, "Plain"): "2", (0, "Login"): "jane", (0, "Login.User"): "taken by name"}
    assert values(whole) == shown
    assert [one.name for one in whole.shown() if whole.changed(one)] == ["Plain", "Login"]


def test_each_part_has_its_own_and_what_is_set_flows_on() -> None:
    whole = RunParameters(
        [
            ParameterValue("X", value="a", part=0),
            ParameterValue("x", value="b", part=1),
            ParameterValue("X", value="c", part=2, given=True),
            ParameterValue("X", value="d", part=3),
        ]
    )
    assert [whole.of_part(part).get("X") for part in range(4)] == ["a", "b", "c", "d"]
    whole.of_part(1).set("X", "new")
    assert [whole.of_part(part).get("X") for part in range(4)] == ["a", "new", "c", "new"]
    assert whole.of_run().get("X") == "new"
    assert [whole.changed(one) for one in whole.shown()] == [False, True, False, True]


def test_the_run_sees_the_last_module_that_has_a_name() -> None:
    whole = RunParameters([ParameterValue("A", value="1"), ParameterValue("B", value="2", part=1)])
    assert whole.of_run().get("A") == "1"
    assert not whole.of_part(1).known("A")


def test_credentials_flow_by_halves() -> None:
    login = ParameterValue("Login", CREDENTIALS, "joe", "first", secret=True)
    text = ParameterValue("Login", part=1, value="own")
    whole = RunParameters([login, text, dataclasses.replace(login, part=2)])
    whole.of_part(0).set("Login.Password", "second")
    whole.of_part(0).set("Login.User", "jane")
    assert whole.of_part(1).get("Login") == "jane"
    assert whole.of_part(2).get("Login.Password") == "second"


def test_a_secret_stays_one_in_a_parameter_of_another_type() -> None:
    whole = RunParameters(
        [ParameterValue("Key", PASSWORD, "ab", secret=True), ParameterValue("Key", part=1)]
    )
    whole.of_part(0).set("Key", "cd")
    assert whole.of_part(1).get("Key") == "cd"
    assert whole.shown() == []
    assert "cd" in whole.secrets


_NAMES = st.sampled_from(["A", "b", "C"])
_PARTS = st.integers(0, 4)
_VALUES = st.text(max_size=3)


@given(
    st.dictionaries(st.tuples(_PARTS, _NAMES), st.tuples(_VALUES, st.booleans())),
    st.lists(st.tuples(_PARTS, _NAMES, _VALUES)),
)
def test_the_flow_is_that_of_a_plain_walk(
    first: dict[tuple[int, str], tuple[str, bool]], sets: list[tuple[int, str, str]]
) -> None:
    """As each task sees it: the newest value set at or before its part, unless it has its own."""
    whole = RunParameters(
        ParameterValue(name, value=value, part=part, given=given)
        for (part, name), (value, given) in first.items()
    )
    expected = {key: value for key, (value, _) in first.items()}
    touched = set()
    for part, name, value in sets:
        if (part, name) not in first:
            with pytest.raises(TaskFailed):
                whole.of_part(part).set(name.lower(), value)
            continue
        whole.of_part(part).set(name.lower(), value)
        heirs = {key for key, (_, given) in first.items() if key[1] == name and not given}
        reached = {(part, name)} | {key for key in heirs if key[0] > part}
        expected |= dict.fromkeys(reached, value)
        touched |= reached
    assert values(whole) == expected
    assert {(one.part, one.name) for one in whole.shown() if whole.changed(one)} == touched
