"""What can go wrong with identities and secrets, in words that an operator can act on."""


class IdentityError(Exception):
    """Base of all errors of this package; the message is fit to be shown."""


class LoginNotFound(IdentityError, LookupError):
    """No such login."""


class LoginExists(IdentityError):
    """The name is taken, or there are logins where there must be none."""


class LoginRefused(IdentityError, ValueError):
    """Not a name or description that a login can have."""


class PasswordRefused(IdentityError, ValueError):
    """Not a password that a login can have."""


class RoleNotFound(IdentityError, LookupError):
    """No such role."""


class RoleExists(IdentityError):
    """The name of the role is taken."""


class RoleRefused(IdentityError, ValueError):
    """Not a role that there can be, or one that cannot be changed or deleted."""


class BindingNotFound(IdentityError, LookupError):
    """The login has not this role within this scope."""


class ScopeNotFound(IdentityError, LookupError):
    """No folder or team to bind a role to."""


class LastAdministrator(IdentityError):
    """The change would leave nobody who may change logins."""


class KeyFileError(IdentityError):
    """The key file is missing, damaged, or belongs to another store."""


class SecretNotFound(IdentityError, LookupError):
    """No such secret."""


class SecretDamaged(IdentityError):
    """A sealed value is not what was sealed: changed, moved to another row, or cut."""
