"""Requests that come again: under a key they are one job, without one the second is marked.

A client that got no answer cannot know whether its job was accepted. One that sends a key
(``Idempotency-Key``) sends the same again and is told of the first job. Of one that does not, an
equal request within a minute is accepted, and bears the mark of a possible duplicate.
"""

import dataclasses
import hmac
import re
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import orjson
import peewee

from gateway import moments
from gateway.catalog.policies import NOTHING, Policy
from gateway.identity.keyring import Key, Keyring
from gateway.identity.principals import Caller
from gateway.jobs.orders import (
    GivenParameters,
    GivenValue,
    JobOrder,
    LaunchWindow,
    Recurrence,
    Timing,
)
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
# For so long an old key is used after a new one was made.
_KEY_SECONDS = 1.0
# Rows that are read at a time when the last minute is read at the start.
_PORTION = 1000


class KeyRefused(ValueError):
    """An Idempotency-Key is none."""


class KeyReused(Exception):
    """A key was sent before, with another request."""


class AlreadyAccepted(Exception):
    """Somebody else has just been faster with the same key: nothing is made, his job counts."""


class Seen:
    """A job that was made lately. It counts unless it turns out that it could not be stored."""

    __slots__ = ("_durable", "_outcome", "at", "job")

    def __init__(self, at: int, job: uuid.UUID, *, durable: bool = False) -> None:
        self.at = at
        self.job = job
        self._durable = durable
        self._outcome: Future[None] | None = None

    def depends_on(self, outcome: "Future[None]") -> None:
        """It counts unless this fails. Cheaper than to be called back."""
        if not self._durable:
            self._outcome = outcome

    def is_durable(self) -> None:
        """It was stored."""
        self._durable = True
        self._outcome = None

    def failed(self) -> None:
        """It was not stored."""
        self.at = 0

    @property
    def counts(self) -> bool:
        """Whether it was stored, or may be."""
        outcome = self._outcome
        return outcome is None or not outcome.done() or _is_well(outcome)


def _is_well(outcome: "Future[None]") -> bool:
    return not outcome.cancelled() and outcome.exception() is None


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a new job keeps of its request: its digest, and the equal job before it, if any.

    ``keyed``: it was sent with a key, and its answer may be asked for again. ``seen`` is what is
    remembered of the job itself.
    """

    digest: str = ""
    duplicate_of: uuid.UUID | None = None
    keyed: bool = False
    seen: Seen | None = None

    @property
    def note(self) -> str:
        """What the history of the job says of it."""
        if self.duplicate_of is None:
            return ""
        return f"possible duplicate of {self.duplicate_of}: an equal request within a minute"

    def failed(self) -> None:
        """Its job could not be stored."""
        if self.seen is not None:
            self.seen.failed()

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

    def __init__(
        self,
        store: Store,
        keys: Keyring,
        lifetime: int,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._keys = keys
        self._elapsed = elapsed
        self._key: tuple[float, Key] | None = None
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._recent: dict[bytes, Seen] | None = None

    def of_order(self, order: JobOrder, caller: Caller) -> str:
        """The digest of an order of somebody."""
        return self._digest(_counting(order), caller)

    def of_rerun(self, job: uuid.UUID, caller: Caller) -> str:
        """The digest of somebody's wish to run a job again."""
        return self._digest({"rerun": str(job)}, caller)

    def mark(self, digest: str, job: uuid.UUID, now: int) -> Mark:
        """Remember a job, and whether there was one of an equal request within the minute before.

        Who has asked says later what became of ``seen``.
        """
        recent = self._known(now)
        key, own = _short(digest), Seen(now, job)
        with self._lock:
            _forget_old(recent, now)
            before = recent.pop(key, None)
            recent[key] = own
        if before is None or abs(now - before.at) > WINDOW or not before.counts:
            return Mark(digest, seen=own)
        return Mark(digest, before.job, seen=own)

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

    def _digest(self, content: Mapping[str, Any], caller: Caller) -> str:
        """``key id, shape:HMAC``: it tells nothing of the values to who has not the key file."""
        key = self._active_key()
        text = _PURPOSE + _text(_owner(caller), content)
        made = hmac.digest(key.material, text, "sha256")
        return f"{key.id}{_SHAPE}:{made[:_DIGEST_BYTES].hex()}"

    def _active_key(self) -> Key:
        """The key; the ring asks the disk each time, which is too often for each job."""
        known, now = self._key, self._elapsed()
        if known is None or now - known[0] > _KEY_SECONDS:
            known = self._key = (now, self._keys.active)
        return known[1]

    def _same(self, stored: str, digest: str) -> bool:
        """Whether two requests are equal. Digests that another key of ours, or another version, has
        made cannot be compared; they count as equal: a second job is what must not be.
        """
        old, new = stored.partition(":"), digest.partition(":")
        return old[0] != new[0] or hmac.compare_digest(old[2], new[2])

    def _known(self, now: int) -> dict[bytes, Seen]:
        if self._recent is None:
            with self._lock:
                if self._recent is None:
                    self._recent = self._read(now)
        return self._recent

    def _read(self, now: int) -> dict[bytes, Seen]:
        with self._store.reading() as session:
            stored = list(_of_last_minute(session, now))
        return {
            _short(digest): Seen(at, guid, durable=True) for digest, at, guid in reversed(stored)
        }


def sweep(session: WritingSession, before: int, most: int) -> int:
    """Forget what keys stand for since before a moment; how many, at most so many."""
    key = (_ACCEPTANCE.owner_id, _ACCEPTANCE.kind, _ACCEPTANCE.token)
    old = _ACCEPTANCE.select(*key).where(_ACCEPTANCE.created_at < before).limit(most)
    return int(session.execute(_ACCEPTANCE.delete().where(peewee.Tuple(*key).in_(old))) or 0)


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


def _forget_old(recent: dict[bytes, Seen], now: int) -> None:
    """The oldest come first."""
    while recent:
        oldest = next(iter(recent))
        if recent[oldest].at >= now - WINDOW:
            return
        del recent[oldest]


def _short(digest: str) -> bytes:
    """What is kept in memory of a digest: there may be tens of thousands."""
    return bytes.fromhex(digest.partition(":")[2])


def _owner(caller: Caller) -> int:
    return 0 if caller.principal is None else caller.principal.id


def _text(owner: int, content: Mapping[str, Any]) -> bytes:
    """What is digested, the same for what is equal; fast, for it is made for each job."""
    try:
        return orjson.dumps([owner, content], default=_other)
    except TypeError:
        # Numbers and characters that JSON has not.
        return repr((owner, content)).encode("utf-8", "backslashreplace")


def _counting(order: JobOrder) -> dict[str, Any]:
    """What makes an order another one: not what is for people, nor the moment of one that is to
    run at once, which clients fill in, nor what came under unknown names.
    """
    timing = order.timing
    if timing.immediate and timing.scheduled_at is not None:
        timing = dataclasses.replace(timing, scheduled_at=None)
    return vars(order) | {
        "what": [(one.guid, one.kind) for one in order.what],
        "who": [(one.reference, one.kind) for one in order.who],
        "timing": timing,
        "extras": None,
    }


def _other(value: Any) -> Any:
    """What JSON knows nothing of: sets, and policies."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Policy):
        return value.said if value != NOTHING else None
    raise TypeError(type(value).__name__)


def _shape() -> str:
    """Which members orders have in this version: digests of another one cannot be compared."""
    kinds = (JobOrder, Timing, Recurrence, LaunchWindow, GivenParameters, GivenValue)
    listed = [one.name for kind in kinds for one in dataclasses.fields(kind)]
    return f"{zlib.crc32(' '.join([*listed, *Policy.model_fields]).encode()):08x}"


_SHAPE = _shape()
