"""Run books at work: their jobs are made, begun in turn, and taken note of when they have ended.

All for use within a unit of work. Locks go upwards by ids, and a run book's id is lower than those
of its jobs: it is locked first, then all of them. So a job that ends leaves its run book alone; the
clock finds it by its ``wake_at`` and calls ``take_note``.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway import moments, names
from gateway.agents.outcomes import OF_VERDICT
from gateway.catalog import comparisons
from gateway.catalog.definitions import (
    Condition,
    Effect,
    Evaluator,
    Evidence,
    Subject,
)
from gateway.catalog.policies import Policy
from gateway.jobs import (
    dispatch,
    launching,
    maintenance,
    moves,
    rows,
    run_book_plan,
    run_book_who,
)
from gateway.jobs.orders import Origin
from gateway.jobs.places import OwnersRights
from gateway.jobs.rows import JobRow
from gateway.jobs.run_book_plan import Plan, Step, Value, secret
from gateway.jobs.run_book_progress import StepState, before, progress
from gateway.jobs.run_book_who import NobodyFound
from gateway.jobs.states import JobStatus
from gateway.tasks import placeholders
from storage import models
from storage.session import Row, Session, WritingSession

_JOB = models.Job
_REQUEST = models.JobRequest
_OUTPUT = models.JobOutput
_RUN_OUTPUT = models.RunOutput

ACTOR = "run book"
TIMED_OUT = "took longer than its timeout"
WAITS = "waits for its turn in the run book"
_GOOD_ENDS = (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS)


class _Undecidable(Exception):
    """A condition cannot be judged; the sentence says why and repeats no value."""


def begin(session: WritingSession, job: JobRow, now: int) -> None:
    """Begin a job that is due, of whatever kind: its runs are made, or its jobs."""
    request = _request(session, job)
    if request is not None and run_book_plan.is_run_book(request["what"]):
        _start(session, job, request, now)
    else:
        dispatch.start(session, job, dispatch.planned(session, job, now), now)


def awaits_turn(job: JobRow) -> bool:
    """Whether a job belongs to a run book that has not begun it yet: nobody else may."""
    return job.origin is Origin.RUN_BOOK and job.due_at is None and not job.status.finished


def take_note(session: WritingSession, parent_id: int, now: int) -> None:
    """Have a run book take over what its jobs have left, and begin those whose turn has come."""
    parent = rows.lock_job(session, parent_id)
    children = _children(session, parent.id)
    request = _request(session, parent)
    if request is None or parent.status.finished:
        for child in children:
            _dealt_with(session, child)
        return
    _Book(session, parent, request, children, now).go_on()


def family(session: Session, job: JobRow) -> list[JobRow]:
    """A locked job and all jobs below it, locked in the order of their ids.

    Looked for again once they are locked: one of them may just have begun jobs of its own.
    """
    found = {job.id: job}
    while new := _below(session, job.id) - found.keys():
        found |= rows.lock_jobs(session, new)
    return [found[job_id] for job_id in sorted(found)]


def _below(session: Session, job_id: int) -> set[int]:
    """The ids of the jobs of a run book, and of the run books within it."""
    ids, found = {job_id}, set[int]()
    while ids:
        query = _JOB.select(_JOB.id).where(_JOB.parent_id.in_(ids), _JOB.origin == Origin.RUN_BOOK)
        ids = {row["id"] for row in session.rows(query)}
        found |= ids
    return found


def outputs(session: Session, job_id: int) -> dict[str, str]:
    """The present values of a run book's parameters that its links get; no secrets."""
    request = session.first(_REQUEST.select(_REQUEST.what).where(_REQUEST.job_id == job_id))
    if request is None or not run_book_plan.is_run_book(request["what"]):
        return {}
    got = {
        names.key(link.parameter)
        for step in run_book_plan.plan(request["what"], ()).steps
        if step.job.enabled
        for link in step.job.links
        if link.action.gets
    }
    return {
        value["name"]: str(value.get("value") or "")
        for key, value in _values(session, job_id).items()
        if key in got and not secret(value)
    }


def _start(session: WritingSession, job: JobRow, request: Row, now: int) -> None:
    plan = plan_of(request)
    policy = Policy.model_validate(request["options"].get("policy") or {})
    if policy.timeout is not None:
        job.stop_by = now + int(policy.timeout * moments.SECOND)
    # From now on its jobs are looked at, and the clock only looks whether it takes too long.
    job.wake_at = job.stop_by
    moves.move(session, job, JobStatus.ACTIVE, now, ACTOR)
    children = [_made(session, job, request, seq, step, now) for seq, step in enumerate(plan.steps)]
    session.execute(_OUTPUT.insert(job_id=job.id, outputs=list(plan.values)))
    _Book(session, job, request, children, now).go_on()


def plan_of(request: Row) -> Plan:
    """What a run book's request says that is to be run."""
    return run_book_plan.plan(
        request["what"], request["parameters"], in_parallel=request["options"]["in_parallel"]
    )


def _made(
    session: WritingSession, job: JobRow, request: Row, seq: int, step: Step, now: int
) -> JobRow:
    child = dataclasses.replace(
        job,
        id=0,
        guid=moments.new_guid(),
        parent_id=job.id,
        seq=seq,
        schedule_id=None,
        definition_id=step.definition_id,
        folder_id=step.folder_id,
        origin=Origin.RUN_BOOK,
        recurring=False,
        status=JobStatus.SCHEDULED,
        reason=WAITS,
        runs_open=0,
        due_at=None,
        launch_by=None,
        wake_at=None,
        stop_by=None,
        lock_name=step.lock,
        priority=job.priority if step.priority is None else step.priority,
        created_at=now,
        started_at=None,
        finished_at=None,
    )
    moves.enter(session, child, ACTOR)
    options = {
        **request["options"],
        "retries": step.retries,
        "policy": step.policy,
        "lock": step.lock,
        "tasks": step.tasks,
        "step": {"guid": str(step.job.guid), "name": step.job.name},
        # Those of the job that runs this run book hold for each of its jobs, on their agents.
        "conditions": [
            *request["options"].get("conditions", ()),
            *run_book_plan.conditions_on_agents(step),
        ],
        "evaluators": run_book_plan.evaluators(step),
    }
    rows.insert_request(
        session,
        {
            "job_id": child.id,
            "description": step.job.description or step.job.name,
            "surface": request["surface"],
            "timing": launching.of_part(request["timing"]),
            "what": list(step.what),
            "who": [],
            "parameters": [],
            "options": options,
            "extras": None,
        },
    )
    return child


def step_states(children: Iterable[JobRow], plan: Plan) -> list[StepState]:
    """How the jobs of a run book stand, in their order."""
    return [
        StepState(
            child.status,
            begun=child.due_at is not None,
            enabled=step.job.enabled,
            parallel=step.job.parallel,
            stops=step.job.on_failure == "stop",
        )
        for child, step in zip(children, plan.steps, strict=True)
    ]


class _Book:
    """A run book under way, locked with its jobs, in one unit of work."""

    def __init__(
        self,
        session: WritingSession,
        parent: JobRow,
        request: Row,
        children: Sequence[JobRow],
        now: int,
    ) -> None:
        self._session = session
        self._parent = parent
        self._request = request
        self._children = children
        self._now = now
        self._plan = plan_of(request)
        self._values = _values(session, parent.id)

    def go_on(self) -> None:
        """Do all that can be done now."""
        while True:
            self._take_over()
            states = self._states()
            comes = progress(states, aborting=self._parent.status is JobStatus.ABORTING)
            if comes.end is not None:
                self._end(comes.end)
                return
            for place in comes.skip:
                self._close(self._children[place], JobStatus.SKIPPED, comes.reason)
            begin = () if self._held_up() else comes.begin
            for place in begin:
                self._begin(place, before(states, place))
            if not comes.skip and not begin:
                break
        for child in self._children:
            _dealt_with(self._session, child)
        if (period := self._held_up()) is not None:
            for place in comes.begin:
                maintenance.hold_up(self._session, self._children[place], period, self._now)
        self._parent.runs_open = sum(not child.status.finished for child in self._children)
        rows.write_job(self._session, self._parent)

    def _held_up(self) -> maintenance.Period | None:
        """The maintenance in which no further job begins."""
        return maintenance.of_server(self._session, self._now, self._parent.tenant_id)

    def _states(self) -> list[StepState]:
        return step_states(self._children, self._plan)

    def _take_over(self) -> None:
        """Take the values that links get from the jobs that have ended since."""
        for child, step in zip(self._children, self._plan.steps, strict=True):
            if child.status.finished and child.wake_at is not None:
                self._get(child, step)
                _dealt_with(self._session, child)

    def _get(self, child: JobRow, step: Step) -> None:
        if not any(link.action.gets for link in step.job.links):
            return
        changed = False
        for name, value in run_book_plan.returned(step, _outputs(self._session, child, step)):
            present = self._values.get(names.key(name))
            if present is not None and not secret(present):
                self._values[names.key(name)] = {**present, "value": value}
                changed = True
        if changed:
            query = _OUTPUT.update(outputs=list(self._values.values()))
            self._session.execute(query.where(_OUTPUT.job_id == self._parent.id))

    def _begin(self, place: int, previous: JobStatus | None) -> None:
        child, step = self._children[place], self._plan.steps[place]
        child.due_at = self._now
        try:
            refused = self._judged(step, previous)
            if refused is None:
                self._hand_over(child, step)
        except (NobodyFound, _Undecidable) as error:
            refused = (JobStatus.FAILED, str(error))
        if refused is not None:
            self._close(child, *refused)
            return
        child.reason = ""
        timeout = self._request["options"]["launch_timeout"]
        child.launch_by = None if timeout is None else self._now + timeout
        if child.lock_name is not None:
            # Who else has or wants its lock must be locked, too: the clock does that.
            child.wake_at = moments.AT_ONCE
            rows.write_job(self._session, child)
            return
        begin(self._session, child, self._now)

    def _hand_over(self, child: JobRow, step: Step) -> None:
        """Write down with which values and on which agents the job runs. Raises NobodyFound."""
        who = run_book_who.of_step(
            self._session,
            self._plan,
            step,
            self._request["who"],
            self._values,
            OwnersRights(self._session, self._parent.owner_id, self._parent.folder_id),
        )
        sets = run_book_plan.sets_for(self._plan, step, self._request["parameters"], self._values)
        query = _REQUEST.update(who=who, parameters=sets)
        self._session.execute(query.where(_REQUEST.job_id == child.id))

    def _judged(self, step: Step, previous: JobStatus | None) -> tuple[JobStatus, str] | None:
        """How the job ends at once by its conditions; None when it runs. Raises _Undecidable."""
        for condition in run_book_plan.conditions_here(step):
            holds = self._holds(condition, previous)
            if holds is (condition.effect is not Effect.EXECUTE):
                failed = condition.effect is Effect.FAIL
                word = "not met" if condition.effect is Effect.EXECUTE else "met"
                return (
                    JobStatus.FAILED if failed else JobStatus.SKIPPED,
                    f"a condition on its {_subject(condition)} is {word}",
                )
        return None

    def _holds(self, condition: Condition, previous: JobStatus | None) -> bool:
        value = placeholders.fill(condition.value, self._text)
        try:
            if condition.subject is Subject.PREVIOUS_STATUS:
                word = "" if previous is None else previous.name
                return comparisons.compare_words(condition.operator, word, value)
            return comparisons.compare(condition.operator, self._subject(condition), value)
        except comparisons.Incomparable as error:
            raise _Undecidable(f"a condition cannot be judged: {error}") from error

    def _subject(self, condition: Condition) -> str:
        if condition.operator in comparisons.PRESENCE:
            present = self._values.get(names.key(condition.name), {})
            return "there" if secret(present) else str(present.get("value") or "")
        return self._text(condition.name)

    def _text(self, name: str) -> str:
        present = self._values.get(names.key(name))
        if present is None:
            raise _Undecidable(f"a condition names {name!r}, which is no parameter of the run book")
        if secret(present):
            raise _Undecidable(f"a condition compares {name!r}, which is a secret")
        return str(present.get("value") or "")

    def _close(self, child: JobRow, status: JobStatus, reason: str) -> None:
        moves.move(self._session, child, status, self._now, ACTOR, reason)
        _dealt_with(self._session, child)

    def _end(self, ended: JobStatus) -> None:
        self._parent.runs_open = 0
        if ended is JobStatus.ABORTED and self._parent.reason.startswith(TIMED_OUT):
            moves.move(
                self._session,
                self._parent,
                JobStatus.TIMED_OUT,
                self._now,
                ACTOR,
                self._parent.reason,
            )
            return
        status, reason = self._evaluated(ended)
        late = self._parent.status is JobStatus.ABORTING and status is not JobStatus.ABORTED
        reason = "the abort came too late: all jobs had ended" if late else reason
        moves.move(self._session, self._parent, status, self._now, ACTOR, reason)

    def _evaluated(self, ended: JobStatus) -> tuple[JobStatus, str]:
        """How a run book within a run book has ended, by the evaluators of the job that runs it.

        They look at its own parameters, and at how it has ended so far; not after an abort.
        """
        if ended is JobStatus.ABORTED:
            return ended, ""
        for stored in self._request["options"].get("evaluators", ()):
            evaluator = Evaluator.model_validate(stored)
            try:
                holds = self._meets(evaluator, ended)
            except _Undecidable as error:
                return JobStatus.FAILED, str(error)
            if holds:
                return OF_VERDICT[
                    evaluator.verdict
                ], f"an evaluator on its {evaluator.subject} holds"
        return ended, ""

    def _meets(self, evaluator: Evaluator, ended: JobStatus) -> bool:
        if evaluator.subject is Evidence.STATUS:
            return comparisons.compare_words(evaluator.operator, ended.name, evaluator.value)
        if evaluator.subject is not Evidence.PARAMETER:
            # It has no output and no exit code: what is not there is not met.
            return False
        return self._holds(
            Condition(
                subject=Subject.PARAMETER,
                name=evaluator.name,
                operator=evaluator.operator,
                value=evaluator.value,
            ),
            None,
        )


def _subject(condition: Condition) -> str:
    if condition.subject is Subject.PARAMETER:
        return f"parameter {condition.name!r}"
    return "previous status"


def _dealt_with(session: WritingSession, child: JobRow) -> None:
    """Let the clock leave alone a job of which its run book has taken note."""
    if (child.status.finished or awaits_turn(child)) and child.wake_at is not None:
        child.wake_at = None
        rows.write_job(session, child)


def _children(session: Session, parent_id: int) -> list[JobRow]:
    """The jobs of a run book, locked, in their order."""
    query = _JOB.select(_JOB.id).where(_JOB.parent_id == parent_id, _JOB.origin == Origin.RUN_BOOK)
    found = rows.lock_jobs(session, [row["id"] for row in session.rows(query)])
    return sorted(found.values(), key=lambda child: child.seq)


def _request(session: Session, job: JobRow) -> Row | None:
    return session.first(_REQUEST.select().where(_REQUEST.job_id == job.id))


def _values(session: Session, job_id: int) -> dict[str, Value]:
    row = session.first(_OUTPUT.select().where(_OUTPUT.job_id == job_id))
    listed: Iterable[Value] = [] if row is None else row["outputs"]
    return {names.key(one["name"]): one for one in listed}


def _outputs(session: Session, child: JobRow, step: Step) -> list[Mapping[str, Any]]:
    """The last values of the parameters of what a job has run, as ``returned`` takes them."""
    if run_book_plan.is_run_book(step.what):
        guid = str(step.what[0]["guid"])
        return [
            {"module": guid, "name": one["name"], "value": one["value"], "changed": True}
            for one in _values(session, child.id).values()
            if "value" in one
        ]
    runs = rows.runs_of(session, child.id)
    found = {
        row["run_id"]: row["outputs"]
        for row in session.rows(
            _RUN_OUTPUT.select().where(_RUN_OUTPUT.run_id.in_([run.id for run in runs] or [0]))
        )
    }
    # The first agent in order counts, of those that did well before all others.
    ranked = sorted(runs, key=lambda run: (run.status not in _GOOD_ENDS, run.id))
    return next((found[run.id] for run in ranked if run.id in found), [])
