import pytest

from gateway.agents.parameters import RunParameters
from gateway.agents.protocol import ParameterValue
from gateway.catalog.definitions import ParameterType
from gateway.tasks.base import TaskFailed


def parameters() -> RunParameters:
    return RunParameters(
        [
            ParameterValue("Plain", value="1"),
            ParameterValue("Login", ParameterType.CREDENTIALS, "joe", "password1", secret=True),
            ParameterValue("Word", ParameterType.PASSWORD, "password2", secret=True),
            ParameterValue("Login.User", value="taken by name"),
        ]
    )


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
    with pytest.raises(TaskFailed, match="no parameter named"):
        parameters().get(name)
    with pytest.raises(TaskFailed, match="no parameter named"):
        parameters().set(name, "x")


def test_changes_are_seen_and_secrets_stay_secret() -> None:
    changed = parameters()
    assert changed.set("plain", "2") == "2"
    assert changed.set("Word", "newer") == "********"
    assert changed.set("Login.password", "newest") == "********"
    assert changed.set("login", "jane") == "jane"
    assert changed.get("Word") == "newer"
    assert {"password1", "password2", "newer", "newest"} <= changed.secrets
    assert "jane" not in changed.secrets
    assert changed.shown() == {"Plain": "2", "Login": "jane", "Login.User": "taken by name"}
