"""Accepted requests and what became of them."""

import peewee

from storage import columns
from storage.models.base import Table


class Job(Table):
    """The hot, narrow row of a job; what was asked for stands in ``JobRequest``.

    ``wake_at`` is when the clock must next look at the job, whatever for: it is due, its schedule
    fires, or its launch timeout ends. One index, one query, no other timer. A run book's jobs have
    it for ``parent_id`` and stand in the order of ``seq``. ``lock_name`` is the key of the lock
    that it needs to begin; ``stop_by`` is when a run book that is not done by then is stopped.
    """

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    parent_id = peewee.BigIntegerField(null=True)
    seq = peewee.IntegerField(default=0)
    schedule_id = peewee.BigIntegerField(null=True)
    definition_id = peewee.BigIntegerField(null=True)
    folder_id = peewee.BigIntegerField(null=True)
    owner_id = peewee.BigIntegerField(null=True)
    origin = peewee.SmallIntegerField()
    recurring = peewee.BooleanField()
    status = peewee.SmallIntegerField()
    stage = peewee.SmallIntegerField()
    reason = peewee.TextField()
    priority = peewee.SmallIntegerField()
    runs_open = peewee.IntegerField()
    lock_name = peewee.TextField(null=True)
    stop_by = columns.Moment(null=True)
    due_at = columns.Moment(null=True)
    launch_by = columns.Moment(null=True)
    wake_at = columns.Moment(null=True)
    created_at = columns.Moment()
    started_at = columns.Moment(null=True)
    finished_at = columns.Moment(null=True)


class JobRequest(Table):
    """The cold part of a job, written once: what was asked for, by which surface.

    ``digest`` is equal for equal requests of one login; empty where nobody compares.
    """

    job_id = peewee.BigIntegerField(primary_key=True)
    description = peewee.TextField()
    surface = peewee.TextField()
    timing = columns.Json()
    what = columns.Json()
    who = columns.Json()
    parameters = columns.Json()
    options = columns.Json()
    extras = columns.Json(null=True)
    digest = peewee.TextField(default="")


class JobEvent(Table):
    """One move of a job or run: before, after, when, who, why."""

    id = peewee.BigAutoField()
    job_id = peewee.BigIntegerField()
    run_id = peewee.BigIntegerField(null=True)
    at = columns.Moment()
    before = peewee.SmallIntegerField(null=True)
    after = peewee.SmallIntegerField()
    actor = peewee.TextField()
    reason = peewee.TextField()


class JobCounter(Table):
    """How many jobs stand in a stage: kept with each move, since a page must say its count.

    The sum over all slots counts; several slots keep the transactions of several gateways from
    waiting for one another's row.
    """

    tenant_id = peewee.BigIntegerField()
    stage = peewee.SmallIntegerField()
    origin = peewee.SmallIntegerField()
    recurring = peewee.BooleanField()
    folder_id = peewee.BigIntegerField()
    slot = peewee.SmallIntegerField()
    jobs = peewee.BigIntegerField()

    class Meta:
        """Keyed by all that a page filters by."""

        primary_key = peewee.CompositeKey(
            "tenant_id", "stage", "origin", "recurring", "folder_id", "slot"
        )


class JobAcceptance(Table):
    """Which job an Idempotency-Key (kind 0) or an equal request (kind 1) has already made."""

    owner_id = peewee.BigIntegerField()
    kind = peewee.SmallIntegerField()
    token = peewee.TextField()
    job_id = peewee.BigIntegerField()
    created_at = columns.Moment()

    class Meta:
        """Keyed by who said it and what was said."""

        primary_key = peewee.CompositeKey("owner_id", "kind", "token")


class JobOutput(Table):
    """The present values of a run book's parameters, as its jobs have left them."""

    job_id = peewee.BigIntegerField(primary_key=True)
    outputs = columns.Json()


class Run(Table):
    """One job on one agent. Attempt and session fence off reports that come too late.

    It may be claimed from ``not_before`` on, until ``launch_by``; one with ``after_boot`` waits
    until its agent has another boot id. Runs of equal priority begin in the order of ``turn``.
    """

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    job_id = peewee.BigIntegerField()
    agent_id = peewee.BigIntegerField()
    attempt = peewee.SmallIntegerField()
    status = peewee.SmallIntegerField()
    reason = peewee.TextField()
    priority = peewee.SmallIntegerField()
    session = columns.Guid(null=True)
    lease_until = columns.Moment(null=True)
    not_before = columns.Moment(null=True)
    launch_by = columns.Moment(null=True)
    after_boot = peewee.TextField(null=True)
    turn = peewee.BigIntegerField(default=0)
    tasks_total = peewee.IntegerField()
    tasks_done = peewee.IntegerField()
    created_at = columns.Moment()
    started_at = columns.Moment(null=True)
    finished_at = columns.Moment(null=True)


class RunOutput(Table):
    """The values of parameters as the tasks of a run have left them; no secrets."""

    run_id = peewee.BigIntegerField(primary_key=True)
    outputs = columns.Json()


class TaskResult(Table):
    """One task of one attempt of a run."""

    id = peewee.BigAutoField()
    run_id = peewee.BigIntegerField()
    attempt = peewee.SmallIntegerField()
    seq = peewee.IntegerField()
    task_guid = columns.Guid()
    module_guid = columns.Guid()
    module = peewee.TextField()
    name = peewee.TextField()
    status = peewee.SmallIntegerField()
    exit_code = peewee.BigIntegerField(null=True)
    detail = peewee.TextField()
    outputs = columns.Json()
    log_id = peewee.BigIntegerField(null=True)
    log_truncated = peewee.BooleanField()
    process = columns.Json(null=True)
    started_at = columns.Moment(null=True)
    finished_at = columns.Moment(null=True)


class Schedule(Table):
    """When a job recurs. ``job_id`` is the recurring job that each firing copies.

    ``on_closed`` says what becomes of a due time on which its calendar is closed.
    """

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    job_id = peewee.BigIntegerField()
    kind = peewee.SmallIntegerField()
    rule = peewee.TextField()
    zone = peewee.TextField()
    starts_at = columns.Moment(null=True)
    ends_at = columns.Moment(null=True)
    missed_runs = peewee.SmallIntegerField()
    grace = peewee.BigIntegerField()
    enabled = peewee.BooleanField()
    calendar_id = peewee.BigIntegerField(null=True)
    on_closed = peewee.SmallIntegerField(default=0)
    next_due_at = columns.Moment(null=True)


class Calendar(Table):
    """Working days, holidays and blackouts, shared between schedules."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    name = peewee.TextField()
    name_key = peewee.TextField()
    content = columns.Json()
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)


class Maintenance(Table):
    """A time in which no run begins: on the agents of a team, or anywhere (no ``team_id``)."""

    id = peewee.BigAutoField()
    tenant_id = peewee.BigIntegerField()
    team_id = peewee.BigIntegerField(null=True)
    reason = peewee.TextField()
    begun_at = columns.Moment()
    begun_by = peewee.TextField()
    until = columns.Moment(null=True)
    ended_at = columns.Moment(null=True)
    ended_by = peewee.TextField(null=True)


class LockHolder(Table):
    """The job that has a lock; the key is what makes it the only one."""

    tenant_id = peewee.BigIntegerField()
    name = peewee.TextField()
    job_id = peewee.BigIntegerField()
    since = columns.Moment()

    class Meta:
        """Keyed by the lock's name."""

        primary_key = peewee.CompositeKey("tenant_id", "name")


class ExclusiveWindow(Table):
    """Hours that some definitions have for themselves: everywhere, on an agent, or in a team."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    name = peewee.TextField()
    name_key = peewee.TextField()
    scope_kind = peewee.SmallIntegerField()
    scope_id = peewee.BigIntegerField()
    content = columns.Json()
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)


class RetentionRule(Table):
    """How long ended jobs are kept; of a definition, or of all that have no rule of their own."""

    id = peewee.BigAutoField()
    tenant_id = peewee.BigIntegerField()
    definition_id = peewee.BigIntegerField(null=True)
    max_age = peewee.BigIntegerField(null=True)
    max_count = peewee.IntegerField(null=True)
    archive = peewee.BooleanField()


class HousekeepingRun(Table):
    """One time that housekeeping was done; without an end while it lasts, or when it was killed."""

    id = peewee.BigAutoField()
    name = peewee.TextField()
    started_at = columns.Moment()
    finished_at = columns.Moment(null=True)
    ok = peewee.BooleanField(null=True)
    detail = peewee.TextField()


class ScheduleFiring(Table):
    """What became of one due time; the key forbids that a clock's jump runs it twice."""

    schedule_id = peewee.BigIntegerField()
    due_at = columns.Moment()
    outcome = peewee.SmallIntegerField()
    job_id = peewee.BigIntegerField(null=True)
    at = columns.Moment()
    reason = peewee.TextField()

    class Meta:
        """Keyed by schedule and due time."""

        primary_key = peewee.CompositeKey("schedule_id", "due_at")
