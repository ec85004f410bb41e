"""The parameter values that a run starts with: what was given over what the module says."""

import uuid
from collections.abc import Iterable
from typing import Any

from gateway import names
from gateway.agents.protocol import ParameterValue
from gateway.catalog import sealing
from gateway.catalog.sealing import SealedModule, SealedParameter
from gateway.identity.vault import Vault
from storage.session import Session

_VALUES = frozenset({"value", "value_secret", "secondary", "secondary_secret"})


class ParameterReader:
    """Puts together values, opening sealed ones. The result holds secrets in clear."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def effective(
        self,
        session: Session,
        module: SealedModule,
        stored: Iterable[dict[str, Any]],
        *,
        part: int = 0,
        project: str | None = None,
    ) -> tuple[ParameterValue, ...]:
        """The values for one module of a job. ``stored`` are the sets of its request.

        A set for the module comes before one for the ``project`` (its GUID) that it is run by, and
        that before one for everything. Sets for a step of a run book are meant for others.
        """
        sets = [one for one in stored if one.get("step") is None]
        levels = dict.fromkeys((None, project, str(module.guid)))
        given = {
            names.key(value["name"]): value
            for definition in levels
            for one in sets
            if one["definition"] == definition
            for value in one["values"]
        }
        return tuple(
            self._value(session, parameter, given.get(names.key(parameter.name), {}), part)
            for parameter in module.parameters
        )

    def _value(
        self, session: Session, parameter: SealedParameter, given: dict[str, Any], part: int
    ) -> ParameterValue:
        return ParameterValue(
            name=parameter.name,
            type=parameter.type,
            value=self._part(session, parameter, given, "value", "default"),
            secondary=self._part(session, parameter, given, "secondary", "default2"),
            # What was given as a secret stays one, whatever the parameter is by now.
            secret=parameter.type.secret or "value_secret" in given,
            part=part,
            given=not given.keys().isdisjoint(_VALUES),
        )

    def _part(
        self,
        session: Session,
        parameter: SealedParameter,
        given: dict[str, Any],
        part: str,
        member: str,
    ) -> str:
        """One half of a value: as it was given, sealed or not, or else the module's default."""
        sealed = given.get(f"{part}_secret")
        if sealed is not None:
            return self._vault.reveal(session, uuid.UUID(sealed))
        if part in given:
            return str(given[part])
        if parameter.secret is not None and sealing.secret_member(parameter) == member:
            return self._vault.reveal(session, parameter.secret)
        return str(getattr(parameter, member))
