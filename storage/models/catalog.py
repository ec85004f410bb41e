"""What can be run, and on what."""

import peewee

from storage import columns
from storage.models.base import Table


class Folder(Table):
    """A place in the tree of one kind of object; ``path`` is its full name, ``A/B``."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    kind = peewee.SmallIntegerField()
    parent_id = peewee.BigIntegerField(null=True)
    name = peewee.TextField()
    name_key = peewee.TextField()
    path = peewee.TextField()
    path_key = peewee.TextField()


class Definition(Table):
    """A module, project, run book, job config ...; its content is its current version."""

    id = peewee.BigAutoField()
    guid = columns.Guid()
    tenant_id = peewee.BigIntegerField()
    kind = peewee.SmallIntegerField()
    folder_id = peewee.BigIntegerField(null=True)
    name = peewee.TextField()
    name_key = peewee.TextField()
    enabled = peewee.BooleanField()
    version_id = peewee.BigIntegerField(null=True)
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)


class DefinitionVersion(Table):
    """One version of a definition, never changed: a job refers to versions."""

    id = peewee.BigAutoField()
    definition_id = peewee.BigIntegerField()
    number = peewee.IntegerField()
    body = columns.Json()
    created_at = columns.Moment()
    created_by = peewee.BigIntegerField(null=True)


class Blob(Table):
    """Bytes in chunks. Unpublished ones are swept; SHA-256 and size are final when published."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    state = peewee.SmallIntegerField()
    size = peewee.BigIntegerField()
    sha256 = peewee.TextField(null=True)
    created_at = columns.Moment()


class BlobChunk(Table):
    """A piece of a blob, in the order of ``seq``."""

    blob_id = peewee.BigIntegerField()
    seq = peewee.IntegerField()
    data = peewee.BlobField()

    class Meta:
        """Keyed by blob and place."""

        primary_key = peewee.CompositeKey("blob_id", "seq")


class Resource(Table):
    """A file that tasks use; its bytes are those of its current version."""

    id = peewee.BigAutoField()
    guid = columns.Guid()
    tenant_id = peewee.BigIntegerField()
    folder_id = peewee.BigIntegerField(null=True)
    name = peewee.TextField()
    name_key = peewee.TextField()
    version_id = peewee.BigIntegerField(null=True)
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)


class ResourceVersion(Table):
    """One version of a resource."""

    id = peewee.BigAutoField()
    resource_id = peewee.BigIntegerField()
    number = peewee.IntegerField()
    file_name = peewee.TextField()
    blob_id = peewee.BigIntegerField()
    comment = peewee.TextField()
    version_name = peewee.TextField(default="1.0.0")
    parse_content = peewee.BooleanField(default=False)
    skip_environment = peewee.BooleanField(default=False)
    created_at = columns.Moment()
    created_by = peewee.BigIntegerField(null=True)


class Team(Table):
    """Agents and teams under one name; a ``rule`` has agents belong to it by what they are.

    ``run_limit`` is how many runs its agents may have at once, all together.
    """

    id = peewee.BigAutoField()
    guid = columns.Guid()
    tenant_id = peewee.BigIntegerField()
    folder_id = peewee.BigIntegerField(null=True)
    name = peewee.TextField()
    name_key = peewee.TextField()
    description = peewee.TextField()
    rule = columns.Json(null=True)
    run_limit = peewee.IntegerField(null=True)
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)


class TeamMember(Table):
    """An agent (kind 0) or a team (kind 1) that was put into a team."""

    team_id = peewee.BigIntegerField()
    kind = peewee.SmallIntegerField()
    member_id = peewee.BigIntegerField()

    class Meta:
        """Keyed by team and member."""

        primary_key = peewee.CompositeKey("team_id", "kind", "member_id")


class Agent(Table):
    """A machine that runs tasks. ``session`` fences: reports of an older session are refused.

    ``max_runs`` is what the agent says of itself, ``run_limit`` what an operator allows it.
    ``instance`` is the place from which the session was opened: machine, start and folder.
    """

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    principal_id = peewee.BigIntegerField(null=True)
    name = peewee.TextField()
    name_key = peewee.TextField()
    embedded = peewee.BooleanField()
    enabled = peewee.BooleanField()
    facts = columns.Json()
    max_runs = peewee.IntegerField()
    session = columns.Guid(null=True)
    boot_id = peewee.TextField()
    last_contact_at = columns.Moment(null=True)
    primary_team_id = peewee.BigIntegerField(null=True)
    last_console_user = peewee.TextField(default="")
    run_limit = peewee.IntegerField(null=True)
    instance = peewee.TextField(default="")
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)
