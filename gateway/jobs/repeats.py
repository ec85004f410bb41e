"""Requests that come again: under a key they are one job, without one the second is marked.

A client that got no answer cannot know whether its job was accepted. One that sends a key
(``Idempotency-Key``) sends the same again and is told of the first job. Of one that does not, an
equal request within a minute is accepted, and bears the mark of a possible duplicate.
"""

import dataclasses
import datetime
import enum
import functools
import hmac
import json
import re
import threading
import uuid
from collections.abc import Iterator
from typing import Any

from gateway import moments
from gateway.identity.keyring import Keyring
from gateway.identity.principals import Caller
from gateway.jobs.orders import JobOrder
from storage import models, statements
from storage.database import Store
from storage.session import Session, WritingSession

WINDOW = 60 * moments.SECOND
"""For how long an equal request counts as a possible duplicate, in microseconds."""

MOST_KEY = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MOST_KEY}}}\Z")

_BY_KEY = 0
_ACCEPTANCE = models.JobAcceptance
_INSERT = statements.Insert(
    _ACCEPTANCE,
    _ACCEPTANCE.owner_id,
    _ACCEPTANCE.kind,
    _ACCEPTANCE.token,
    _ACCEPTANCE.job_id,
    _ACCEPTANCE.created_at,
    ignoring=True,
)
_PURPOSE = b"request digest\n"
_DIGEST_BYTES = 16
# Rows that are read at a time when the last minute is read at the start.
_PORTION = 1000


class KeyRefused(ValueError):
    """An Idempotency-Key is none."""


class KeyReused(Exception):
    """A key was sent before, with another request."""


class AlreadyAccepted(Exception):
    """Somebody else has just been faster with the same key: nothing is made, his job counts."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a new job keeps of its request: its digest, and the equal job before it, if any.

    ``keyed``: it was sent with a key, and its answer may be asked for again.
    """

    digest: str = ""
    duplicate_of: uuid.UUID | None = None
    keyed: bool = False

    @property
    def note(self) -> str:
        """What the history of the job says of it."""
        if self.duplicate_of is None:
            return ""
        return f"possible duplicate of {self.duplicate_of}: an equal request within a minute"

    def options(self, due_at: int | None) -> dict[str, Any]:
        """What the stored request has of it; ``due_at`` as the first answer shows it."""
        found: dict[str, Any] = {}
        if self.duplicate_of is not None:
            found["possible_duplicate_of"] = str(self.duplicate_of)
        if self.keyed:
            found["accepted"] = {"due_at": due_at}
        return found


UNMARKED = Mark()
_OF_MARKS = frozenset({"possible_duplicate_of", "accepted"})


def unmarked(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a stored request without what concerns only the job they were made for."""
    return {name: value for name, value in options.items() if name not in _OF_MARKS}


def check_key(key: str) -> str:
    """The key. Raises KeyRefused."""
    if not _KEY.match(key):
        raise KeyRefused(
            f"Idempotency-Key: is 1 to {MOST_KEY} visible ASCII characters without spaces, such as "
            "a new GUID for each job"
        )
    return key


class Repeats:
    """Knows the requests of the last minute in memory, and those with a key in the store.

    ``lifetime`` of keys in microseconds. What was accepted before the start is read when the first
    request comes, so that what a client repeats after a crash is marked.
    """

    def __init__(self, store: Store, keys: Keyring, lifetime: int) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._recent: dict[bytes, tuple[int, uuid.UUID]] | None = None

    def of_order(self, order: JobOrder, caller: Caller) -> str:
        """The digest of an order of somebody."""
        return self._digest(_counting(order), caller)

    def of_rerun(self, job: uuid.UUID, caller: Caller) -> str:
        """The digest of somebody's wish to run a job again."""
        return self._digest({"rerun": str(job)}, caller)

    def seen(self, digest: str, job: uuid.UUID, now: int) -> uuid.UUID | None:
        """Remember a job; answers the last one of an equal request within the minute before."""
        recent = self._known(now)
        key = _short(digest)
        with self._lock:
            _forget_old(recent, now)
            before = recent.pop(key, None)
            recent[key] = (now, job)
        return None if before is None or abs(now - before[0]) > WINDOW else before[1]

    def forget(self, digest: str, job: uuid.UUID) -> None:
        """Forget a job that could not be stored after all."""
        with self._lock:
            if self._recent is not None:
                found = self._recent.get(_short(digest))
                if found is not None and found[1] == job:
                    del self._recent[_short(digest)]

    def first(
        self, session: Session, caller: Caller, key: str, digest: str, now: int
    ) -> int | None:
        """The job (its number) that a key of this caller has made; None for a new key.

        Raises KeyReused if the request was another one.
        """
        row = session.first(
            _ACCEPTANCE.select(_ACCEPTANCE.job_id).where(
                _ACCEPTANCE.owner_id == _owner(caller),
                _ACCEPTANCE.kind == _BY_KEY,
                _ACCEPTANCE.token == key,
                _ACCEPTANCE.created_at > now - self._lifetime,
            )
        )
        if row is None:
            return None
        request = models.JobRequest
        stored = session.scalar(
            request.select(request.digest).where(request.job_id == row["job_id"])
        )
        if stored is None:
            raise KeyReused(
                f"Idempotency-Key {key!r}: its job is no longer stored; send a new key for "
                "a new job"
            )
        if not self._same(stored, digest):
            raise KeyReused(
                f"Idempotency-Key {key!r}: was sent before with another request; send a new key "
                "for a new job"
            )
        found: int = row["job_id"]
        return found

    def keep(
        self, session: WritingSession, caller: Caller, key: str, job_id: int, now: int
    ) -> None:
        """Let a key stand for a job. Raises AlreadyAccepted, which undoes the unit of work."""
        owner = _owner(caller)
        session.execute(
            _ACCEPTANCE.delete().where(
                _ACCEPTANCE.owner_id == owner,
                _ACCEPTANCE.kind == _BY_KEY,
                _ACCEPTANCE.token == key,
                _ACCEPTANCE.created_at <= now - self._lifetime,
            )
        )
        values = {
            "owner_id": owner,
            "kind": _BY_KEY,
            "token": key,
            "job_id": job_id,
            "created_at": now,
        }
        # On PostgreSQL this waits for who is about to store the same key.
        if session.run(_INSERT, values).rowcount == 0:
            raise AlreadyAccepted(key)

    def _digest(self, content: Any, caller: Caller) -> str:
        """``key id:HMAC``: it tells nothing of the values to who has not the key file."""
        key = self._keys.active
        text = json.dumps([_owner(caller), content], sort_keys=True, separators=(",", ":"))
        made = hmac.digest(key.material, _PURPOSE + text.encode("utf-8", "replace"), "sha256")
        return f"{key.id}:{made[:_DIGEST_BYTES].hex()}"

    def _same(self, stored: str, digest: str) -> bool:
        """Whether two requests are equal; what a former key was made with cannot be told apart.

        Then they count as equal: a key is to forbid a second job, and that holds.
        """
        old, new = stored.partition(":"), digest.partition(":")
        return old[0] != new[0] or hmac.compare_digest(old[2], new[2])

    def _known(self, now: int) -> dict[bytes, tuple[int, uuid.UUID]]:
        if self._recent is None:
            with self._lock:
                if self._recent is None:
                    self._recent = self._read(now)
        return self._recent

    def _read(self, now: int) -> dict[bytes, tuple[int, uuid.UUID]]:
        with self._store.reading() as session:
            stored = list(_of_last_minute(session, now))
        return {_short(digest): (at, guid) for digest, at, guid in reversed(stored)}


def _of_last_minute(session: Session, now: int) -> Iterator[tuple[str, int, uuid.UUID]]:
    """The digests of jobs of the last minute, when they were made, and their GUIDs; newest first.

    Numbers are given in the order of time, or nearly: there is no index of times.
    """
    job, request = models.Job, models.JobRequest
    below: int | None = None
    while True:
        query = (
            job.select(job.id, job.guid, job.created_at, request.digest)
            .join(request, on=(request.job_id == job.id))
            .order_by(job.id.desc())
            .limit(_PORTION)
        )
        portion = session.rows(query if below is None else query.where(job.id < below))
        for row in portion:
            if row["digest"] and row["created_at"] >= now - WINDOW:
                yield row["digest"], row["created_at"], row["guid"]
        if len(portion) < _PORTION or portion[-1]["created_at"] < now - WINDOW:
            return
        below = portion[-1]["id"]


def _forget_old(recent: dict[bytes, tuple[int, uuid.UUID]], now: int) -> None:
    """The oldest come first."""
    while recent:
        oldest = next(iter(recent))
        if recent[oldest][0] >= now - WINDOW:
            return
        del recent[oldest]


def _short(digest: str) -> bytes:
    """What is kept in memory of a digest: there may be tens of thousands."""
    return bytes.fromhex(digest.partition(":")[2])


def _owner(caller: Caller) -> int:
    return 0 if caller.principal is None else caller.principal.id


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, object], ...]:
    """The names and defaults of the members of a dataclass."""
    return tuple((one.name, one.default) for one in dataclasses.fields(kind))


def _counting(order: JobOrder) -> dict[str, Any]:
    """What makes an order another one: not what is for people, nor the moment of one that is to
    run at once, which clients fill in, nor what came under unknown names.
    """
    found: dict[str, Any] = _normal(dataclasses.replace(order, extras={}))
    for one in (*found["what"], *found["who"]):
        one.pop("name", None)
    if order.timing.immediate and "timing" in found:
        found["timing"].pop("scheduled_at", None)
        if not found["timing"]:
            del found["timing"]
    return found


def _normal(value: Any) -> Any:
    """JSON of what counts in an order: members that are as they are anyway are left out.

    So an order keeps its digest where a later version knows more members.
    """
    if value is None or isinstance(value, str | int | float):
        return value.value if isinstance(value, enum.Enum) else value
    if dataclasses.is_dataclass(value):
        kind: Any = type(value)
        given = ((name, default, getattr(value, name)) for name, default in _fields(kind))
        return {name: _normal(one) for name, default, one in given if one != default}
    if isinstance(value, tuple | list):
        return [_normal(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_normal(item) for item in value), key=repr)
    if isinstance(value, dict):
        return {str(name): _normal(item) for name, item in value.items()}
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)
