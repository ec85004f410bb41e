"""The first schema: identity, secrets, catalog, blobs, agents, jobs, schedules."""

from storage import ddl

TABLES = """
CREATE TABLE tenant (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE secret (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    purpose TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed {bytes} NOT NULL,
    created_at {moment} NOT NULL
);

CREATE TABLE principal (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    disabled {flag} NOT NULL,
    created_at {moment} NOT NULL,
    deleted_at {moment}
);
CREATE UNIQUE INDEX principal_name ON principal (tenant_id, kind, name_key)
    WHERE deleted_at IS NULL;

CREATE TABLE credential (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    kind SMALLINT NOT NULL,
    verifier TEXT NOT NULL,
    secret_id BIGINT REFERENCES secret (id),
    label TEXT NOT NULL,
    created_at {moment} NOT NULL,
    expires_at {moment},
    revoked_at {moment}
);
CREATE INDEX credential_principal ON credential (principal_id, kind);

CREATE TABLE role (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    builtin {flag} NOT NULL,
    UNIQUE (tenant_id, name_key)
);

CREATE TABLE role_permission (
    role_id BIGINT NOT NULL REFERENCES role (id),
    node TEXT NOT NULL,
    access SMALLINT NOT NULL,
    PRIMARY KEY (role_id, node)
);

CREATE TABLE role_binding (
    id {id},
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    role_id BIGINT NOT NULL REFERENCES role (id),
    scope_kind SMALLINT NOT NULL,
    scope_id BIGINT NOT NULL,
    UNIQUE (principal_id, role_id, scope_kind, scope_id)
);

CREATE TABLE audit_entry (
    id {id},
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    at {moment} NOT NULL,
    principal_id BIGINT,
    principal_name TEXT NOT NULL,
    address TEXT NOT NULL,
    surface TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_guid {guid},
    object_name TEXT NOT NULL,
    before {json},
    after {json},
    comment TEXT NOT NULL
);
CREATE INDEX audit_entry_at ON audit_entry (tenant_id, at);

CREATE TABLE store_fact (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE folder (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    parent_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    path TEXT NOT NULL,
    path_key TEXT NOT NULL,
    UNIQUE (tenant_id, kind, path_key)
);

CREATE TABLE definition (
    id {id},
    guid {guid} NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    enabled {flag} NOT NULL,
    version_id BIGINT,
    created_at {moment} NOT NULL,
    deleted_at {moment},
    UNIQUE (tenant_id, guid)
);
CREATE INDEX definition_name ON definition (tenant_id, kind, name_key);

CREATE TABLE definition_version (
    id {id},
    definition_id BIGINT NOT NULL REFERENCES definition (id),
    number INTEGER NOT NULL,
    body {json} NOT NULL,
    created_at {moment} NOT NULL,
    created_by BIGINT,
    UNIQUE (definition_id, number)
);

CREATE TABLE blob (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    state SMALLINT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT,
    created_at {moment} NOT NULL
);
CREATE INDEX blob_unpublished ON blob (created_at) WHERE state = 0;

CREATE TABLE blob_chunk (
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    seq INTEGER NOT NULL,
    data {bytes} NOT NULL,
    PRIMARY KEY (blob_id, seq)
);

CREATE TABLE resource (
    id {id},
    guid {guid} NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    version_id BIGINT,
    created_at {moment} NOT NULL,
    deleted_at {moment},
    UNIQUE (tenant_id, guid)
);
CREATE INDEX resource_name ON resource (tenant_id, name_key);

CREATE TABLE resource_version (
    id {id},
    resource_id BIGINT NOT NULL REFERENCES resource (id),
    number INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    comment TEXT NOT NULL,
    created_at {moment} NOT NULL,
    created_by BIGINT,
    UNIQUE (resource_id, number)
);

CREATE TABLE agent (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    principal_id BIGINT REFERENCES principal (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    embedded {flag} NOT NULL,
    enabled {flag} NOT NULL,
    facts {json} NOT NULL,
    max_runs INTEGER NOT NULL,
    session {guid},
    boot_id TEXT NOT NULL,
    last_contact_at {moment},
    created_at {moment} NOT NULL,
    deleted_at {moment}
);
CREATE INDEX agent_name ON agent (tenant_id, name_key);

CREATE TABLE schedule (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    job_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    rule TEXT NOT NULL,
    zone TEXT NOT NULL,
    starts_at {moment},
    ends_at {moment},
    missed_runs SMALLINT NOT NULL,
    grace BIGINT NOT NULL,
    enabled {flag} NOT NULL,
    next_due_at {moment}
);
CREATE INDEX schedule_job ON schedule (job_id);

CREATE TABLE job (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    parent_id BIGINT,
    schedule_id BIGINT,
    definition_id BIGINT,
    folder_id BIGINT,
    owner_id BIGINT,
    origin SMALLINT NOT NULL,
    recurring {flag} NOT NULL,
    status SMALLINT NOT NULL,
    stage SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    runs_open INTEGER NOT NULL,
    due_at {moment},
    launch_by {moment},
    wake_at {moment},
    created_at {moment} NOT NULL,
    started_at {moment},
    finished_at {moment}
);
CREATE INDEX job_stage ON job (tenant_id, stage, id);
CREATE INDEX job_wake ON job (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX job_parent ON job (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE job_request (
    job_id BIGINT PRIMARY KEY REFERENCES job (id),
    description TEXT NOT NULL,
    surface TEXT NOT NULL,
    timing {json} NOT NULL,
    what {json} NOT NULL,
    who {json} NOT NULL,
    parameters {json} NOT NULL,
    options {json} NOT NULL,
    extras {json}
);

CREATE TABLE job_event (
    id {id},
    job_id BIGINT NOT NULL REFERENCES job (id),
    run_id BIGINT,
    at {moment} NOT NULL,
    before SMALLINT,
    after SMALLINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX job_event_job ON job_event (job_id, id);

CREATE TABLE job_counter (
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    stage SMALLINT NOT NULL,
    origin SMALLINT NOT NULL,
    recurring {flag} NOT NULL,
    folder_id BIGINT NOT NULL,
    slot SMALLINT NOT NULL,
    jobs BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, stage, origin, recurring, folder_id, slot)
);

CREATE TABLE job_acceptance (
    owner_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    token TEXT NOT NULL,
    job_id BIGINT NOT NULL REFERENCES job (id),
    created_at {moment} NOT NULL,
    PRIMARY KEY (owner_id, kind, token)
);
CREATE INDEX job_acceptance_at ON job_acceptance (created_at);

CREATE TABLE run (
    id {id},
    guid {guid} NOT NULL UNIQUE,
    job_id BIGINT NOT NULL REFERENCES job (id),
    agent_id BIGINT NOT NULL REFERENCES agent (id),
    attempt SMALLINT NOT NULL,
    status SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    session {guid},
    lease_until {moment},
    tasks_total INTEGER NOT NULL,
    tasks_done INTEGER NOT NULL,
    created_at {moment} NOT NULL,
    started_at {moment},
    finished_at {moment}
);
CREATE INDEX run_waiting ON run (agent_id, priority DESC, id) WHERE status = 0;
CREATE INDEX run_held ON run (agent_id, id) WHERE status IN (1, 2);
CREATE INDEX run_job ON run (job_id);

CREATE TABLE task_result (
    id {id},
    run_id BIGINT NOT NULL REFERENCES run (id),
    attempt SMALLINT NOT NULL,
    seq INTEGER NOT NULL,
    task_guid {guid} NOT NULL,
    module_guid {guid} NOT NULL,
    module TEXT NOT NULL,
    name TEXT NOT NULL,
    status SMALLINT NOT NULL,
    exit_code BIGINT,
    detail TEXT NOT NULL,
    outputs {json} NOT NULL,
    log_id BIGINT REFERENCES blob (id),
    log_truncated {flag} NOT NULL,
    process {json},
    started_at {moment},
    finished_at {moment},
    UNIQUE (run_id, attempt, seq)
);

CREATE TABLE schedule_firing (
    schedule_id BIGINT NOT NULL REFERENCES schedule (id),
    due_at {moment} NOT NULL,
    outcome SMALLINT NOT NULL,
    job_id BIGINT,
    at {moment} NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (schedule_id, due_at)
);
"""

NUMBERED = (
    "principal",
    "role",
    "folder",
    "definition",
    "resource",
    "agent",
    "schedule",
    "job",
)


def up(migrator: object, db: object) -> None:
    """Create every table."""
    del migrator
    ddl.execute(db, TABLES)
    ddl.number_from(db, *NUMBERED)
