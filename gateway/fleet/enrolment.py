"""How a machine becomes an agent: with a token that an operator has made, or by approval.

Every request leaves a row, known by the hash of a secret that the machine has made; so a request
whose answer was lost can be sent again, and uses up no second place of its token.
"""

import datetime
import enum
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import moments, names
from gateway.agents.desk import AgentFacts
from gateway.catalog import changes
from gateway.fleet import credentials, events, roster, teams
from gateway.fleet.reception import told
from gateway.identity import addresses, audit, tokens
from gateway.identity.principals import Caller, PrincipalKind
from storage import models
from storage.database import Store
from storage.session import Row, Session, WritingSession

_TOKEN = models.EnrolmentToken
_REQUEST = models.Enrolment
_AGENT = models.Agent
_PRINCIPAL = models.Principal

MOST_WAITING = 200
# Of them from one address (a network, for IPv6): one machine must not keep all others out.
MOST_OF_ONE = 50
# An undecided request is dropped after that, as is the answer to a decided one.
_REQUEST_LIFE = 24 * 3600 * moments.SECOND
MOST_USES = 100_000
_LONGEST_LIFE = datetime.timedelta(days=366)
_LONGEST_LABEL = 200


class State(enum.IntEnum):
    """How a request stands; stored."""

    WAITING = 0
    APPROVED = 1
    REFUSED = 2


class EnrolmentRefused(ValueError):
    """A machine is not let in; the message says why, and is for whoever asked."""


class TooManyWaiting(Exception):
    """More machines ask to be let in than anybody would look through."""


class RequestNotFound(LookupError):
    """No machine asks under this name or GUID."""


class TokenNotFound(LookupError):
    """There is no enrolment token with this GUID or label."""


class TokenRefused(ValueError):
    """A token like this cannot be made."""


@dataclass(frozen=True)
class Standing:
    """How a request stands. ``token`` is the agent's own, told until it has been used."""

    enrolment: uuid.UUID
    state: State
    code: str
    agent: uuid.UUID | None = None
    token: str | None = None


@dataclass(frozen=True)
class WaitingRequest:
    """A machine that asks to be let in, as operators see it; times in epoch microseconds."""

    guid: uuid.UUID
    name: str
    code: str
    address: str
    platform: str
    created_at: int
    expires_at: int


@dataclass(frozen=True)
class EnrolmentToken:
    """A token as operators see it, which is not the text itself."""

    guid: uuid.UUID
    label: str
    uses_left: int
    teams: tuple[str, ...]
    created_at: int
    expires_at: int
    revoked: bool


class Enrolments:
    """Lets machines in. Each change by an operator is audited."""

    def __init__(self, store: Store, now: Callable[[], int] = moments.now) -> None:
        self._store = store
        self._now = now

    def ask(
        self, name: str, facts: AgentFacts, secret: str, token: str | None, address: str
    ) -> Standing:
        """What a machine asks for first; the same secret gets the same answer.

        Raises EnrolmentRefused (with a token that is not good), TooManyWaiting.
        """
        verifier = tokens.verifier(secret)

        def work(session: WritingSession) -> Standing:
            changes.one_at_a_time(session, 1)
            known = _by_verifier(session, verifier)
            if known is not None and (token is None or known["state"] != State.WAITING):
                return self._standing(session, known)
            if known is None:
                if token is None:
                    self._check_room(session, address)
                known = self._insert(session, name, facts, verifier, address)
            if token is not None:
                self._admit(session, known, self._use(session, token), None, "by a token")
            return self._standing(session, _by_verifier(session, verifier) or known)

        return self._store.unit_of_work(work)

    def standing(self, enrolment: uuid.UUID, secret: str) -> Standing | None:
        """What was decided; None for a request that is not this secret's, or is no more."""
        verifier = tokens.verifier(secret)
        with self._store.reading() as session:
            known = _by_verifier(session, verifier)
        if known is None or known["guid"] != enrolment:
            return None
        if known["state"] != State.APPROVED:
            return _told(known)
        return self._store.unit_of_work(lambda session: self._standing(session, known))

    def waiting(self) -> list[WaitingRequest]:
        """Who asks, in the order of asking."""
        query = _REQUEST.select().where(
            _REQUEST.state == State.WAITING, _REQUEST.expires_at > self._now()
        )
        with self._store.reading() as session:
            return [_waiting(row) for row in session.rows(query.order_by(_REQUEST.id))]

    def approve(
        self, reference: str, into: Sequence[str], caller: Caller, comment: str = ""
    ) -> roster.Agent:
        """Let a machine in, by its request's GUID, code or name, into these teams.

        Raises RequestNotFound, TeamNotFound, TeamAmbiguous, CommentRefused.
        """
        audit.check_comment(comment)

        def work(session: WritingSession) -> roster.Agent:
            changes.one_at_a_time(session, 1)
            known = self._find(session, reference)
            wanted = [teams.find(session, one).id for one in into]
            agent_id = self._admit(session, known, wanted, caller, "by approval", comment)
            return roster.by_ids(session, {agent_id})[agent_id]

        return self._store.unit_of_work(work)

    def refuse(self, reference: str, caller: Caller, comment: str = "") -> str:
        """Let a machine not in; answers its name. Raises RequestNotFound, CommentRefused."""
        audit.check_comment(comment)

        def work(session: WritingSession) -> str:
            changes.one_at_a_time(session, 1)
            known = self._find(session, reference)
            now = self._now()
            self._decide(session, known["id"], State.REFUSED, None, caller)
            audit.record(
                session, caller, now, "refuse", "agent", known["guid"], known["name"],
                None, {"code": known["code"], "address": known["address"]}, comment,
            )  # fmt: skip
            return str(known["name"])

        return self._store.unit_of_work(work)

    def create_token(
        self,
        uses: int,
        life: datetime.timedelta,
        into: Sequence[str],
        label: str,
        caller: Caller,
        comment: str = "",
    ) -> tuple[EnrolmentToken, str]:
        """A token for so many machines, good for so long; its text is told this once.

        Raises TokenRefused, TeamNotFound, TeamAmbiguous, CommentRefused.
        """
        audit.check_comment(comment)
        if not 1 <= uses <= MOST_USES:
            raise TokenRefused(f"a token is for 1 to {MOST_USES} agents, not {uses}")
        if not datetime.timedelta(seconds=1) <= life <= _LONGEST_LIFE:
            raise TokenRefused("a token is good for one second to a year")
        if len(label) > _LONGEST_LABEL:
            raise TokenRefused(f"a label has at most {_LONGEST_LABEL} characters")
        guid = moments.new_guid()
        text = tokens.new(guid)

        def work(session: WritingSession) -> EnrolmentToken:
            now = self._now()
            wanted = [teams.find(session, one) for one in into]
            session.execute(
                _TOKEN.insert(
                    guid=guid,
                    tenant_id=1,
                    label=label,
                    verifier=tokens.verifier(text),
                    uses_left=uses,
                    teams=[team.id for team in wanted],
                    created_at=now,
                    created_by=None if caller.principal is None else caller.principal.id,
                    expires_at=now + int(life.total_seconds() * moments.SECOND),
                )
            )
            audit.record(
                session, caller, now, "create", "enrolment token", guid, label, None,
                {"uses": uses, "teams": [team.name for team in wanted]}, comment,
            )  # fmt: skip
            (made,) = _tokens(session, _TOKEN.guid == guid)
            return made

        return self._store.unit_of_work(work), text

    def tokens(self) -> list[EnrolmentToken]:
        """All tokens that were made, the newest first."""
        with self._store.reading() as session:
            return _tokens(session, _TOKEN.tenant_id == 1)

    def revoke_token(self, reference: str, caller: Caller, comment: str = "") -> EnrolmentToken:
        """Let nobody in with this token any more. Raises TokenNotFound, CommentRefused."""
        audit.check_comment(comment)

        def work(session: WritingSession) -> EnrolmentToken:
            found = _token(session, reference)
            now = self._now()
            session.execute(
                _TOKEN.update(revoked_at=now).where(
                    _TOKEN.guid == found.guid, _TOKEN.revoked_at.is_null()
                )
            )
            audit.record(
                session, caller, now, "revoke", "enrolment token", found.guid, found.label,
                {"uses": found.uses_left}, None, comment,
            )  # fmt: skip
            return found

        return self._store.unit_of_work(work)

    def sweep(self) -> None:
        """Forget requests and tokens that are long over."""
        long_ago = self._now() - 30 * _REQUEST_LIFE
        requests = _REQUEST.delete().where(_REQUEST.expires_at < self._now())
        old = _TOKEN.delete().where(_TOKEN.expires_at < long_ago)

        def work(session: WritingSession) -> None:
            session.execute(requests)
            session.execute(old)

        self._store.unit_of_work(work)

    def _check_room(self, session: Session, address: str) -> None:
        """Raise TooManyWaiting where nobody would look through another request."""
        waiting = _REQUEST.select(_REQUEST.address).where(
            _REQUEST.state == State.WAITING, _REQUEST.expires_at > self._now()
        )
        found = [addresses.origin(row["address"]) for row in session.rows(waiting)]
        if len(found) >= MOST_WAITING or found.count(addresses.origin(address)) >= MOST_OF_ONE:
            raise TooManyWaiting

    def _insert(
        self, session: WritingSession, name: str, facts: AgentFacts, verifier: str, address: str
    ) -> Row:
        now = self._now()
        session.execute(
            _REQUEST.insert(
                guid=moments.new_guid(),
                tenant_id=1,
                name=name,
                facts=_facts(facts),
                address=address,
                code=_code(verifier),
                verifier=verifier,
                state=State.WAITING,
                created_at=now,
                expires_at=now + _REQUEST_LIFE,
            )
        )
        return _by_verifier(session, verifier) or {}

    def _use(self, session: WritingSession, token: str) -> list[int]:
        """Take one place of a token; answers the teams that it is for."""
        guid, now = tokens.guid_of(token), self._now()
        row = None if guid is None else session.first(_TOKEN.select().where(_TOKEN.guid == guid))
        if row is None or not tokens.matches(row["verifier"], token):
            raise EnrolmentRefused("the enrolment token is not known here")
        if row["revoked_at"] is not None:
            raise EnrolmentRefused("the enrolment token was revoked")
        if row["expires_at"] <= now:
            raise EnrolmentRefused("the enrolment token has expired")
        if row["uses_left"] < 1:
            raise EnrolmentRefused("the enrolment token has been used up")
        session.execute(_TOKEN.update(uses_left=row["uses_left"] - 1).where(_TOKEN.id == row["id"]))
        return list(row["teams"])

    def _admit(
        self,
        session: WritingSession,
        request: Row,
        into: Sequence[int],
        caller: Caller | None,
        how: str,
        comment: str = "",
    ) -> int:
        """Make the agent of a request; answers its number."""
        now, name, guid = self._now(), request["name"], moments.new_guid()
        principal = session.execute(
            _PRINCIPAL.insert(
                guid=moments.new_guid(),
                tenant_id=1,
                kind=PrincipalKind.AGENT,
                # Logins and agents have names of their own; those of agents may repeat.
                name=name,
                name_key=f"agent {guid}",
                description="",
                disabled=False,
                created_at=now,
            )
        )
        facts = AgentFacts(**request["facts"])
        agent = session.execute(
            _AGENT.insert(
                guid=guid,
                tenant_id=1,
                principal_id=principal,
                name=name,
                name_key=names.key(name),
                embedded=False,
                enabled=True,
                max_runs=facts.max_runs,
                boot_id="",
                created_at=now,
                **told(facts),
            )
        )
        living = teams.composition(session).teams.keys()
        for team in into:
            if team in living:
                member = models.TeamMember.insert(
                    team_id=team, kind=teams.MemberKind.AGENT, member_id=agent
                )
                session.execute(member)
        self._decide(session, request["id"], State.APPROVED, agent, caller)
        detail = f"{how}, from {request['address']}"
        events.record(session, agent, now, events.ENROLLED, detail)
        if caller is not None:
            audit.record(
                session, caller, now, "approve", "agent", guid, name, None,
                {"code": request["code"], "address": request["address"]}, comment,
            )  # fmt: skip
        return int(agent)

    def _decide(
        self,
        session: WritingSession,
        request_id: int,
        state: State,
        agent: int | None,
        caller: Caller | None,
    ) -> None:
        by = None if caller is None or caller.principal is None else caller.principal.id
        now = self._now()
        session.execute(
            _REQUEST.update(
                state=state,
                agent_id=agent,
                decided_at=now,
                decided_by=by,
                expires_at=now + _REQUEST_LIFE,
            ).where(_REQUEST.id == request_id)
        )

    def _standing(self, session: WritingSession, request: Row) -> Standing:
        """With the agent's token, a new one each time, until it has come with one of them."""
        if request["state"] != State.APPROVED:
            return _told(request)
        agent = session.first(_AGENT.select().where(_AGENT.id == request["agent_id"]))
        if agent is None or agent["deleted_at"] is not None:
            return Standing(request["guid"], State.REFUSED, request["code"])
        if agent["session"] is not None:
            return Standing(request["guid"], State.APPROVED, request["code"], agent["guid"])
        # One that has never opened a session is nobody's to lose: no new epoch is needed.
        credential = models.Credential
        session.execute(credential.delete().where(credential.principal_id == agent["principal_id"]))
        guid = moments.new_guid()
        token = tokens.new(guid)
        principal = agent["principal_id"]
        credentials.insert(session, principal, guid, token, credentials.PRESENT, self._now())
        return Standing(request["guid"], State.APPROVED, request["code"], agent["guid"], token)

    def _find(self, session: Session, reference: str) -> Row:
        """The waiting request with this GUID, code or name. Raises RequestNotFound."""
        query = _REQUEST.select().where(
            _REQUEST.state == State.WAITING, _REQUEST.expires_at > self._now()
        )
        wanted = reference.strip()
        found = [
            row
            for row in session.rows(query)
            if wanted.casefold() in (str(row["guid"]), row["code"].casefold())
            or names.key(wanted) == names.key(row["name"])
        ]
        if not found:
            raise RequestNotFound(f"no agent waits under the name, code or GUID {wanted!r}")
        if len(found) > 1:
            raise RequestNotFound(f"{len(found)} agents wait as {wanted!r}: name one by its code")
        return found[0]


def _by_verifier(session: Session, verifier: str) -> Row | None:
    return session.first(_REQUEST.select().where(_REQUEST.verifier == verifier))


def _code(verifier: str) -> str:
    """What people compare: of the secret, so that nobody else's request has the same."""
    return f"{verifier[:4]}-{verifier[4:8]}".upper()


def _facts(facts: AgentFacts) -> dict[str, Any]:
    stored: dict[str, Any] = told(facts)["facts"]
    return stored


def _told(request: Row) -> Standing:
    return Standing(request["guid"], State(request["state"]), request["code"])


def _waiting(row: Row) -> WaitingRequest:
    return WaitingRequest(
        row["guid"],
        row["name"],
        row["code"],
        row["address"],
        str(row["facts"].get("platform", "")),
        row["created_at"],
        row["expires_at"],
    )


def _tokens(session: Session, condition: Any) -> list[EnrolmentToken]:
    named = {team.id: team.name for team in teams.teams(session)}
    rows = session.rows(_TOKEN.select().where(condition).order_by(_TOKEN.id.desc()))
    return [
        EnrolmentToken(
            row["guid"],
            row["label"],
            row["uses_left"],
            tuple(named[team] for team in row["teams"] if team in named),
            row["created_at"],
            row["expires_at"],
            row["revoked_at"] is not None,
        )
        for row in rows
    ]


def _token(session: Session, reference: str) -> EnrolmentToken:
    wanted = reference.strip()
    found = [
        one
        for one in _tokens(session, _TOKEN.tenant_id == 1)
        if str(one.guid) == wanted.casefold() or (one.label and one.label == wanted)
    ]
    if len(found) != 1:
        problem = "there is no" if not found else f"{len(found)} have this label, not one"
        raise TokenNotFound(f"{problem} enrolment token {wanted!r}")
    return found[0]
