"""Modules as they are stored: the secrets in them replaced by references into the vault."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from gateway import names
from gateway.catalog.definitions import Module, Parameter, ParameterType
from gateway.identity.vault import SECRET_MARKER

_SECRET_MEMBERS = {ParameterType.PASSWORD: "default", ParameterType.CREDENTIALS: "default2"}


class SecretMissing(ValueError):
    """A marker stands for a stored secret, but none is stored; ``parameter`` names where."""

    def __init__(self, parameter: str, member: str) -> None:
        super().__init__(
            f"{SECRET_MARKER} stands for a stored secret, but none is stored for the parameter "
            f"{parameter!r}: write the password itself"
        )
        self.parameter = parameter
        self.member = member


class SealedParameter(Parameter):
    """A parameter as stored: ``secret`` is the vault's GUID of its hidden part.

    That part (the default of a password, the default2 of credentials) then reads SECRET_MARKER.
    """

    secret: UUID | None = None


class SealedModule(Module):
    """A module as stored: it holds no secret, only references."""

    parameters: tuple[SealedParameter, ...] = ()


def secret_member(parameter: Parameter) -> str | None:
    """The member whose text is never shown, or None."""
    return _SECRET_MEMBERS.get(parameter.type)


def seal(
    module: Module,
    previous: SealedModule | None,
    reveal: Callable[[UUID], str | None],
    conceal: Callable[[str], UUID],
) -> SealedModule:
    """The module as it is to be stored after ``previous``.

    A marker keeps the stored secret, and so does an equal text, so that importing the same
    content again changes nothing. Raises SecretMissing.
    """
    stored = {} if previous is None else _secrets(previous)

    def sealed(parameter: Parameter) -> SealedParameter:
        member = secret_member(parameter)
        text = getattr(parameter, member) if member else ""
        if not member or not text:
            return SealedParameter(**_plain(parameter))
        kept = stored.get(names.key(parameter.name))
        if text == SECRET_MARKER:
            if kept is None:
                raise SecretMissing(parameter.name, member)
        elif kept is None or reveal(kept) != text:
            kept = conceal(text)
        return SealedParameter(**(_plain(parameter) | {member: SECRET_MARKER, "secret": kept}))

    parts = {name: getattr(module, name) for name in Module.model_fields}
    return SealedModule(**(parts | {"parameters": tuple(map(sealed, module.parameters))}))


def _secrets(module: SealedModule) -> dict[str, UUID]:
    return {
        names.key(parameter.name): parameter.secret
        for parameter in module.parameters
        if parameter.secret is not None
    }


def _plain(parameter: Parameter) -> dict[str, Any]:
    return {name: getattr(parameter, name) for name in Parameter.model_fields}
