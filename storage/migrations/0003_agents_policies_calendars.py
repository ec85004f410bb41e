"""Remote agents, policies and locks, calendars, maintenance, notifications, retention."""

from storage import ddl

TABLES = """
ALTER TABLE agent ADD COLUMN run_limit INTEGER;
ALTER TABLE agent ADD COLUMN instance TEXT NOT NULL DEFAULT '';
ALTER TABLE team ADD COLUMN run_limit INTEGER;

CREATE TABLE enrolment_token (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    label TEXT NOT NULL,
    verifier TEXT NOT NULL,
    uses_left INTEGER NOT NULL,
    teams {json} NOT NULL,
    created_at {moment} NOT NULL,
    created_by BIGINT,
    expires_at {moment} NOT NULL,
    revoked_at {moment}
);

CREATE TABLE enrolment (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    facts {json} NOT NULL,
    address TEXT NOT NULL,
    code TEXT NOT NULL,
    verifier TEXT NOT NULL,
    state SMALLINT NOT NULL,
    agent_id BIGINT REFERENCES agent (id),
    created_at {moment} NOT NULL,
    expires_at {moment} NOT NULL,
    decided_at {moment},
    decided_by BIGINT
);
CREATE INDEX enrolment_waiting ON enrolment (id) WHERE state = 0;
CREATE UNIQUE INDEX enrolment_verifier ON enrolment (verifier);

CREATE TABLE agent_event (
    id {id},
    agent_id BIGINT NOT NULL REFERENCES agent (id),
    at {moment} NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX agent_event_agent ON agent_event (agent_id, id);

CREATE TABLE calendar (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    content {json} NOT NULL,
    created_at {moment} NOT NULL,
    deleted_at {moment}
);
CREATE INDEX calendar_name ON calendar (tenant_id, name_key);

ALTER TABLE schedule ADD COLUMN calendar_id BIGINT REFERENCES calendar (id);
ALTER TABLE schedule ADD COLUMN on_closed SMALLINT NOT NULL DEFAULT 0;
CREATE INDEX schedule_calendar ON schedule (calendar_id) WHERE calendar_id IS NOT NULL;

CREATE TABLE maintenance (
    id {id},
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    team_id BIGINT REFERENCES team (id),
    reason TEXT NOT NULL,
    begun_at {moment} NOT NULL,
    begun_by TEXT NOT NULL,
    until {moment},
    ended_at {moment},
    ended_by TEXT
);
CREATE INDEX maintenance_present ON maintenance (id) WHERE ended_at IS NULL;

ALTER TABLE run ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;
DROP INDEX run_waiting;
CREATE INDEX run_waiting ON run (agent_id, priority DESC, turn, id) WHERE status = 0;

ALTER TABLE job ADD COLUMN lock_name TEXT;
ALTER TABLE job ADD COLUMN stop_by {moment};
CREATE INDEX job_lock ON job (tenant_id, lock_name, id)
    WHERE lock_name IS NOT NULL AND stage < 2;
CREATE INDEX job_of_definition ON job (definition_id, id) WHERE stage = 2;

CREATE TABLE lock_holder (
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    job_id BIGINT NOT NULL,
    since {moment} NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE exclusive_window (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    scope_kind SMALLINT NOT NULL,
    scope_id BIGINT NOT NULL,
    content {json} NOT NULL,
    created_at {moment} NOT NULL,
    deleted_at {moment}
);

ALTER TABLE job_request ADD COLUMN digest TEXT NOT NULL DEFAULT '';

CREATE TABLE notification_rule (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    scope_kind SMALLINT NOT NULL,
    scope_id BIGINT NOT NULL,
    events {json} NOT NULL,
    channel SMALLINT NOT NULL,
    target TEXT NOT NULL,
    secret_guid {guid},
    enabled {flag} NOT NULL,
    created_at {moment} NOT NULL,
    deleted_at {moment}
);

CREATE TABLE notification (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    rule_id BIGINT NOT NULL REFERENCES notification_rule (id),
    event TEXT NOT NULL,
    job_id BIGINT,
    content {json} NOT NULL,
    state SMALLINT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at {moment},
    created_at {moment} NOT NULL,
    finished_at {moment}
);
CREATE INDEX notification_next ON notification (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX notification_job ON notification (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE notification_attempt (
    id {id},
    notification_id BIGINT NOT NULL REFERENCES notification (id),
    at {moment} NOT NULL,
    took BIGINT NOT NULL,
    ok {flag} NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX notification_attempt_of ON notification_attempt (notification_id, id);

CREATE TABLE retention_rule (
    id {id},
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    definition_id BIGINT REFERENCES definition (id),
    max_age BIGINT,
    max_count INTEGER,
    archive {flag} NOT NULL
);

CREATE TABLE housekeeping_run (
    id {id},
    name TEXT NOT NULL,
    started_at {moment} NOT NULL,
    finished_at {moment},
    ok {flag},
    detail TEXT NOT NULL
);
CREATE INDEX housekeeping_run_name ON housekeeping_run (name, id)
"""


def up(migrator: object, db: object) -> None:
    """Create the tables and columns."""
    del migrator
    ddl.execute(db, TABLES)
