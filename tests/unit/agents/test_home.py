import json
import shutil
import stat
import uuid
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.agents import home as homes
from gateway.agents.home import AgentHome, Asking, Identity
from gateway.agents.refusals import AgentRefused
from gateway.agents.tokens import Tokens
from storage.errors import StoreUnavailable

SERVER = "https://gateway.example"


@pytest.fixture
def home(tmp_path: Path) -> AgentHome:
    made = AgentHome(tmp_path / "agent")
    made.create()
    return made


def identity(**more: object) -> Identity:
    values = {"token": SecretStr("the-token"), "token_since": 0, **more}
    return Identity(server=SERVER, agent=uuid.uuid4(), **values)  # type: ignore[arg-type]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_kept_is_its_owners_alone_and_comes_back(home: AgentHome) -> None:
    assert (home.identity(), home.asking(), home.last_session()) == (None, None, None)
    kept = identity(pin=f"sha256:{'0' * 64}", ca=Path("/ca.pem"), former=SecretStr("before"))
    home.keep(kept)
    asking = Asking(server=SERVER, enrolment=uuid.uuid4(), secret=SecretStr("s"))
    home.keep_asking(asking)
    session = uuid.uuid4()
    home.keep_session(session)
    assert (home.identity(), home.asking(), home.last_session()) == (kept, asking, session)
    assert "the-token" not in repr(kept)
    assert "before" not in repr(kept)
    assert mode(home.path) == 0o700
    assert {mode(file) for file in home.path.iterdir()} == {0o600}
    home.keep_asking(None)
    assert home.asking() is None


@pytest.mark.parametrize("content", ["", "{", '{"server": "x", "token": "the-token"}'])
def test_a_damaged_file_is_named_and_its_content_is_not(home: AgentHome, content: str) -> None:
    (home.path / "agent.json").write_text(content)
    with pytest.raises(AgentRefused, match=r"agent\.json is damaged") as caught:
        home.identity()
    assert "the-token" not in str(caught.value)


def test_a_write_that_fails_leaves_what_was_there(
    home: AgentHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = identity()
    home.keep(kept)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(homes.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        home.keep(identity())
    assert home.identity() == kept
    assert [file.name for file in home.path.iterdir()] == ["agent.json"]


def test_one_agent_at_a_time_is_at_work_in_a_folder(home: AgentHome) -> None:
    with home.hold(), pytest.raises(AgentRefused, match="at work in the folder"), home.hold():
        pass
    with home.hold():
        pass


def test_a_copy_is_another_instance(home: AgentHome, tmp_path: Path) -> None:
    own = home.instance()
    assert own == home.instance()
    shutil.copytree(home.path, tmp_path / "copy")
    assert AgentHome(tmp_path / "copy").instance() != own
    # Also one that takes the very place of the first.
    home.path.rename(tmp_path / "away")
    shutil.copytree(tmp_path / "away", home.path)
    assert home.instance() != own


class Clock:
    at = 0

    def __call__(self) -> int:
        return self.at


DAY = 24 * 3600 * 1_000_000


def test_a_new_token_is_on_disk_before_it_counts(home: AgentHome) -> None:
    clock = Clock()
    home.keep(identity())
    known = home.identity()
    assert known is not None
    tokens = Tokens(home, known, 30, clock)
    fetched: list[str] = []

    def fetch() -> str:
        fetched.append(f"new-{len(fetched)}")
        return fetched[-1]

    tokens.renew_if_old(fetch)
    assert (tokens.token, fetched) == ("the-token", [])
    clock.at = 31 * DAY
    tokens.renew_if_old(fetch)
    tokens.renew_if_old(fetch)
    assert (tokens.token, fetched) == ("new-0", ["new-0"])
    assert json.loads((home.path / "agent.json").read_text())["token"] == "new-0"
    assert tokens.instead_of("the-token") is None
    assert tokens.instead_of("new-0") == "the-token"
    assert tokens.instead_of("older") == "new-0"


def test_a_token_that_cannot_be_changed_stays_and_is_tried_again(home: AgentHome) -> None:
    clock = Clock()
    tokens = Tokens(home, identity(), 30, clock)
    clock.at = 31 * DAY
    tries: list[int] = []

    def fail() -> str:
        tries.append(clock.at)
        raise StoreUnavailable("away")

    for _ in range(3):
        tokens.renew_if_old(fail)
    assert (tokens.token, len(tries)) == ("the-token", 1)
    clock.at += DAY
    tokens.renew_if_old(fail)
    assert len(tries) == 2
