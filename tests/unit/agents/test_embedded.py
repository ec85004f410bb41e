"""The embedded agent as a whole: server side, channel, child supervisor, real processes."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from gateway.agents import facts, processes
from gateway.agents.embedded import EmbeddedAgent
from gateway.agents.protocol import ParameterValue, RunOrder, TaskOrder
from gateway.catalog.definitions import OnFailure, ParameterType
from gateway.jobs.states import JobStatus
from storage.errors import StoreUnavailable
from tests.unit.agents.conftest import ROOT, StartAgent
from tests.unit.agents.memory_desk import MemoryDesk, condition, eventually, order, sh, task

MEGABYTE = 1_000_000

# Forks, leaves its group and session twice over, ignores TERM, and writes 100 MB.
NASTY = """
trap '' TERM
(while :; do sleep 1; done) &
setsid sh -c 'while :; do sleep 1; done' &
setsid sh -c 'setsid sleep 1000 >/dev/null & exec sleep 0' &
head -c 100000000 /dev/zero | tr '\\0' x
echo; echo written
while :; do sleep 1; done
"""


def living(run: RunOrder) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        marker = processes.marker(process)
        if marker is not None and marker[0] == str(run.run):
            found.append(process)
    return found


def assign(name: str, value: str) -> TaskOrder:
    return task("set_parameter", settings={"name": name, "value": value})


def written(desk: MemoryDesk, run: RunOrder) -> bool:
    return any(b"[output truncated" in chunk.data for chunk in desk.record(run).chunks)


def test_a_run_is_claimed_worked_off_and_reported(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(sh("echo out; echo err >&2; echo last"), sh("exit 0"))
    desk.submit(run)
    record = desk.finish(run)
    assert record.status is JobStatus.COMPLETED
    assert record.log() == "out\nerr\nlast\n"
    assert [end.status for end in record.tasks] == [JobStatus.COMPLETED] * 2
    assert [end.exit_code for end in record.tasks] == [0, 0]
    first = record.started[0].process
    assert first is not None
    assert first.boot_id == processes.boot_id()
    assert agent.alive
    assert desk.facts is not None
    assert desk.facts.embedded
    assert "sh" in desk.facts.capabilities


def test_who_comes_to_the_machine_is_told_once(
    desk: MemoryDesk, agent: EmbeddedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "_console_user", lambda: "joe")
    desk.until(lambda: desk.facts is not None and desk.facts.console_user == "joe")
    renewals = desk.renewals
    eventually(lambda: desk.renewals > renewals + 2)
    assert desk.told == 1


def test_runs_are_worked_off_side_by_side(desk: MemoryDesk, start_agent: StartAgent) -> None:
    start_agent(max_runs=3)
    # Each waits for the two others: they can end only if all three run at once.
    meeting = "touch $0.$1; until [ -e $0.a ] && [ -e $0.b ] && [ -e $0.c ]; do sleep 0.02; done"
    place = f"/tmp/meeting-{uuid.uuid4()}"
    runs = [order(task("command", argv=["sh", "-c", meeting, place, name])) for name in "abc"]
    desk.submit(*runs)
    assert [desk.finish(run).status for run in runs] == [JobStatus.COMPLETED] * 3
    for name in "abc":
        Path(f"{place}.{name}").unlink()


def test_a_failed_task_halts_or_lets_pass(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    halted = order(sh("exit 3"), sh("true"))
    passed = order(sh("exit 3", on_failure=OnFailure.CONTINUE), sh("true"))
    desk.submit(halted, passed)
    record = desk.finish(halted)
    assert record.status is JobStatus.FAILED_HALTED
    assert [end.status for end in record.tasks] == [JobStatus.FAILED, JobStatus.SKIPPED]
    assert "exit code 3; 0 was expected" in record.tasks[0].detail
    assert desk.finish(passed).status is JobStatus.COMPLETED_WITH_ERRORS


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["no-such-program"], "there is no such program"),
        (["/etc/passwd"], "not executable"),
        (["/"], "not executable"),
        (["sh", "-c", "x" * 3_000_000], "too long"),
    ],
)
def test_a_program_that_cannot_be_started(
    desk: MemoryDesk, agent: EmbeddedAgent, argv: list[str], sentence: str
) -> None:
    run = order(task("command", argv=argv))
    desk.submit(run)
    end = desk.finish(run).tasks[0]
    assert end.status is JobStatus.FAILED
    assert sentence in end.detail
    assert end.exit_code is None


def test_a_file_that_is_no_program(desk: MemoryDesk, agent: EmbeddedAgent, tmp_path: Path) -> None:
    text, orphan = tmp_path / "text", tmp_path / "orphan"
    text.write_bytes(b"\x00\x01no program")
    orphan.write_text("#!/no/such/interpreter\n")
    for file in (text, orphan):
        file.chmod(0o700)
    runs = [order(task("command", argv=[str(file)])) for file in (text, orphan)]
    desk.submit(*runs)
    details = [desk.finish(run).tasks[0].detail for run in runs]
    assert "it is not a program" in details[0]
    assert "the interpreter named in its first line" in details[1]


def test_the_environment_is_a_chosen_list(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    own = {"OWN": "1", "PATH": os.environ["PATH"]}
    run = order(task("command", argv=["env"], environment=own), environment={"FROM_ORDER": "2"})
    desk.submit(run)
    names = {line.partition("=")[0] for line in desk.finish(run).log().splitlines()}
    assert {"OWN", "FROM_ORDER", "PATH", "GATEWAY_RUN", "GATEWAY_JOB", "GATEWAY_TASK"} <= names
    assert "GATEWAY_ADMIN_PASSWORD" not in names
    assert "PYTHONPATH" not in names


def test_the_working_folder_is_private_and_goes(
    desk: MemoryDesk, agent: EmbeddedAgent, tmp_path: Path
) -> None:
    run = order(sh("pwd; stat -c %a .; echo kept > file"), sh("cat file"))
    desk.submit(run)
    record = desk.finish(run)
    folder, mode = record.log(0).splitlines()
    assert Path(folder).parent == tmp_path / "runs"
    assert mode == "700"
    assert record.log(1) == "kept\n"
    assert not Path(folder).exists()


def test_secrets_are_masked_everywhere(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    secret = 'it\'s "secret"\\'
    run = order(
        task("command", argv=["printf", "%s", "$[Key]"]),
        task("command", argv=["$[Key]"], on_failure=OnFailure.CONTINUE),
        task("command", argv=["printf", "%s", "$[Login.User] $[Login.Password]"]),
        assign("Seen", "<$[key]>"),
        assign("key", "new-secret"),
        sh("printf new-; sleep 0.7; echo secret"),
        parameters=(
            ParameterValue("Key", ParameterType.PASSWORD, secret, secret=True),
            ParameterValue("Login", ParameterType.CREDENTIALS, "joe", "hunter2", secret=True),
            ParameterValue("Seen"),
        ),
        all_values=True,
    )
    desk.submit(run)
    record = desk.finish(run)
    assert record.log(0) == "********"
    assert "'********'" in record.tasks[1].detail or '"********"' in record.tasks[1].detail
    assert record.log(2) == "joe ********"
    assert record.tasks[3].outputs == {"Seen": "<********>"}
    assert record.tasks[4].outputs == {"key": "********"}
    assert record.log(5) == "********\n"
    assert record.end is not None
    assert {one.name: (one.value, one.changed) for one in record.end.parameters} == {
        "Login": ("joe", False),
        "Seen": ("<********>", True),
    }
    for shown in (repr(record.reports), repr(run)):
        assert "hunter2" not in shown
        assert "new-secret" not in shown


def test_parameters_are_put_in_as_data(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(
        task("command", argv=["echo", "$[NAME]", "$[a]$[b]"]),
        assign("a", "changed"),
        task("command", argv=["echo", "$[a]"]),
        task("delay", seconds="$[wait]"),
        task("command", argv=["echo", "$[missing]"]),
        parameters=(
            ParameterValue("Name", value="$[b]; rm -rf /"),
            ParameterValue("a", value="1"),
            ParameterValue("b", value="2"),
            ParameterValue("wait", value="0.01"),
        ),
    )
    desk.submit(run)
    record = desk.finish(run)
    assert record.log(0) == "$[b]; rm -rf / 12\n"
    assert record.log(2) == "changed\n"
    assert record.tasks[3].status is JobStatus.COMPLETED
    assert record.tasks[4].status is JobStatus.FAILED
    assert "$[missing]" in record.tasks[4].detail


def test_conditions_and_disabled_tasks_skip(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    there = condition(subject="file", name="mark", operator="exists")
    after_skip = condition(subject="previous_status", operator="equals", value="Skipped")
    run = order(
        sh("touch mark"),
        sh("false", conditions=(there,)),
        sh("false", conditions=(after_skip,)),
        sh("false", enabled=False),
        sh("true", conditions=(condition(subject="platform", operator="equals", value="VMS"),)),
    )
    desk.submit(run)
    record = desk.finish(run)
    skipped = [JobStatus.SKIPPED] * 3
    assert [end.status for end in record.tasks] == [
        JobStatus.COMPLETED,
        *skipped,
        JobStatus.COMPLETED,
    ]
    assert record.status is JobStatus.COMPLETED
    assert record.tasks[1].detail == "Skipped, since file mark exists."


def test_a_task_type_that_breaks_fails_its_task(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    unknown = order(task("never-heard-of"))
    broken = order(task("broken"))
    wrong = order(task("delay", secs=1))
    desk.submit(unknown, broken, wrong)
    assert "there is no task type 'never-heard-of'" in desk.finish(unknown).tasks[0].detail
    assert "KeyError" in desk.finish(broken).tasks[0].detail
    assert "'seconds'" in desk.finish(wrong).tasks[0].detail


def test_output_comes_while_the_task_runs(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(sh("echo early; sleep 1000"))
    desk.submit(run)
    desk.until(lambda: bool(desk.record(run).chunks))
    assert desk.record(run).log() == "early\n"
    desk.abort(run)
    record = desk.finish(run)
    assert record.status is JobStatus.ABORTED
    assert record.end is not None
    assert record.end.detail == "on request"


def test_too_much_output_is_cut_visibly(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(sh("head -c 5000000 /dev/zero; exit 7", log_limit=100_000))
    exact = order(sh("printf 12345", log_limit=5))
    desk.submit(run, exact)
    record = desk.finish(run)
    assert record.log().endswith("\n[output truncated after 100000 bytes]\n")
    assert len(record.log().rpartition("\n[")[0]) == 100_000
    assert [chunk.truncated for chunk in record.chunks][-1]
    assert record.tasks[0].exit_code == 7
    assert desk.finish(exact).log() == "12345"


def test_abort_of_a_nasty_task(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(sh(NASTY, log_limit=MEGABYTE), sh("echo not reached"))
    desk.submit(run)
    desk.until(lambda: written(desk, run))
    eventually(lambda: len(living(run)) >= 4)
    desk.abort(run)
    record = desk.finish(run)
    assert record.status is JobStatus.ABORTED
    assert [end.status for end in record.tasks] == [JobStatus.ABORTED, JobStatus.SKIPPED]
    assert living(run) == []


def test_timeout_of_a_nasty_task(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    nasty = sh(NASTY, log_limit=MEGABYTE, timeout=1.5, on_failure=OnFailure.CONTINUE)
    run = order(nasty, sh("echo next"))
    desk.submit(run)
    record = desk.finish(run)
    assert record.tasks[0].status is JobStatus.TIMED_OUT
    assert "1.5 seconds" in record.tasks[0].detail
    assert record.log(1) == "next\n"
    assert record.status is JobStatus.COMPLETED_WITH_ERRORS
    assert living(run) == []


def test_timeout_of_a_run_that_is_nasty(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    nasty = sh(NASTY, log_limit=MEGABYTE, on_failure=OnFailure.CONTINUE)
    run = order(nasty, sh("echo next"), timeout=1.5)
    desk.submit(run)
    record = desk.finish(run)
    assert record.status is JobStatus.TIMED_OUT
    assert [end.status for end in record.tasks] == [JobStatus.TIMED_OUT, JobStatus.SKIPPED]
    assert record.end is not None
    assert "its timeout of 1.5 s" in record.end.detail
    assert living(run) == []


def test_a_run_that_is_done_in_time_is_not_timed_out(
    desk: MemoryDesk, agent: EmbeddedAgent
) -> None:
    run = order(sh("sleep 60", timeout=0.3, on_failure=OnFailure.CONTINUE), sh("true"), timeout=60)
    desk.submit(run)
    assert desk.finish(run).status is JobStatus.COMPLETED_WITH_ERRORS


def test_a_run_is_timed_out_while_nobody_can_be_told(
    desk: MemoryDesk, agent: EmbeddedAgent
) -> None:
    def cut(_reports: object) -> None:
        raise StoreUnavailable("the network is cut")

    run = order(sh("sleep 1000 & setsid sleep 1000 & sleep 1000"), timeout=3)
    desk.submit(run)
    desk.until(lambda: bool(desk.record(run).started))
    desk.obstacle = cut
    eventually(lambda: len(living(run)) >= 3)
    eventually(lambda: living(run) == [])
    desk.obstacle = None
    assert desk.finish(run).status is JobStatus.TIMED_OUT


def test_what_a_task_leaves_behind_is_killed(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    daemon = "setsid sh -c 'setsid sleep 1000 & sleep 1000 >/dev/null 2>&1' & sleep 1000 & exit 0"
    run = order(sh(daemon), task("noop"))
    desk.submit(run)
    record = desk.finish(run)
    assert record.status is JobStatus.COMPLETED
    assert living(run) == []


def test_what_is_just_becoming_another_program_is_killed(
    desk: MemoryDesk, agent: EmbeddedAgent
) -> None:
    runs = [order(sh("setsid setsid setsid sleep 1000 & sleep 0.01")) for _ in range(100)]
    desk.submit(*runs)
    for run in runs:
        assert desk.finish(run).status is JobStatus.COMPLETED
    left = [processes.marker(process) for process in psutil.process_iter()]
    assert {str(run.run) for run in runs} & {found[0] for found in left if found} == set()


def test_what_hides_is_killed_too(desk: MemoryDesk, agent: EmbeddedAgent, tmp_path: Path) -> None:
    hiding = f"env -i setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000' & sleep 0.3"
    run = order(sh(hiding), sh("true"))
    desk.submit(run)
    assert desk.finish(run).status is JobStatus.COMPLETED
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_what_is_to_be_kept_is_kept(desk: MemoryDesk, start_agent: StartAgent) -> None:
    agent = start_agent()
    run = order(sh("setsid sleep 1000 & echo started", keep_processes=True), sh("true"))
    desk.submit(run)
    record = desk.finish(run)
    try:
        assert record.status is JobStatus.COMPLETED
        assert record.log() == "started\n"
        assert len(living(run)) == 1
        agent.stop(0)
        assert len(living(run)) == 1
    finally:
        processes.sweep_runs([run.run])
    assert living(run) == []


def test_what_a_crash_left_is_killed_whatever_the_store_says(
    desk: MemoryDesk, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent()
    told, kept = (order(sh("env; sleep 1", keep_processes=keep)) for keep in (False, True))
    desk.submit(told, kept)
    marks = [mark_in(desk.finish(run).log()) for run in (told, kept)]
    assert marks == [str(tmp_path / "runs"), ""]
    agent.stop(0)
    own = {processes.RUN_MARKER: str(uuid.uuid4()), processes.AGENT_MARKER: marks[0]}
    left = subprocess.Popen(["sleep", "1000"], env={**os.environ, **own}, start_new_session=True)
    try:
        start_agent()
        left.wait(30)
    finally:
        left.kill()


def mark_in(listing: str) -> str:
    """The agent's mark in the output of ``env``."""
    (line,) = [line for line in listing.splitlines() if line.startswith(processes.AGENT_MARKER)]
    return line.partition("=")[2]


def test_an_order_that_cannot_be_sent_fails_alone(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    secret = ParameterValue("pin", value="1234\ud800", secret=True)
    bad, good = order(sh("true"), parameters=(secret,)), order(sh("echo good"))
    desk.submit(bad, good)
    assert desk.finish(good).log() == "good\n"
    record = desk.finish(bad)
    assert record.status is JobStatus.FAILED
    assert record.end is not None
    assert "cannot be sent" in record.end.detail
    assert "1234" not in record.end.detail


def test_renewals_name_what_is_under_way(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(sh("sleep 1000"))
    desk.submit(run)
    eventually(lambda: desk.named == [(run.run, 1)])
    # It was settled while the agent could not be heard: nobody waits for its end.
    desk.settled.add((run.run, 1))
    assert desk.finish(run).status is JobStatus.ABORTED
    eventually(lambda: desk.named == [])


def test_what_the_store_does_not_take_yet_is_named_too(
    desk: MemoryDesk, agent: EmbeddedAgent
) -> None:
    def full(_reports: object) -> None:
        raise StoreUnavailable("the disk is full")

    desk.obstacle = full
    run = order(task("noop"))
    desk.submit(run)
    eventually(lambda: desk.named == [(run.run, 1)])
    seen = desk.renewals
    eventually(lambda: desk.renewals >= seen + 3)
    assert desk.named == [(run.run, 1)]
    desk.obstacle = None
    assert desk.finish(run).status is JobStatus.COMPLETED


def test_abort_stops_a_delay(desk: MemoryDesk, start_agent: StartAgent) -> None:
    start_agent(max_runs=1)
    run = order(task("delay", seconds=1000), task("noop"))
    desk.submit(run)
    desk.until(lambda: bool(desk.record(run).started))
    desk.abort(run)
    assert desk.finish(run).status is JobStatus.ABORTED


def test_the_death_of_the_supervisor(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(sh(NASTY, log_limit=MEGABYTE))
    desk.submit(run)
    desk.until(lambda: written(desk, run))
    eventually(lambda: len(living(run)) >= 4)
    first = agent.supervisor_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    record = desk.finish(run)
    assert record.lost == "the agent's supervisor died"
    assert living(run) == []
    later = order(sh("echo again"))
    desk.submit(later)
    assert desk.finish(later).log() == "again\n"
    assert agent.supervisor_pid != first


SERVER = """
import pathlib, sys, time
from gateway.agents.embedded import EmbeddedAgent, EmbeddedSettings
from tests.unit.agents.memory_desk import MemoryDesk, order, sh
from tests.unit.agents.test_embedded import NASTY, written
desk = MemoryDesk()
agent = EmbeddedAgent(desk, EmbeddedSettings("here", pathlib.Path(sys.argv[1]), grace=60))
agent.start()
runs = [order(sh(NASTY, log_limit=1000)) for _ in range(3)]
desk.submit(*runs)
desk.until(lambda: all(written(desk, run) for run in runs))
print(agent.supervisor_pid, *(run.run for run in runs), flush=True)
time.sleep(1000)
"""


def test_the_death_of_the_server(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "runs")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdout is not None
    with server.stdout as stdout:
        supervisor, *runs = stdout.readline().decode().split()
        watched = psutil.Process(int(supervisor))
        orders = [order(run=uuid.UUID(run)) for run in runs]
        assert all(len(living(run)) >= 3 for run in orders)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    eventually(lambda: not watched.is_running() or watched.status() == psutil.STATUS_ZOMBIE)
    assert [living(run) for run in orders] == [[], [], []]


def test_a_full_disk_loses_nothing(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    refusals = 0

    def full(_reports: object) -> None:
        nonlocal refusals
        refusals += 1
        raise StoreUnavailable("the disk is full")

    desk.obstacle = full
    runs = [order(sh("head -c 10000000 /dev/zero | tr '\\0' x")) for _ in range(5)]
    desk.submit(*runs)
    eventually(lambda: refusals >= 3)
    assert desk.ended == 0
    desk.obstacle = None
    for run in runs:
        record = desk.finish(run)
        assert record.status is JobStatus.COMPLETED
        assert record.log() == "x" * 10_000_000


def test_a_report_that_breaks_the_desk_harms_only_its_run(
    desk: MemoryDesk, agent: EmbeddedAgent
) -> None:
    bad, good = order(sh("echo bad; sleep 1000")), order(sh("echo good"))

    def broken(reports: object) -> None:
        if str(bad.run) in repr(reports):
            raise RuntimeError("a mistake in the desk")

    desk.obstacle = broken
    desk.submit(bad, good)
    assert desk.finish(good).log() == "good\n"
    # The engine hears nothing of the other one any more, so the agent stops it.
    eventually(lambda: not living(bad))


def test_refused_reports_end_the_run(
    desk: MemoryDesk, agent: EmbeddedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    stale = order(sh("while :; do echo x; sleep 0.1; done"))
    desk.refused.add((stale.run, stale.attempt))
    later = order(sh("true"))
    desk.submit(stale)
    eventually(lambda: "refused and dropped" in caplog.text)
    eventually(lambda: not living(stale))
    desk.submit(later)
    assert desk.finish(later).status is JobStatus.COMPLETED
    assert desk.record(stale).reports == []
    assert caplog.text.count("refused and dropped") == 1


def test_stop_waits_and_then_aborts(desk: MemoryDesk, start_agent: StartAgent) -> None:
    agent = start_agent()
    short, long = order(sh("sleep 0.5")), order(sh("sleep 1000"))
    desk.submit(short, long)
    desk.until(lambda: all(desk.record(run).started for run in (short, long)))
    agent.stop(1.5)
    assert desk.record(short).status is JobStatus.COMPLETED
    assert desk.record(long).status is JobStatus.ABORTED
    assert not agent.alive
    assert living(long) == []


def test_resources_arrive_checked(desk: MemoryDesk, agent: EmbeddedAgent, tmp_path: Path) -> None:
    desk.resources["tool"] = os.urandom(7_000_001)
    target = tmp_path / "tool.bin"
    run = order(
        task("download_resource", resource="tool", target=str(target), mode="0750"),
        task("download_resource", resource="tool", target="inside"),
        sh("sha256sum < inside; stat -c %a inside"),
        task("download_resource", resource="nothing", target="x"),
    )
    desk.submit(run)
    record = desk.finish(run)
    assert [end.status for end in record.tasks[:3]] == [JobStatus.COMPLETED] * 3
    assert target.read_bytes() == desk.resources["tool"]
    assert target.stat().st_mode & 0o777 == 0o750
    assert record.log(2).splitlines()[1] == "600"
    assert record.log(2).startswith(record.tasks[0].outputs["sha256"])
    assert record.tasks[3].detail == "There is no resource 'nothing'."


def test_a_resource_is_parsed_as_it_says(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    desk.resources["config"] = b"key=$[Key] %PATH%"
    desk.flags = {"parse_content": True, "skip_environment": True}
    run = order(
        task("download_resource", resource="config", target="config.ini"),
        sh("wc -c < config.ini; cat config.ini"),
        parameters=(ParameterValue("Key", ParameterType.PASSWORD, "s3cret", secret=True),),
    )
    desk.submit(run)
    record = desk.finish(run)
    assert record.status is JobStatus.COMPLETED
    assert record.log(1) == f"{len('key=s3cret %PATH%')}\nkey=******** %PATH%"


def test_an_order_that_is_too_large_fails(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(sh("x" * 40_000_000))
    desk.submit(run)
    record = desk.finish(run)
    assert record.status is JobStatus.FAILED
    assert record.end is not None
    assert "too large" in record.end.detail


def test_the_supervisor_stays_small(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    desk.keep_logs = False
    assert agent.supervisor_pid is not None
    supervisor = psutil.Process(agent.supervisor_pid)

    def load(count: int) -> int:
        for _ in range(count):
            runs = [order(sh("head -c 20000000 /dev/zero"), log_limit=20_000_000) for _ in "ab"]
            desk.submit(*runs)
            for run in runs:
                assert desk.finish(run).status is JobStatus.COMPLETED
        return int(supervisor.memory_info().rss)

    before = load(2)
    after = load(4)
    assert after < before + 30 * MEGABYTE
    assert after < 150 * MEGABYTE


def test_throughput(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    runs = [order(task("noop")) for _ in range(1000)]
    began = time.monotonic()
    desk.submit(*runs)
    desk.until(lambda: desk.ended == len(runs))
    taken = time.monotonic() - began
    print(f"{len(runs) / taken:.0f} runs/s, {len(desk.batches)} batches")
    # Batches show that reports gather while the desk is busy; the figure is for `make bench`.
    assert len(desk.batches) < 3 * len(runs)
    assert {record.status for record in desk.records.values()} == {JobStatus.COMPLETED}


def test_an_agent_whose_name_was_taken_ends_its_runs_and_says_so_once(
    desk: MemoryDesk, agent: EmbeddedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    run = order(sh("echo begun; sleep 1000"))
    desk.submit(run)
    eventually(lambda: desk.record(run).log() == "begun\n")
    desk.over = True
    assert desk.finish(run).status is JobStatus.ABORTED
    eventually(lambda: not agent.alive)
    assert living(run) == []
    assert caplog.text.count("another has the name") == 1
