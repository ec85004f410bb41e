"""What WS-Security needs: the nonces that were used, so that no message is taken twice."""

from storage import ddl

TABLES = """
CREATE TABLE used_nonce (
    digest {bytes} PRIMARY KEY,
    used_by {guid} NOT NULL,
    expires_at {moment} NOT NULL
);
CREATE INDEX used_nonce_expires ON used_nonce (expires_at);
CREATE UNIQUE INDEX credential_soap_secret ON credential (principal_id)
    WHERE kind = 3 AND revoked_at IS NULL;
"""


def up(migrator: object, db: object) -> None:
    """Create the table and indexes."""
    del migrator
    ddl.execute(db, TABLES)
