"""Commands about agents on other machines: letting them in, and keeping them out."""

import datetime
from collections.abc import Sequence
from typing import Any, Protocol

from gateway import moments
from gateway.commands.group import CommandGroup, machine
from gateway.fleet import events, roster
from gateway.fleet.access import AgentAccess
from gateway.fleet.enrolment import Enrolments, EnrolmentToken
from gateway.fleet.teams import composition
from storage.database import Store

Json = Any


class Parts(Protocol):
    """What these commands need of a gateway."""

    @property
    def store(self) -> Store:
        """Where everything is kept."""

    @property
    def enrolments(self) -> Enrolments:
        """Who asks to be let in."""

    @property
    def access(self) -> AgentAccess:
        """What becomes of those who were."""


class AgentCommands(CommandGroup):
    """The commands ``agent token``, ``requests``, ``approve``, ``refuse``, ``revoke`` ..."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    def agent_token_create(
        self, uses: int, seconds: float, teams: Sequence[str], label: str, comment: str = ""
    ) -> Json:
        """Make an enrolment token; its text is in the answer, and nowhere else."""
        life = datetime.timedelta(seconds=seconds)
        made, text = self._gateway.enrolments.create_token(
            uses, life, teams, label, machine(comment), comment
        )
        return _token(made) | {"token": text}

    def agent_token_list(self) -> Json:
        """All enrolment tokens."""
        return [_token(one) for one in self._gateway.enrolments.tokens()]

    def agent_token_revoke(self, token: str, comment: str = "") -> Json:
        """Let nobody in with a token any more."""
        return _token(self._gateway.enrolments.revoke_token(token, machine(comment), comment))

    def agent_requests(self) -> Json:
        """Who asks to be let in."""
        return [
            {
                "name": one.name,
                "code": one.code,
                "address": one.address,
                "platform": one.platform,
                "asked": _iso(one.created_at),
                "expires": _iso(one.expires_at),
                "guid": str(one.guid),
            }
            for one in self._gateway.enrolments.waiting()
        ]

    def agent_approve(self, request: str, teams: Sequence[str] = (), comment: str = "") -> Json:
        """Let a machine in."""
        agent = self._gateway.enrolments.approve(request, teams, machine(comment), comment)
        return {"name": agent.name, "guid": str(agent.guid)}

    def agent_refuse(self, request: str, comment: str = "") -> Json:
        """Let a machine not in."""
        return {"name": self._gateway.enrolments.refuse(request, machine(comment), comment)}

    def agent_revoke(self, agent: str, comment: str = "") -> Json:
        """Hear an agent no more."""
        found, lost = self._gateway.access.revoke(agent, machine(comment), comment)
        return {"name": found.name, "guid": str(found.guid), "runs_lost": lost}

    def agent_rename(self, agent: str, name: str, comment: str = "") -> Json:
        """Give an agent another name."""
        found = self._gateway.access.rename(agent, name, machine(comment), comment)
        return {"name": found.name, "guid": str(found.guid)}

    def agent_show(self, agent: str) -> Json:
        """All that is known of an agent."""
        with self._gateway.store.reading() as session:
            found = roster.find(session, agent)
            present = roster.by_ids(session, {found.id})[found.id]
            composed = composition(session)
            teams = sorted(composed.teams[team].name for team in composed.teams_of(present))
            happened = events.of_agent(session, found.id)
        contact = present.last_contact_at
        return {
            "name": present.name,
            "guid": str(present.guid),
            "embedded": present.embedded,
            "enabled": present.enabled,
            "session": None if present.session is None else str(present.session),
            "instance": present.instance,
            "last_contact": None if contact is None else _iso(contact),
            "max_runs": present.max_runs,
            "run_limit": present.run_limit,
            "teams": teams,
            "facts": roster.facts_as_json(present.facts),
            "events": [
                {"at": _iso(one.at), "what": one.kind, "detail": one.detail} for one in happened
            ],
        }


def _token(token: EnrolmentToken) -> dict[str, Any]:
    return {
        "guid": str(token.guid),
        "label": token.label,
        "uses_left": token.uses_left,
        "teams": list(token.teams),
        "created": _iso(token.created_at),
        "expires": _iso(token.expires_at),
        "revoked": token.revoked,
    }


def _iso(moment: int) -> str:
    return moments.to_datetime(moment).isoformat(timespec="seconds")
