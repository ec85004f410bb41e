"""The whole life of jobs against a plain model: orders, claims, reports, losses, restarts."""

import dataclasses
import itertools
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.agents.desk import AgentSession, Attempt, SessionOver
from gateway.agents.protocol import (
    LogChunk,
    Report,
    RunFinished,
    RunOrder,
    TaskFinished,
    TaskStarted,
)
from gateway.catalog.policies import Policy, RetryOn
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import JobOrder, Timing
from gateway.jobs.repeats import KeyReused
from gateway.jobs.states import JobStatus, MoveRefused
from storage import models, statements
from storage.database import Store
from storage.session import Row
from tests import engine as engines
from tests.conftest import PostgresPlace, SqlitePlace
from tests.engine import MINUTE
from tests.unit.jobs.lives import LEASE, MOVES, SECOND, Asked, Job, Lives, Run

_AGENTS = ("one", "two")
# Tasks, and losses that the module itself forgives.
_MODULES = ((1, 0), (2, 1))
_ENDS = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.COMPLETED_WITH_ERRORS,
    JobStatus.FAILED_HALTED,
    JobStatus.TIMED_OUT,
)
_RETRY_ON = {
    (True, True): RetryOn.BOTH,
    (True, False): RetryOn.LOST,
    (False, True): RetryOn.FAILED,
}

_T = TypeVar("_T")


@dataclasses.dataclass(eq=False)
class Grant:
    """An attempt that was given to a session; the agent remembers it for good.

    ``said`` is what the agent has reported of it, in the pieces in which it was sent.
    """

    session: AgentSession
    order: RunOrder
    run: Run
    said: list[list[Report]] = dataclasses.field(default_factory=list)

    @property
    def attempt(self) -> Attempt:
        return self.order.run, self.order.attempt

    @property
    def live(self) -> bool:
        """Whether the attempt is still the session's and under way."""
        run, attempt = self.run, self.order.attempt
        return run.under_way and (run.session, run.attempt) == (self.session.session, attempt)


@dataclasses.dataclass(frozen=True)
class Stored:
    """What the store has of jobs, runs, tasks and their history."""

    jobs: list[Row]
    runs: list[Row]
    tasks: list[Row]
    events: list[Row]
    pieces: int

    @classmethod
    def of(cls, store: Store) -> "Stored":
        with store.reading() as session:
            jobs, runs, tasks, events, pieces = (session.select(each, {}) for each in _ALL)
        return cls(jobs, runs, tasks, events, len(pieces))


# Compiled once: they are asked after every step.
_ALL = [
    statements.Statement(lambda: models.Job.select().order_by(models.Job.id)),
    statements.Statement(lambda: models.Run.select().order_by(models.Run.id)),
    statements.Statement(lambda: models.TaskResult.select().order_by(models.TaskResult.id)),
    statements.Statement(lambda: models.JobEvent.select().order_by(models.JobEvent.id)),
    statements.Statement(lambda: models.BlobChunk.select(models.BlobChunk.seq)),
]


def _asked() -> st.SearchStrategy[Asked]:
    def asked(kind: int, after: tuple[bool, bool], **others: Any) -> Asked:
        tasks, forgiven = _MODULES[kind]
        loss, failure = after
        return Asked(
            module=kind,
            tasks=tasks,
            forgiven=forgiven,
            after_loss=loss,
            after_failure=failure,
            **others,
        )

    return st.builds(
        asked,
        kind=st.sampled_from(range(len(_MODULES))),
        after=st.sampled_from(list(_RETRY_ON)),
        agents=st.sampled_from([(0,), (0, 1), (1,), (0, 1)]),
        later=st.sampled_from([0, 0, 0, 30 * SECOND, 5 * MINUTE]),
        on_hold=st.sampled_from([False] * 5 + [True]),
        retries=st.sampled_from([2, 1, 0, 2]),
        pause=st.sampled_from([0, 0, 20, 100]),
        factor=st.sampled_from([1, 3]),
        longest=st.sampled_from([50, 10_000]),
        launch_timeout=st.sampled_from([None, 2 * MINUTE, 10 * MINUTE]),
        timeout=st.sampled_from([None, 90.0]),
    )


class LifeMachine(RuleBasedStateMachine):
    """Does the same with an engine and with the model, and compares them after each step."""

    def __init__(self, opened: Callable[[], Store], folder: Path) -> None:
        super().__init__()
        self.opened = opened
        self.folder = folder
        self.engine = engines.make(opened(), folder)
        self.modules = [
            self.engine.module(tasks=tasks, retries=losses) for tasks, losses in _MODULES
        ]
        self.sessions = [self.engine.agent(name, max_runs=100) for name in _AGENTS]
        self.ended: list[AgentSession] = []
        self.lives = Lives()
        self.grants: list[Grant] = []
        self.keys: dict[str, tuple[JobOrder, Job]] = {}
        # How often others may still interfere: where they do all the time, nothing lives long.
        self.patience = 0
        # What has ended, as it stood then.
        self.final: dict[int, tuple[Row, list[Row]]] = {}
        self.attempts: dict[int, int] = {}

    def teardown(self) -> None:
        try:
            # Not after a step that has gone wrong: that is what is to be seen.
            if sys.exc_info()[1] is None:
                self.drive_to_the_end()
        finally:
            self.engine.store.close()

    # Orders

    @initialize(asked=_asked())
    def begin(self, asked: Asked) -> None:
        self.accept(asked, True, True)

    @precondition(lambda self: len(self.open_jobs()) < 3)
    @rule(asked=_asked(), keyed=st.booleans(), prompt=st.booleans())
    def accept(self, asked: Asked, keyed: bool, prompt: bool) -> None:
        """Agents that are ``prompt`` ask for it at once."""
        order = self.order(asked)
        key = f"key-{len(self.keys)}" if keyed else None
        view = self.engine.jobs.accept(order, MACHINE, key)
        job = self.lives.accept(view.guid, asked, self.engine.now())
        if key is not None:
            self.keys[key] = (order, job)
        for agent in self.waiting() if prompt else ():
            self.claim(agent, 100)

    @precondition(lambda self: self.patience)
    @rule(data=st.data(), other=st.booleans())
    def accept_again(self, data: st.DataObject, other: bool) -> None:
        """The same key makes nothing new, with the same order or with another."""
        self.patience -= 1
        key = _pick(data, sorted(self.keys))
        order, job = self.keys[key]
        if other:
            changed = dataclasses.replace(order, description="another")
            with pytest.raises(KeyReused):
                self.engine.jobs.accept(changed, MACHINE, key)
        else:
            assert self.engine.jobs.accept(order, MACHINE, key).guid == job.guid

    @precondition(lambda self: self.patience)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        self.patience -= 1
        job = _pick(data, self.open_jobs() or list(self.lives.jobs.values()))
        self.lives.abort(job, self.engine.now(), "enough")
        assert self.engine.jobs.abort(job.guid, MACHINE, "enough").status is job.status

    @precondition(lambda self: self.patience)
    @rule(data=st.data())
    def hold_or_resume(self, data: st.DataObject) -> None:
        """Only what waits can be held: whoever comes later is refused."""
        self.patience -= 1
        job = _pick(data, list(self.lives.jobs.values()))
        if job.status is JobStatus.DISABLED:
            self.resume(job)
        elif job.status is JobStatus.SCHEDULED:
            self.engine.jobs.hold(job.guid, MACHINE)
            self.lives.hold(job, self.engine.now())
        else:
            for steer in (self.engine.jobs.hold, self.engine.jobs.resume):
                with pytest.raises(MoveRefused):
                    steer(job.guid, MACHINE)

    # Time

    @rule(
        seconds=st.sampled_from([1, 20, 61, 150, 700]),
        ticks=st.sampled_from([True, True, False]),
        expires=st.booleans(),
        prompt=st.booleans(),
    )
    def pass_time(self, seconds: int, ticks: bool, expires: bool, prompt: bool) -> None:
        """The sweeps may come late."""
        self.engine.now.advance(seconds * SECOND)
        if ticks:
            self.tick()
        if expires:
            self.expire()
        for agent in self.waiting() if prompt else ():
            self.claim(agent, 100)

    def tick(self) -> None:
        self.engine.clock.tick()
        self.lives.sweep(self.engine.now())

    def expire(self) -> None:
        self.engine.reception.expire()
        self.lives.expire(self.engine.now())

    @precondition(lambda self: self.live())
    @rule()
    def fall_silent(self) -> None:
        """Nobody is heard of for as long as a lease, and the server looks on."""
        self.expire()
        self.engine.now.advance(LEASE)
        self.expire()

    @precondition(lambda self: self.live())
    @rule()
    def restart(self) -> None:
        self.engine.store.close()
        self.engine = engines.make(self.opened(), self.folder, self.engine)
        self.lives.restart()

    # Agents

    @precondition(lambda self: self.waiting())
    @rule(limit=st.sampled_from([1, 2, 100]), data=st.data())
    def claim_waiting(self, limit: int, data: st.DataObject) -> None:
        self.claim(_pick(data, self.waiting()), limit)

    def claim(self, agent: int, limit: int) -> None:
        now, session = self.engine.now(), self.sessions[agent]
        waiting = self.lives.claimable(agent, now)
        orders = self.engine.reception.claim(session, limit)
        assert len(orders) == min(limit, len(waiting))
        for order in orders:
            # Which of them is not the life of a job; that nobody has it, is.
            (run,) = (run for run in waiting if run.job.guid == order.job)
            waiting.remove(run)
            assert (order.attempt, order.timeout) == (run.attempt, run.job.asked.timeout)
            self.lives.claim(run, session.session, now)
            self.grant(Grant(session, order, run))

    @precondition(lambda self: self.live())
    @rule(data=st.data(), times=st.integers(1, 2))
    def work(self, data: st.DataObject, times: int) -> None:
        grant = _pick(data, self.live())
        self.report(grant, self.progress(data, grant) * times)

    @precondition(lambda self: self.live())
    @rule(
        data=st.data(),
        times=st.integers(1, 2),
        whole=st.booleans(),
        wrong=st.sampled_from([0, 0, -1000, -10, 1000]),
    )
    def finish(self, data: st.DataObject, times: int, whole: bool, wrong: int) -> None:
        """The agent's clock may be wrong by so many seconds."""
        grant = _pick(data, self.live())
        status = data.draw(st.sampled_from(_ENDS))
        self.report(grant, self.end(grant, status, whole, wrong * SECOND) * times)

    @precondition(lambda self: self.aborting())
    @rule(data=st.data(), whole=st.booleans())
    def finish_aborted(self, data: st.DataObject, whole: bool) -> None:
        """The abort is obeyed, or comes too late."""
        grant = _pick(data, self.aborting())
        status = data.draw(st.sampled_from([JobStatus.ABORTED, *_ENDS]))
        self.report(grant, self.end(grant, status, whole, 0))

    @precondition(lambda self: self.patience and self.dead())
    @rule(data=st.data())
    def report_late(self, data: st.DataObject) -> None:
        """Whatever is said of an attempt that is over."""
        self.patience -= 1
        # Those that are tried again are the ones to be harmed.
        outlived = [grant for grant in self.dead() if grant.run.finished is None]
        grant = _pick(data, outlived or self.dead())
        status = data.draw(st.sampled_from([None, *_ENDS, JobStatus.ABORTED]))
        late = self.progress(data, grant) if status is None else self.end(grant, status, True, 0)
        self.report(grant, late)

    @precondition(lambda self: self.patience and any(grant.said for grant in self.grants))
    @rule(data=st.data())
    def report_again(self, data: st.DataObject) -> None:
        """What was sent before, to the letter: the answer was lost on its way."""
        self.patience -= 1
        grant = _pick(data, [grant for grant in self.grants if grant.said])
        self.report(grant, _pick(data, grant.said))

    @precondition(lambda self: self.live())
    @rule(data=st.data(), later=st.sampled_from([20, 0, 40]))
    def renew(self, data: st.DataObject, later: int) -> None:
        """The agent names some of what it ever had, or all that it has."""
        self.engine.now.advance(later * SECOND)
        session = _pick(data, self.live()).session
        own = [grant for grant in self.grants if grant.session == session]
        named = [grant for grant in own if grant.live]
        if data.draw(st.booleans()):
            chosen = data.draw(st.sets(st.integers(0, max(0, len(own) - 1))))
            named = [grant for place, grant in enumerate(own) if place in chosen]
        refused = self.engine.reception.renew(session, [grant.attempt for grant in named])
        over = {grant.attempt for grant in named if not grant.live}
        assert {(one.run, one.attempt) for one in refused} == over
        pairs = [(grant.run, grant.order.attempt) for grant in named]
        self.lives.renew(session.session, pairs, self.engine.now())

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """The agent finds that nobody works on a run; once more it says so in vain."""
        grant = _pick(data, self.live())
        for _ in range(2):
            self.engine.reception.lost(grant.session, [grant.attempt], "gone")
        self.lives.lose(grant.run, self.engine.now(), "gone")

    @precondition(lambda self: any(not grant.run.begun for grant in self.live()))
    @rule(data=st.data(), stops=st.booleans())
    def give_back(self, data: st.DataObject, stops: bool) -> None:
        """Where the agent stops then, its next session gets the same attempt: the old one has it
        no more.
        """
        unbegun = [grant for grant in self.live() if not grant.run.begun]
        again = [grant for grant in unbegun if grant.run.attempt > 1]
        grant = _pick(data, again or unbegun)
        self.engine.reception.give_back(grant.session, [grant.attempt])
        self.lives.give_back(grant.run, self.engine.now())
        if stops:
            self.replace(grant.run.agent)
            self.claim(grant.run.agent, 100)
            self.report(grant, self.end(grant, JobStatus.COMPLETED, True, 0))

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def begin_session(self, data: st.DataObject) -> None:
        self.replace(_pick(data, self.live()).run.agent)

    def replace(self, agent: int) -> None:
        self.ended.append(self.sessions[agent])
        self.sessions[agent] = self.engine.agent(_AGENTS[agent], max_runs=100)
        self.lives.end_session(agent, self.engine.now())

    @precondition(lambda self: self.patience and self.ended)
    @rule(data=st.data())
    def ask_in_vain(self, data: st.DataObject) -> None:
        """A session that is over gets nothing, and renews nothing."""
        self.patience -= 1
        session = _pick(data, self.ended)
        with pytest.raises(SessionOver):
            self.engine.reception.claim(session, 10)
        own = [grant.attempt for grant in self.grants if grant.session == session]
        with pytest.raises(SessionOver):
            self.engine.reception.renew(session, own)
        self.engine.reception.give_back(session, own)
        self.engine.reception.lost(session, own, "gone")

    # What the rules share

    def order(self, asked: Asked) -> JobOrder:
        made = self.engine.order(
            self.modules[asked.module],
            *(self.sessions[agent] for agent in asked.agents),
            on_hold=asked.on_hold,
        )
        policy = Policy(
            retries=asked.retries,
            retry_on=_RETRY_ON[asked.after_loss, asked.after_failure],
            retry_delay=asked.pause,
            retry_factor=asked.factor,
            retry_longest=asked.longest,
            timeout=asked.timeout,
        )
        due = self.engine.now() + asked.later
        timing = Timing(immediate=False, scheduled_at=due) if asked.later else Timing()
        return dataclasses.replace(
            made, policy=policy, timing=timing, launch_timeout=asked.launch_timeout
        )

    def resume(self, job: Job) -> None:
        self.engine.jobs.resume(job.guid, MACHINE)
        self.lives.resume(job, self.engine.now())

    def open_jobs(self) -> list[Job]:
        return [job for job in self.lives.jobs.values() if not job.over]

    def waiting(self) -> list[int]:
        """The agents for which something waits."""
        now = self.engine.now()
        return [agent for agent in range(len(_AGENTS)) if self.lives.claimable(agent, now)]

    def live(self) -> list[Grant]:
        return [grant for grant in self.grants if grant.live]

    def aborting(self) -> list[Grant]:
        return [grant for grant in self.live() if grant.run.status is JobStatus.ABORTING]

    def dead(self) -> list[Grant]:
        return [grant for grant in self.grants if not grant.live]

    def grant(self, grant: Grant) -> None:
        # The same attempt again, where it was given back: what was said of it counts for it.
        key = (grant.session, grant.attempt)
        if key not in [(one.session, one.attempt) for one in self.grants]:
            self.grants.append(grant)
            self.patience += 2

    def progress(self, data: st.DataObject, grant: Grant) -> list[Report]:
        run, attempt = grant.attempt
        seq, at = _pick(data, grant.order.tasks).seq, self.engine.now()
        reports: list[Report] = [TaskStarted(run, attempt, seq, at)]
        if data.draw(st.booleans()):
            index = data.draw(st.integers(0, 1))
            reports.append(LogChunk(run, attempt, seq, index, b"output"))
        if data.draw(st.booleans()):
            failed = data.draw(st.booleans())
            status = JobStatus.FAILED if failed else JobStatus.COMPLETED
            reports.append(TaskFinished(run, attempt, seq, at, at, status, exit_code=int(failed)))
        return reports

    def end(self, grant: Grant, status: JobStatus, whole: bool, wrong: int) -> list[Report]:
        """The reports of an end; without the tasks' own where the agent gave up on the run."""
        at, (run, attempt) = self.engine.now() + wrong, grant.attempt
        tasks: list[Report] = [
            TaskFinished(run, attempt, task.seq, at, at, JobStatus.COMPLETED, exit_code=0)
            for task in grant.order.tasks
        ]
        return [*(tasks if whole else []), RunFinished(run, attempt, at, status)]

    def report(self, grant: Grant, reports: Sequence[Report]) -> None:
        refused = self.engine.reception.report(grant.session, reports)
        late = self.lives.take(
            grant.run, grant.session.session, grant.order.attempt, reports, self.engine.now()
        )
        assert [(one.run, one.attempt) for one in refused] == ([grant.attempt] if late else [])
        if reports not in grant.said:
            grant.said.append(list(reports))

    # What is always true

    @invariant()
    def all_is_as_in_the_model(self) -> None:
        stored = Stored.of(self.engine.store)
        self.jobs_are_right(stored)
        self.runs_are_right(stored)
        self.histories_are_right(stored)
        self.ends_are_kept(stored)
        self.aborts_are_told()
        self.counters_are_right()

    def aborts_are_told(self) -> None:
        if not any(JobStatus.ABORTING in job.path for job in self.lives.jobs.values()):
            return
        for session in (*self.sessions, *self.ended[-1:]):
            told = [(one.run, one.attempt) for one in self.engine.reception.aborts(session)]
            aborting = (grant for grant in self.aborting() if grant.session == session)
            assert sorted(told) == sorted(grant.attempt for grant in aborting)

    def counters_are_right(self) -> None:
        counted: Counter[int] = Counter()
        for count in self.engine.jobs.counts():
            counted[count.stage] += count.jobs
        stages = Counter(_stage(job.status) for job in self.lives.jobs.values())
        assert +counted == stages

    def jobs_are_right(self, stored: Stored) -> None:
        found = {row["guid"]: (row["status"], row["finished_at"]) for row in stored.jobs}
        assert found == {job.guid: (job.status, job.finished) for job in self.lives.jobs.values()}

    def runs_are_right(self, stored: Stored) -> None:
        jobs = {row["id"]: row for row in stored.jobs}
        agents = {session.agent_id: place for place, session in enumerate(self.sessions)}
        numbers = {}
        expected = {(run.job.guid, run.agent): run for run in self.lives.runs}
        assert len(stored.runs) == len(expected)
        for row in stored.runs:
            run = expected[jobs[row["job_id"]]["guid"], agents[row["agent_id"]]]
            numbers[run] = row["id"]
            assert _shown(row) == _wanted(run)
            if not run.under_way and run.finished is None:
                # Without a limit of its own its job's counts.
                assert (row["launch_by"] or jobs[row["job_id"]]["launch_by"]) == run.limit
            assert row["attempt"] >= self.attempts.get(row["id"], 1)
            self.attempts[row["id"]] = row["attempt"]
        found = {
            (row["run_id"], row["attempt"], row["seq"]): (row["status"], row["exit_code"])
            for row in stored.tasks
        }
        assert found == {
            (numbers[run], *place): (task.status, task.exit_code)
            for run in numbers
            for place, task in run.tasks.items()
        }
        assert stored.pieces == sum(len(run.pieces) for run in numbers)

    def histories_are_right(self, stored: Stored) -> None:
        for row in stored.jobs:
            job = self.lives.jobs[row["guid"]]
            events = [event for event in stored.events if event["job_id"] == row["id"]]
            moves = [event for event in events if event["before"] != event["after"]]
            assert [event["after"] for event in moves] == job.path
            _check_path(moves)
            notes = [event for event in events if event["before"] == event["after"]]
            agents = {one["id"]: one["agent_id"] for one in stored.runs}
            for run in job.runs:
                agent = self.sessions[run.agent].agent_id
                own = [one["reason"] for one in notes if agents.get(one["run_id"]) == agent]
                again = [_attempt(reason) for reason in own if reason.startswith("attempt")]
                assert sorted(again) == list(range(2, run.attempt + 1))
                assert sum(reason.startswith("a late report") for reason in own) == run.late

    def ends_are_kept(self, stored: Stored) -> None:
        """Nothing changes any more about a job that has ended."""
        for row in stored.jobs:
            if row["finished_at"] is not None:
                runs = [run for run in stored.runs if run["job_id"] == row["id"]]
                assert self.final.setdefault(row["id"], (row, runs)) == (row, runs)

    # The end

    def drive_to_the_end(self) -> None:
        """Agents do all that there is, whatever was lost on the way: every job ends, once."""
        for _ in range(30):
            if not self.open_jobs():
                break
            for job in self.lives.jobs.values():
                if job.status is JobStatus.DISABLED:
                    self.resume(job)
            self.tick()
            for agent in range(len(_AGENTS)):
                self.claim(agent, 100)
            self.all_is_as_in_the_model()
            for grant in self.live():
                self.report(grant, self.end(grant, JobStatus.COMPLETED, True, 0))
            self.all_is_as_in_the_model()
            self.wait_for_next()
        assert not self.open_jobs()
        assert len(self.final) == len(self.lives.jobs)

    def wait_for_next(self) -> None:
        """Move on to the next moment at which something may begin."""
        now = self.engine.now()
        coming = [job.due for job in self.lives.jobs.values() if not job.over and not job.runs]
        coming += [
            run.not_before or 0 for run in self.lives.runs if run.status is JobStatus.SCHEDULED
        ]
        self.engine.now.advance(max(0, min(coming, default=now) - now))


def _pick(data: st.DataObject, choice: Sequence[_T]) -> _T:
    """One of them; by its place, so that a failure is told in few words."""
    return choice[data.draw(st.integers(0, len(choice) - 1))]


def _stage(status: JobStatus) -> int:
    if status in (JobStatus.ACTIVE, JobStatus.ABORTING):
        return 1
    return 0 if status in (JobStatus.SCHEDULED, JobStatus.DISABLED) else 2


def _shown(row: Row) -> dict[str, Any]:
    names = ("status", "attempt", "session", "reason", "not_before", "started_at", "finished_at")
    return {name: row[name] for name in (*names, "lease_until")}


def _wanted(run: Run) -> dict[str, Any]:
    return {
        "status": run.status,
        "attempt": run.attempt,
        "session": run.session,
        "reason": run.reason,
        "not_before": run.not_before,
        "started_at": run.started,
        "finished_at": run.finished,
        "lease_until": run.lease,
    }


def _attempt(note: str) -> int:
    """The number in ``attempt 2: lost`` and in ``attempt 2 in 30 s: failed``."""
    return int(note.split()[1].rstrip(":"))


def _check_path(moves: Sequence[Row]) -> None:
    """Each move begins where the one before has ended, and none leaves an end."""
    for before, after in itertools.pairwise(moves):
        assert after["before"] == before["after"]
        assert after["after"] in MOVES[JobStatus(after["before"])]
    assert moves[0]["before"] is None


def _live(opened: Callable[[Path], Store], folder: Path, one_of: int) -> None:
    """Live through examples: of as many as the profile of hypothesis wants, ``1 / one_of``."""
    numbers = itertools.count()

    def make() -> LifeMachine:
        own = folder / f"life-{next(numbers)}"
        own.mkdir()
        return LifeMachine(lambda: opened(own), own)

    run_state_machine_as_test(
        make,  # type: ignore[arg-type]  # whatever makes one will do
        settings=settings(
            max_examples=settings().max_examples // one_of,
            stateful_step_count=40,
            phases=[Phase.generate],
        ),
    )


# So that ``make fuzz`` has it live longer.
@pytest.mark.hypothesis
def test_jobs_live_as_in_the_model(sqlite_template: Path, tmp_path: Path) -> None:
    def opened(folder: Path) -> Store:
        place = SqlitePlace(folder / "gateway.sqlite3")
        if not place.path.exists():
            shutil.copy(sqlite_template, place.path)
        return place.open()

    _live(opened, tmp_path, 3)


@pytest.mark.hypothesis
def test_jobs_live_as_in_the_model_on_postgresql(
    postgres_server: Any, postgres_template: str, tmp_path: Path
) -> None:
    made: dict[Path, str] = {}

    def opened(folder: Path) -> Store:
        if folder not in made:
            made[folder] = postgres_server.create(postgres_template)
        return PostgresPlace(postgres_server, made[folder]).open()

    try:
        _live(opened, tmp_path, 20)
    finally:
        for name in made.values():
            postgres_server.drop(name)
