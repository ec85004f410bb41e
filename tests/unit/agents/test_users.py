"""Tasks as another user of the machine: for real where the tests run as root, else its refusal."""

import os
import pwd
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.agents import users
from gateway.agents.embedded import EmbeddedAgent, EmbeddedSettings
from gateway.agents.users import TaskUser, UserRefused
from gateway.jobs.states import JobStatus
from tests.unit.agents.fake_server import FakeServer
from tests.unit.agents.memory_desk import MemoryDesk, eventually, order, sh, task

ROOT = Path(__file__).parents[3]
NOBODY = "nobody"
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that all may enter, below those of the tests, which only root may."""
    folder = tmp_path_factory.mktemp("open")
    before = {}
    for parent in (folder, *folder.parents):
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH and parent.stat().st_uid == os.geteuid():
            before[parent] = mode
            parent.chmod(mode | stat.S_IXOTH)
    yield folder
    for parent, mode in before.items():
        parent.chmod(mode)


@pytest.fixture
def agent(
    open_folder: Path, desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedAgent]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    user = users.task_user(NOBODY if AS_ROOT else own_name())
    settings = EmbeddedSettings("here", open_folder / "runs", grace=0.3, user=user)
    made = EmbeddedAgent(desk, settings)
    made.start()
    yield made
    made.stop(0)


def own_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def test_all_that_a_task_does_is_done_as_the_user(
    agent: EmbeddedAgent, desk: MemoryDesk, open_folder: Path, tmp_path: Path
) -> None:
    server = FakeServer()
    server.tokens.add("")
    entry = pwd.getpwnam(NOBODY if AS_ROOT else own_name())
    secret = tmp_path / "agent.json"
    secret.write_text("token")
    secret.chmod(0o600)
    desk.resources["tool"] = b"tool"
    one = order(
        task("download_resource", resource="tool", target="tool"),
        sh('echo "$(id -u) $(id -g) $HOME $USER $(stat -c %u . tool | tr "\\n" " ")"; id -G'),
        task("script", interpreter="sh", text="cat tool; touch made"),
        sh(f"cat {secret} || true"),
        # Its library is loaded late, and may lie where only root can read.
        task(
            "http", url=f"{server.url}/gateway/agents/v1/resources?reference=none", expected=["404"]
        ),
    )
    desk.submit(one)
    record = desk.finish(one)
    assert record.status is JobStatus.COMPLETED, record.log(1)
    who, groups = record.log(1).splitlines()
    uid = str(entry.pw_uid)
    assert who.split() == [uid, str(entry.pw_gid), entry.pw_dir, entry.pw_name, uid, uid]
    assert set(groups.split()) == {str(g) for g in os.getgrouplist(entry.pw_name, entry.pw_gid)}
    assert record.log(2) == "tool"
    if AS_ROOT:
        assert "token" not in record.log(3)
    server.stop()
    eventually(lambda: not list((open_folder / "runs").iterdir()))


def test_his_processes_are_killed_at_an_abort_and_with_the_agent(
    agent: EmbeddedAgent, desk: MemoryDesk, open_folder: Path
) -> None:
    alive = open_folder / "alive"
    alive.mkdir()
    alive.chmod(0o777)
    beat = f"trap '' TERM; setsid sh -c 'while :; do touch {alive}/$1; sleep 0.05; done' x $N &"
    first, second = (order(sh(f"N={n}; {beat} echo on; sleep 1000"), name=str(n)) for n in (1, 2))
    desk.submit(first, second)
    desk.until(lambda: all(desk.record(one).log() for one in (first, second)))
    eventually(lambda: len(list(alive.iterdir())) == 2)
    desk.abort(first)
    assert desk.finish(first).status is JobStatus.ABORTED
    gone(alive / "1")
    agent.stop(0)
    gone(alive / "2")


def gone(beat: Path) -> None:
    """Whatever touches the file does so no more."""

    def silent() -> bool:
        beat.unlink(missing_ok=True)
        time.sleep(0.3)
        return not beat.exists()

    eventually(silent)


def test_who_is_not_there_or_may_not_be_taken_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserRefused, match="no user 'no-such-user'"):
        users.task_user("no-such-user")
    assert not users.task_user(own_name()).other
    monkeypatch.setattr(users.os, "geteuid", lambda: 12345)
    with pytest.raises(UserRefused, match="only root can"):
        users.task_user(NOBODY)


@pytest.mark.skipif(not AS_ROOT, reason="without root there is no other user to be kept out")
def test_a_folder_that_he_cannot_enter_is_refused_at_the_start(
    desk: MemoryDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    user = users.task_user(NOBODY)
    agent = EmbeddedAgent(desk, EmbeddedSettings("here", closed / "runs", user=user))
    with pytest.raises(UserRefused, match="must be able to work in the folder"):
        agent.start()
    assert desk.facts is None


def test_a_link_in_place_of_his_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(tmp_path)
    user = TaskUser("joe", 1, 1, (), "/", "/bin/sh", other=True)
    with pytest.raises(UserRefused, match="symbolic link"):
        user.own(tmp_path / "runs")


def test_the_folders_above_his_can_be_passed_and_not_listed(tmp_path: Path) -> None:
    user = TaskUser("me", os.geteuid(), os.getegid(), (), "/", "/bin/sh", other=True)
    user.own(tmp_path / "a" / "b" / "runs")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/runs")]
    assert modes == [0o711, 0o711, 0o700]
    assert sys.platform != "win32"
