from pathlib import Path
from typing import Any

import pytest

from gateway.jobs.states import JobStatus
from gateway.tasks.base import TaskFailed, TaskOutcome
from gateway.tasks.registry import TaskTypes
from tests.unit.tasks.contexts import Programs, context


def run(kind: str, own: Path, programs: Programs, /, **settings: Any) -> TaskOutcome:
    return TaskTypes.load().get(kind).run(context(kind, own, settings, programs=programs))


def test_a_command_is_handed_over_as_it_is(tmp_path: Path) -> None:
    programs = Programs()
    outcome = run("command", tmp_path, programs, argv=["a", "b c", ""], environment={"X": "1"})
    assert programs.argv == ("a", "b c", "")
    assert programs.folder == tmp_path
    assert programs.environment["X"] == "1"
    assert (outcome.status, outcome.exit_code, outcome.detail) == (JobStatus.COMPLETED, 0, "")


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (1, "The program ended with exit code 1; 0 or 3 was expected."),
        (-9, "The program was ended by signal SIGKILL (9)."),
        (-250, "The program was ended by signal 250."),
    ],
)
def test_an_unexpected_end_is_explained(tmp_path: Path, code: int, detail: str) -> None:
    outcome = run("command", tmp_path, Programs(code), argv=["a"], exit_codes=[0, 3])
    assert (outcome.status, outcome.exit_code) == (JobStatus.FAILED, code)
    assert outcome.detail == detail


def test_an_expected_exit_code_is_a_success(tmp_path: Path) -> None:
    outcome = run("command", tmp_path, Programs(3), argv=["a"], exit_codes=[0, 3])
    assert outcome.status is JobStatus.COMPLETED


def test_the_folder_may_be_another_but_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    programs = Programs()
    run("command", tmp_path, programs, argv=["a"], folder="sub")
    assert programs.folder == tmp_path / "sub"
    with pytest.raises(TaskFailed, match="nowhere"):
        run("command", tmp_path, programs, argv=["a"], folder="/nowhere")


def test_a_script_is_written_privately_and_removed(tmp_path: Path) -> None:
    programs = Programs()
    run("script", tmp_path, programs, text="echo ä\r\necho b\n", arguments=["x y"])
    assert programs.argv == ("sh", str(tmp_path / "task-0.sh"), "x y")
    assert programs.files == {"task-0.sh": ("echo ä\necho b\n".encode(), 0o600)}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("interpreter", "argv"),
    [
        ("python", ["python3", "task-0.py"]),
        ("cat", ["cat", "task-0"]),
        (["env", "-i", "sh"], ["env", "-i", "sh", "task-0"]),
    ],
)
def test_the_interpreter_is_chosen(tmp_path: Path, interpreter: object, argv: list[str]) -> None:
    programs = Programs()
    run("script", tmp_path, programs, text="", interpreter=interpreter)
    assert list(programs.argv) == [*argv[:-1], str(tmp_path / argv[-1])]


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="'no-such-shell' was not found"):
        run("script", tmp_path, Programs(), text="", interpreter="no-such-shell")
    assert list(tmp_path.iterdir()) == []
