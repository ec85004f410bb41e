"""Who is told of what, and whether that has reached them."""

import peewee

from storage import columns
from storage.models.base import Table


class NotificationRule(Table):
    """Whom to tell of which events: of a definition, on a team's agents, or of all jobs.

    ``target`` is an address of the channel; ``secret_guid`` what its messages are signed with.
    """

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    name = peewee.TextField()
    name_key = peewee.TextField()
    scope_kind = peewee.SmallIntegerField()
    scope_id = peewee.BigIntegerField()
    events = columns.Json()
    channel = peewee.SmallIntegerField()
    target = peewee.TextField()
    secret_guid = columns.Guid(null=True)
    enabled = peewee.BooleanField()
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)


class Notification(Table):
    """A message on its way; made in the transaction of what it tells of."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    rule_id = peewee.BigIntegerField()
    event = peewee.TextField()
    job_id = peewee.BigIntegerField(null=True)
    content = columns.Json()
    state = peewee.SmallIntegerField()
    attempts = peewee.IntegerField()
    next_at = columns.Moment(null=True)
    created_at = columns.Moment()
    finished_at = columns.Moment(null=True)


class NotificationAttempt(Table):
    """One try to deliver a message; ``took`` in microseconds."""

    id = peewee.BigAutoField()
    notification_id = peewee.BigIntegerField()
    at = columns.Moment()
    took = peewee.BigIntegerField()
    ok = peewee.BooleanField()
    detail = peewee.TextField()
