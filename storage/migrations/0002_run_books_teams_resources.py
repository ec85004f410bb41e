"""Teams, run books' child jobs and outputs, agents' own times, and what resources say of them."""

from storage import ddl

TABLES = """
CREATE TABLE team (
    id {id},
    guid {guid} NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    rule {json},
    created_at {moment} NOT NULL,
    deleted_at {moment},
    UNIQUE (tenant_id, guid)
);
CREATE INDEX team_name ON team (tenant_id, name_key);

CREATE TABLE team_member (
    team_id BIGINT NOT NULL REFERENCES team (id),
    kind SMALLINT NOT NULL,
    member_id BIGINT NOT NULL,
    PRIMARY KEY (team_id, kind, member_id)
);
CREATE INDEX team_member_of ON team_member (kind, member_id);

ALTER TABLE agent ADD COLUMN primary_team_id BIGINT REFERENCES team (id);
ALTER TABLE agent ADD COLUMN last_console_user TEXT NOT NULL DEFAULT '';

ALTER TABLE resource_version ADD COLUMN version_name TEXT NOT NULL DEFAULT '1.0.0';
ALTER TABLE resource_version ADD COLUMN parse_content {flag} NOT NULL DEFAULT FALSE;
ALTER TABLE resource_version ADD COLUMN skip_environment {flag} NOT NULL DEFAULT FALSE;

ALTER TABLE job ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
CREATE INDEX job_owner ON job (owner_id, id) WHERE owner_id IS NOT NULL;
CREATE INDEX job_started ON job (started_at, id) WHERE started_at IS NOT NULL;

ALTER TABLE run ADD COLUMN not_before {moment};
ALTER TABLE run ADD COLUMN launch_by {moment};
ALTER TABLE run ADD COLUMN after_boot TEXT;
CREATE INDEX run_on_hold ON run (agent_id, id) WHERE status = -1;

CREATE TABLE job_output (
    job_id BIGINT PRIMARY KEY REFERENCES job (id),
    outputs {json} NOT NULL
);

CREATE TABLE run_output (
    run_id BIGINT PRIMARY KEY REFERENCES run (id),
    outputs {json} NOT NULL
);
"""


def up(migrator: object, db: object) -> None:
    """Create the tables and add the columns."""
    del migrator
    ddl.execute(db, TABLES)
    ddl.number_from(db, "team")
