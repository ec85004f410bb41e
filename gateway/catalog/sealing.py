"""Definitions as they are stored: the secrets in them replaced by references into the vault."""

from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import UUID

from gateway import names
from gateway.catalog.definitions import Module, Parameter, ParameterType
from gateway.catalog.projects import Project
from gateway.catalog.run_books import RunBook
from gateway.catalog.shapes import Shape
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


class SealedRunBook(RunBook):
    """A run book as stored: it holds no secret, only references."""

    parameters: tuple[SealedParameter, ...] = ()


Definition: TypeAlias = Module | Project | RunBook
"""What the catalog stores and what can be scheduled."""

Sealed: TypeAlias = SealedModule | Project | SealedRunBook
"""The same as it is stored. A project has no parameters of its own, so it holds no secret."""


def secret_member(parameter: Parameter) -> str | None:
    """The member whose text is never shown, or None."""
    return _SECRET_MEMBERS.get(parameter.type)


def seal(
    definition: Definition,
    previous: Sealed | None,
    reveal: Callable[[UUID], str | None],
    conceal: Callable[[str], UUID],
) -> Sealed:
    """The definition as it is to be stored after ``previous``.

    A marker keeps the stored secret, and so does an equal text, so that importing the same
    content again changes nothing. Raises SecretMissing.
    """
    if isinstance(definition, Project):
        return Project(**_members(definition, Project))
    stored = _secrets(previous)

    def sealed(parameter: Parameter) -> SealedParameter:
        member = secret_member(parameter)
        text = getattr(parameter, member) if member else ""
        if not member or not text:
            return SealedParameter(**_members(parameter, Parameter))
        kept = stored.get(names.key(parameter.name))
        if text == SECRET_MARKER:
            if kept is None:
                raise SecretMissing(parameter.name, member)
        elif kept is None or reveal(kept) != text:
            kept = conceal(text)
        hidden = {member: SECRET_MARKER, "secret": kept}
        return SealedParameter(**(_members(parameter, Parameter) | hidden))

    parameters = {"parameters": tuple(map(sealed, definition.parameters))}
    if isinstance(definition, Module):
        return SealedModule(**(_members(definition, Module) | parameters))
    return SealedRunBook(**(_members(definition, RunBook) | parameters))


def _secrets(stored: Sealed | None) -> dict[str, UUID]:
    if stored is None or isinstance(stored, Project):
        return {}
    return {
        names.key(parameter.name): parameter.secret
        for parameter in stored.parameters
        if parameter.secret is not None
    }


def _members(one: Shape, shape: type[Shape]) -> dict[str, Any]:
    """The members that belong to a shape; a building block's or a stored one may have more."""
    return {name: getattr(one, name) for name in shape.model_fields}
