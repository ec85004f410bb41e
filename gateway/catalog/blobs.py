"""Bytes in the store: chunked rows, written in short transactions, published in one step."""

import contextlib
import enum
import hashlib
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import peewee

from gateway import moments
from storage import models, statements
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Row, Session

log = logging.getLogger("gateway.catalog")

CHUNK_BYTES = 256 * 1024
# A transaction is one sync of the disk; so long as this many are written, others wait.
_CHUNKS_AT_ONCE = 4
_SWEPT_CHUNKS_AT_ONCE = 64


class BlobNotFound(LookupError):
    """No published blob has this id."""


class BlobLost(Exception):
    """An unpublished blob was swept away while it was still being written or kept back."""


class NoRoom(Exception):
    """The disk of the store has no room for more content."""


class BlobDamaged(Exception):
    """A published blob's bytes are not those that were written."""


class _State(enum.IntEnum):
    UNPUBLISHED = 0
    PUBLISHED = 1


# In ``created_at``: given up. Its chunks may be half gone, so nothing can publish it any more.
_GIVEN_UP = 0


@dataclass(frozen=True)
class BlobReference:
    """A blob: ``size`` in bytes, ``sha256`` in 64 lower-case hex digits."""

    id: int
    guid: uuid.UUID
    size: int
    sha256: str


_ALIVE = (models.Blob.state == _State.UNPUBLISHED) & (models.Blob.created_at > _GIVEN_UP)
_INSERT_CHUNK = statements.Insert(
    models.BlobChunk, models.BlobChunk.blob_id, models.BlobChunk.seq, models.BlobChunk.data
)


class Blobs:
    """Writes, reads and sweeps blobs."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], int],
        *,
        aside: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        low_disk_bytes: int = 0,
    ) -> None:
        """``aside`` lets other requests compute while a content is written.

        ``low_disk_bytes`` are kept free for what is more urgent than content.
        """
        self._store = store
        self._now = now
        self._aside = aside
        self._least_free = low_disk_bytes

    def check_room(self, size: int) -> None:
        """Raise NoRoom where so many bytes more would fill the disk of the store."""
        free = self._store.free_bytes()
        if free is not None and free - size < self._least_free:
            raise NoRoom(
                f"the disk of the store has {free // 2**20} MiB left, of which "
                f"{self._least_free // 2**20} MiB are kept for jobs: {size // 2**20} MiB more "
                "have no room; try again later"
            )

    def write(self, chunks: Iterable[bytes], tenant: int = 1) -> BlobReference:
        """Store bytes as an unpublished blob, one short transaction for each MiB at most.

        Nothing refers to it and ``sweep`` may take it until ``publish``. Raises BlobLost when a
        sweep took it midway, and StoreUnavailable.
        """
        with self._aside():
            guid = moments.new_guid()
            blob_id = self._store.unit_of_work(lambda session: self._begin(session, guid, tenant))
            blob = BlobReference(blob_id, guid, 0, "")
            try:
                return self._fill(blob, chunks)
            except BaseException:
                self.give_up(blob)
                raise

    def _fill(self, blob: BlobReference, chunks: Iterable[bytes]) -> BlobReference:
        digest = hashlib.sha256()
        size = 0
        seq = 0
        for some in _even_chunks(chunks):
            for data in some:
                digest.update(data)
                size += len(data)
            self._append(blob.id, seq, some)
            seq += len(some)
        return BlobReference(blob.id, blob.guid, size, digest.hexdigest())

    def give_up(self, blob: BlobReference) -> None:
        """Have the next sweep take a blob, unless it was published; never raises StoreUnavailable.

        What cannot be marked now is swept when it has not grown for long enough.
        """

        def work(session: Session) -> None:
            session.execute(_update(blob.id, created_at=_GIVEN_UP).where(_ALIVE))

        try:
            self._store.unit_of_work(work)
        except StoreUnavailable as error:
            log.warning("the content %s could not be given up: %s", blob.guid, error)

    def publish(self, session: Session, blob: BlobReference) -> None:
        """Make a written blob readable, together with whatever else the session commits.

        Raises BlobLost when it was swept meanwhile.
        """
        table = models.Blob
        published = session.execute(
            table.update(state=_State.PUBLISHED, size=blob.size, sha256=blob.sha256).where(
                (table.id == blob.id) & _ALIVE
            )
        )
        if not published:
            raise BlobLost(f"the content {blob.guid} was kept unpublished too long: send it again")

    def discard(self, session: Session, blob_id: int) -> None:
        """Give a blob up, published or not; a later ``sweep`` frees its space."""
        session.execute(_update(blob_id, state=_State.UNPUBLISHED, created_at=_GIVEN_UP))

    def find(self, session: Session, blob_id: int) -> BlobReference:
        """A published blob; raises BlobNotFound."""
        table = models.Blob
        row = session.first(
            table.select().where((table.id == blob_id) & (table.state == _State.PUBLISHED))
        )
        if row is None:
            raise BlobNotFound(f"there is no content with the number {blob_id}")
        return _reference(row)

    def read(self, blob_id: int, offset: int = 0) -> Iterator[bytes]:
        """The bytes from ``offset`` on, chunk by chunk.

        Each chunk is a query of its own, so that a slow reader holds no snapshot. Raises
        BlobNotFound at once, BlobDamaged when a chunk is missing or has another length.
        """
        with self._store.reading() as session:
            blob = self.find(session, blob_id)
        return self._chunks(blob, offset)

    def verify(self, blob_id: int) -> None:
        """Read everything and compare it with the SHA-256; raises BlobNotFound, BlobDamaged."""
        with self._store.reading() as session:
            blob = self.find(session, blob_id)
        digest = hashlib.sha256()
        for data in self._chunks(blob, 0):
            digest.update(data)
        if digest.hexdigest() != blob.sha256:
            raise BlobDamaged(
                f"the content {blob.guid} has SHA-256 {digest.hexdigest()}, "
                f"but was stored with {blob.sha256}: restore it from a backup"
            )

    def sweep(self, older_than: int) -> int:
        """Delete what was given up, and unpublished blobs that last grew before ``older_than``.

        ``older_than`` is a moment. Works in small transactions; answers how many blobs went.
        """
        with self._store.reading() as session:
            doomed = session.rows(models.Blob.select(models.Blob.id).where(_dead(older_than)))
        return sum(self._remove(row["id"], older_than) for row in doomed)

    def _begin(self, session: Session, guid: uuid.UUID, tenant: int) -> int:
        return int(
            session.execute(
                models.Blob.insert(
                    guid=guid,
                    tenant_id=tenant,
                    state=_State.UNPUBLISHED,
                    size=0,
                    created_at=self._now(),
                )
            )
        )

    def _append(self, blob_id: int, first: int, some: Sequence[bytes]) -> None:
        def work(session: Session) -> None:
            # The moment moves with each chunk, so that a slow upload is not taken for a dead one.
            alive = session.execute(
                _update(
                    blob_id, created_at=self._now(), size=models.Blob.size + sum(map(len, some))
                ).where(_ALIVE)
            )
            if not alive:
                raise BlobLost("the content came too slowly and was swept: send it again")
            for seq, data in enumerate(some, first):
                session.run(_INSERT_CHUNK, {"blob_id": blob_id, "seq": seq, "data": data})

        self._store.unit_of_work(work)

    def _chunks(self, blob: BlobReference, offset: int) -> Iterator[bytes]:
        position = offset - offset % CHUNK_BYTES
        while position < blob.size:
            data = self._chunk(blob, position // CHUNK_BYTES)
            if len(data) != min(CHUNK_BYTES, blob.size - position):
                raise BlobDamaged(
                    f"the content {blob.guid} is damaged or was deleted at byte {position}"
                )
            yield data[max(offset - position, 0) :]
            position += len(data)

    def _chunk(self, blob: BlobReference, seq: int) -> bytes:
        table = models.BlobChunk
        with self._store.reading() as session:
            row = session.first(
                table.select(table.data).where((table.blob_id == blob.id) & (table.seq == seq))
            )
        return bytes(row["data"]) if row else b""

    def _remove(self, blob_id: int, older_than: int) -> bool:
        """Delete one blob in steps; False when it was published or grew meanwhile."""
        if not self._store.unit_of_work(lambda session: _give_up(session, blob_id, older_than)):
            return False
        while self._store.unit_of_work(lambda session: _remove_some(session, blob_id)):
            pass
        return True


def _even_chunks(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The same bytes in chunks of CHUNK_BYTES, the last one shorter; as they come, a few at once.

    None waits for those after it, which may take their time.
    """
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        whole = len(waiting) - len(waiting) % CHUNK_BYTES
        yield from _grouped(waiting, whole)
        del waiting[:whole]
    yield from _grouped(waiting, len(waiting))


def _grouped(data: bytearray, end: int) -> Iterator[list[bytes]]:
    group = CHUNK_BYTES * _CHUNKS_AT_ONCE
    for start in range(0, end, group):
        some = bytes(data[start : min(start + group, end)])
        yield [some[at : at + CHUNK_BYTES] for at in range(0, len(some), CHUNK_BYTES)]


def _reference(row: Row) -> BlobReference:
    return BlobReference(row["id"], row["guid"], row["size"], row["sha256"])


def _update(blob_id: int, **values: object) -> peewee.ModelUpdate:
    return models.Blob.update(**values).where(models.Blob.id == blob_id)


def _dead(older_than: int) -> peewee.Expression:
    return (models.Blob.state == _State.UNPUBLISHED) & (models.Blob.created_at < older_than)


def _give_up(session: Session, blob_id: int, older_than: int) -> bool:
    return bool(session.execute(_update(blob_id, created_at=_GIVEN_UP).where(_dead(older_than))))


def _remove_some(session: Session, blob_id: int) -> bool:
    """Delete the next few chunks; with none left, the blob itself. Answers whether chunks went."""
    table = models.BlobChunk
    some = (
        table.select(table.seq)
        .where(table.blob_id == blob_id)
        .order_by(table.seq)
        .limit(_SWEPT_CHUNKS_AT_ONCE)
    )
    gone = session.execute(table.delete().where((table.blob_id == blob_id) & table.seq.in_(some)))
    if not gone:
        session.execute(models.Blob.delete().where(models.Blob.id == blob_id))
    return bool(gone)
