"""Who may do what: principals, their credentials and roles; the audit trail; sealed secrets."""

import peewee

from storage import columns
from storage.models.base import Table


class Tenant(Table):
    """A customer within one installation; there is one unless a surface brings more."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    name = peewee.TextField(unique=True)


class Secret(Table):
    """A sealed value. Everything else holds only its GUID."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    purpose = peewee.TextField()
    key_id = peewee.TextField()
    sealed = peewee.BlobField()
    created_at = columns.Moment()


class Principal(Table):
    """Somebody who acts: a login, an agent, a service account."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    kind = peewee.SmallIntegerField()
    name = peewee.TextField()
    name_key = peewee.TextField()
    description = peewee.TextField()
    disabled = peewee.BooleanField()
    created_at = columns.Moment()
    deleted_at = columns.Moment(null=True)


class Credential(Table):
    """How a principal proves who it is: password, token, key table, SOAP secret."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    principal_id = peewee.BigIntegerField()
    kind = peewee.SmallIntegerField()
    verifier = peewee.TextField()
    secret_id = peewee.BigIntegerField(null=True)
    label = peewee.TextField()
    created_at = columns.Moment()
    expires_at = columns.Moment(null=True)
    revoked_at = columns.Moment(null=True)


class UsedNonce(Table):
    """A nonce of a UsernameToken that was taken: the SHA-256 of what tells the token apart.

    ``used_by`` is an id of the request that was the first to use it.
    """

    digest = peewee.BlobField(primary_key=True)
    used_by = columns.Guid()
    expires_at = columns.Moment()


class Role(Table):
    """A named set of permissions."""

    id = peewee.BigAutoField()
    guid = columns.Guid(unique=True)
    tenant_id = peewee.BigIntegerField()
    name = peewee.TextField()
    name_key = peewee.TextField()
    builtin = peewee.BooleanField()


class RolePermission(Table):
    """What a role says about one node: read, modify or deny; no row means unset."""

    role_id = peewee.BigIntegerField()
    node = peewee.TextField()
    access = peewee.SmallIntegerField()

    class Meta:
        """Keyed by role and node."""

        primary_key = peewee.CompositeKey("role_id", "node")


class RoleBinding(Table):
    """A role given to a principal within a scope; scope id 0 where the scope needs none."""

    id = peewee.BigAutoField()
    principal_id = peewee.BigIntegerField()
    role_id = peewee.BigIntegerField()
    scope_kind = peewee.SmallIntegerField()
    scope_id = peewee.BigIntegerField()


class AuditEntry(Table):
    """One change by a principal, with masked values before and after."""

    id = peewee.BigAutoField()
    tenant_id = peewee.BigIntegerField()
    at = columns.Moment()
    principal_id = peewee.BigIntegerField(null=True)
    principal_name = peewee.TextField()
    address = peewee.TextField()
    surface = peewee.TextField()
    request_id = peewee.TextField()
    action = peewee.TextField()
    object_kind = peewee.TextField()
    object_guid = columns.Guid(null=True)
    object_name = peewee.TextField()
    before = columns.Json(null=True)
    after = columns.Json(null=True)
    comment = peewee.TextField()


class StoreFact(Table):
    """A fact about the store as a whole: incarnation, security epoch, schema."""

    name = peewee.TextField(primary_key=True)
    value = peewee.TextField()
