"""Why a job ran, waits, or did not run, at a moment."""

from collections.abc import Iterator, Sequence

import peewee

from gateway.fleet import roster, targets
from gateway.jobs import locks, maintenance, rows, run_book_plan, run_books, views
from gateway.jobs.explanations import history, runs
from gateway.jobs.explanations.conditions import (
    Condition,
    JobExplanation,
    Met,
    judged,
    no,
    told,
    unknown,
    unmet,
    words,
    yes,
)
from gateway.jobs.explanations.history import History
from gateway.jobs.explanations.runs import Scene
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.orders import Boot, Origin
from gateway.jobs.rows import JobRow
from gateway.jobs.run_book_progress import progress
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Row, Session

_JOB = models.Job
_HOLDER = models.LockHolder
_TASK = models.TaskResult
# Sentences that sum up name what can be done something about first, and this only for want of it.
_LAST_RESORTS = ("taken up", "agent of a run", "run ended", "ended")
_ENGINES_OWN = "nothing else holds it up"


def explain(
    session: Session, job: JobRow, windows: WindowPolicy, at: int, now: int
) -> JobExplanation:
    """A job at a moment, which may be past; ``now`` is the present."""
    past = history.until(session, job.id, at)
    scene = Scene(session, job, _request(session, job), windows, at, now)
    found = tuple(_conditions(scene, past))
    summary = _summary(past, found, at)
    return JobExplanation(job.guid, at, past.status, summary, found)


def _request(session: Session, job: JobRow) -> Row:
    request = models.JobRequest
    found = session.first(request.select().where(request.job_id == job.id))
    if found is None:
        raise LookupError(f"what the job {job.guid} asked for is no longer stored")
    return found


def _conditions(scene: Scene, past: History) -> Iterator[Condition]:
    yield _accepted(scene)
    if past.status is None:
        return
    yield _on_hold(past)
    ended = past.status.finished
    if scene.job.recurring:
        yield from _recurring(scene, past)
        return
    yield from _due(scene, past)
    yield from _lock(scene, past)
    if not ended:
        yield from _launch_timeout(scene, past)
        yield from _timeout(scene)
    made = [run for run in rows.runs_of(scene.session, scene.job.id) if run.created_at <= scene.at]
    if made:
        yield from runs.of_job(scene, made)
    elif not ended and not run_books.awaits_turn(scene.job):
        yield from _nobody_yet(scene, past)
    yield from _notes(past)
    if ended:
        yield from _tasks(scene)
    yield from _aborted(past)
    yield from _end(past)


def _accepted(scene: Scene) -> Condition:
    (view,) = views.jobs(
        scene.session, scene.session.rows(_JOB.select().where(_JOB.id == scene.job.id))
    )
    if scene.job.created_at > scene.at:
        return no("accepted", f"it was accepted at {told(scene.job.created_at)}, later than that")
    by = f"by {view.owner}" if view.owner else "without a login"
    where = f" from {view.address}" if view.address else ""
    made = {
        Origin.RUN_BOOK: "made by its run book",
        Origin.RECURRING_SCHEDULE: f"made by its schedule, due at {told(scene.job.due_at or 0)}",
        Origin.BOOT: "made for a start of the machine",
    }.get(scene.job.origin, f"{by} through {view.surface}{where}")
    if view.possible_duplicate_of is not None:
        made += f"; possible duplicate of {view.possible_duplicate_of}"
    return yes("accepted", made, scene.job.created_at)


def _on_hold(past: History) -> Condition:
    if past.status is not JobStatus.DISABLED:
        resumed = past.reached(JobStatus.SCHEDULED)
        before = resumed is not None and resumed.before is JobStatus.DISABLED
        fact = f"{resumed.actor} let it go on" if resumed and before else "it is not on hold"
        return yes("not on hold", fact, resumed.at if resumed and before else None)
    held = past.reached(JobStatus.DISABLED)
    reason = f": {held.reason}" if held and held.reason else ""
    by = (
        "it was accepted so" if held and held.before is None else f"by {held.actor if held else ''}"
    )
    return no("not on hold", f"it is on hold, {by}{reason}", held.at if held else None)


def _recurring(scene: Scene, past: History) -> Iterator[Condition]:
    """A job that recurs never runs itself."""
    if past.status is not None and past.status.finished:
        yield from _end(past)
        return
    due = scene.job.due_at
    fact = "it has no due time at present" if due is None else f"it is due next at {told(due)}"
    yield no("runs itself", f"each of its due times makes a job of its own; {fact}")


def _due(scene: Scene, past: History) -> Iterator[Condition]:
    job = scene.job
    if job.origin is Origin.RUN_BOOK:
        yield _turn(scene, past)
        if run_books.awaits_turn(job):
            # With it no run book goes on; runs that were made ask for it by their agents.
            yield server_maintenance(scene.session, scene.at, job.tenant_id)
        return
    if job.due_at is None:
        return
    late = [one.reason for one in past.notes if one.reason.startswith("started ")]
    fact = f"due at {told(job.due_at)}" + "".join(f", {one}" for one in late)
    came = job.due_at <= scene.at
    yield judged("due", came, fact, job.due_at if came else None)


def server_maintenance(session: Session, at: int, tenant: int) -> Condition:
    """Whether there was maintenance of the whole server."""
    period = maintenance.of_server_at(session, at, tenant)
    if period is None:
        return yes("no maintenance", "there was none of the server")
    return no("no maintenance", period.sentence, period.begun_at)


def _turn(scene: Scene, past: History) -> Condition:
    """Whether its run book has come to it: by the function that the run book goes by."""
    parent = scene.session.first(_JOB.select().where(_JOB.id == scene.job.parent_id))
    if parent is None:
        return unknown("its turn in the run book", "its run book is no longer stored")
    query = _JOB.select().where(_JOB.parent_id == parent["id"], _JOB.origin == Origin.RUN_BOOK)
    stored = [JobRow.of(row) for row in scene.session.rows(query.order_by(_JOB.seq))]
    children = history.standing(scene.session, stored, scene.at)
    states = run_books.step_states(
        children, run_books.plan_of(_request(scene.session, JobRow.of(parent)))
    )
    place = next(i for i, child in enumerate(children) if child.id == scene.job.id)
    if states[place].begun:
        return yes("its turn in the run book", f"it came as number {place + 1}", scene.job.due_at)
    comes = progress(states)
    if place in comes.skip or (past.status is not None and past.status.finished):
        last = past.last
        return no("its turn in the run book", last.reason if last and last.reason else comes.reason)
    if place in comes.begin:
        return yes("its turn in the run book", f"it is number {place + 1}, and begins now")
    open_ones = [i + 1 for i in range(place) if not states[i].finished]
    listed = ", ".join(map(str, open_ones)) or "none"
    return no("its turn in the run book", f"it is number {place + 1}; not ended yet: {listed}")


def _lock(scene: Scene, past: History) -> Iterator[Condition]:
    job = scene.job
    if job.lock_name is None:
        return
    lock = f"the lock {locks.shown(job.lock_name)}"
    if past.reached(JobStatus.ACTIVE) is not None:
        yield yes("lock", f"it had {lock}", job.started_at)
        return
    if past.status is not None and past.status.finished:
        last = past.last
        if last is not None and past.status is JobStatus.SKIPPED:
            yield no("lock", last.reason, last.at)
        return
    if not scene.present:
        yield unknown("lock", f"who had {lock} then is not stored")
        return
    holder = scene.session.first(
        _HOLDER.select().where(_HOLDER.tenant_id == job.tenant_id, _HOLDER.name == job.lock_name)
    )
    if holder is None:
        yield yes("lock", f"{lock} is free")
    elif holder["job_id"] == job.id:
        yield yes("lock", f"it has {lock}", holder["since"])
    else:
        who = scene.session.scalar(_JOB.select(_JOB.guid).where(_JOB.id == holder["job_id"]))
        place = _place_in_line(scene)
        fact = f"{lock} is held by the job {who}; it is number {place} of those that wait"
        yield no("lock", fact, holder["since"])


def _place_in_line(scene: Scene) -> int:
    """Which of those that wait for the same lock it is: by priority, then by age."""
    job = scene.job
    first = (_JOB.priority > job.priority) | ((_JOB.priority == job.priority) & (_JOB.id < job.id))
    before = scene.session.scalar(
        _JOB.select(peewee.fn.COUNT(_JOB.id)).where(
            _JOB.id.in_(locks.rivals(scene.session, job.id)),
            _JOB.status == JobStatus.SCHEDULED,
            _JOB.runs_open == 0,
            _JOB.due_at <= scene.at,
            first,
        )
    )
    return int(before) + 1


def _launch_timeout(scene: Scene, past: History) -> Iterator[Condition]:
    limit = scene.job.launch_by
    if limit is None or past.status is not JobStatus.SCHEDULED:
        return
    fact = f"it is given up if it has not begun by {told(limit)}"
    yield judged("launch timeout", scene.at < limit, fact)


def _timeout(scene: Scene) -> Iterator[Condition]:
    limit = scene.job.stop_by
    if limit is not None:
        fact = f"it is stopped if it is not done by {told(limit)}"
        yield judged("timeout", scene.at < limit, fact)


def _nobody_yet(scene: Scene, past: History) -> Iterator[Condition]:
    """Whom a job names that has no runs yet; teams are asked again when it starts."""
    if run_book_plan.is_run_book(scene.request["what"]):
        yield from _begun_run_book(past)
        return
    ids = targets.agent_ids(scene.session, scene.request["who"])
    agents = roster.by_ids(scene.session, set(ids))
    listed = ", ".join(agent.name for agent in agents.values()) or "nobody"
    yield judged("agents", bool(agents), f"it would run on {listed} at present")
    waits = scene.request["timing"].get("boot") == Boot.NEXT
    then = ", after the next start of their machines" if waits else ""
    yield no("runs made", f"its runs are made when it begins{then}")
    if scene.present and scene.job.reason:
        yield no(_ENGINES_OWN, scene.job.reason)


def _begun_run_book(past: History) -> Iterator[Condition]:
    begun = past.reached(JobStatus.ACTIVE)
    yield judged(
        "jobs made",
        begun is not None,
        "its jobs are made when it begins" if begun is None else "its jobs were made",
        None if begun is None else begun.at,
    )


def _notes(past: History) -> Iterator[Condition]:
    """What happened meanwhile: further attempts, refused late reports, lateness."""
    for note in past.notes:
        if not note.reason.startswith("started "):
            yield yes("happened", note.reason, note.at)


def _tasks(scene: Scene) -> Iterator[Condition]:
    """Tasks that conditions or evaluators decided about, or that failed."""
    ids = [run.id for run in rows.runs_of(scene.session, scene.job.id)]
    if not ids:
        return
    query = _TASK.select().where(_TASK.run_id.in_(ids), _TASK.detail != "").order_by(_TASK.id)
    for row in scene.session.rows(query):
        status = JobStatus(row["status"])
        fact = f"the task {row['name']!r} is {words(status)}: {row['detail']}"
        good = status in (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS)
        yield judged("task", good, fact, row["finished_at"])


def _aborted(past: History) -> Iterator[Condition]:
    wish = past.reached(JobStatus.ABORTING)
    if wish is not None:
        reason = f": {wish.reason}" if wish.reason else ""
        yield no("not aborted", f"{wish.actor} aborted it{reason}", wish.at)


def _end(past: History) -> Iterator[Condition]:
    last = past.last
    if last is None or not last.after.finished:
        yield no("ended", "it has not ended")
        return
    reason = f": {last.reason}" if last.reason else ""
    yield yes("ended", f"{words(last.after)}, by {last.actor}{reason}", last.at)


def _summary(past: History, found: Sequence[Condition], at: int) -> str:
    """One sentence."""
    last = past.last
    if last is None:
        return f"It did not exist at {told(at)}: {found[0].fact}."
    if last.after.finished:
        reason = f": {last.reason}" if last.reason else ""
        return f"It ended at {told(last.at)} as {words(last.after)}{reason}."
    if last.after is JobStatus.ABORTING:
        return f"It is being aborted since {told(last.at)}: {last.reason}."
    if last.after is JobStatus.ACTIVE:
        return f"It has been under way since {told(last.at)}{_for_others(found)}."
    reasons = unmet(found)
    telling = [one for one in reasons if one.name not in _LAST_RESORTS] or reasons
    return f"It waits ({telling[0].name}): {telling[0].fact}."


def _for_others(found: Sequence[Condition]) -> str:
    waiting = {one.of for one in found if one.name == "taken up" and one.met is Met.NO}
    return f"; not yet on {', '.join(sorted(waiting))}" if waiting else ""
