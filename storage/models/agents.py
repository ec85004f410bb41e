"""How agents come to be known, and what becomes of them."""

import peewee

from storage import columns
from storage.models.base import Table


class EnrolmentToken(Table):
    """Lets agents enrol: so many, until a moment, into these teams (their ids)."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    label = peewee.TextField()
    verifier = peewee.TextField()
    uses_left = peewee.IntegerField()
    teams = columns.Json()
    created_at = columns.Moment()
    created_by = peewee.BigIntegerField(null=True)
    expires_at = columns.Moment()
    revoked_at = columns.Moment(null=True)


class Enrolment(Table):
    """An agent that asks to be let in. ``code`` is what people compare, at both ends."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    name = peewee.TextField()
    facts = columns.Json()
    address = peewee.TextField()
    code = peewee.TextField()
    verifier = peewee.TextField()
    state = peewee.SmallIntegerField()
    agent_id = peewee.BigIntegerField(null=True)
    created_at = columns.Moment()
    expires_at = columns.Moment()
    decided_at = columns.Moment(null=True)
    decided_by = peewee.BigIntegerField(null=True)


class AgentEvent(Table):
    """What became of an agent when: enrolled, came, fell silent, was revoked ..."""

    id = peewee.BigAutoField()
    agent_id = peewee.BigIntegerField()
    at = columns.Moment()
    kind = peewee.TextField()
    detail = peewee.TextField()
