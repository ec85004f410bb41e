import hashlib
from collections.abc import Iterator

import pytest

from gateway.catalog.blobs import (
    CHUNK_BYTES,
    BlobDamaged,
    BlobLost,
    BlobNotFound,
    BlobReference,
)
from storage import models
from tests.unit.catalog.conftest import Parts

CONTENT = bytes(range(256)) * (CHUNK_BYTES // 256 * 2 + 3)


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def published(parts: Parts, data: bytes = CONTENT) -> BlobReference:
    blob = parts.blobs.write(in_pieces(data, 100_000))
    parts.store.unit_of_work(lambda session: parts.blobs.publish(session, blob))
    return blob


def chunks_left(parts: Parts) -> int:
    with parts.store.reading() as session:
        return len(session.rows(models.BlobChunk.select(models.BlobChunk.seq)))


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(CONTENT)]
)
def test_bytes_come_back_as_they_went_in(parts: Parts, size: int) -> None:
    data = CONTENT[:size]
    blob = published(parts, data)
    assert (blob.size, blob.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert b"".join(parts.blobs.read(blob.id)) == data
    parts.blobs.verify(blob.id)


def test_chunks_have_one_size_whatever_the_pieces(parts: Parts) -> None:
    blob = published(parts)
    sizes = [len(chunk) for chunk in parts.blobs.read(blob.id)]
    assert sizes == [CHUNK_BYTES, CHUNK_BYTES, len(CONTENT) - 2 * CHUNK_BYTES]


@pytest.mark.parametrize(
    "offset", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, len(CONTENT) - 1, len(CONTENT), 10**9]
)
def test_reading_begins_at_an_offset(parts: Parts, offset: int) -> None:
    blob = published(parts)
    assert b"".join(parts.blobs.read(blob.id, offset)) == CONTENT[offset:]


def test_an_unpublished_blob_cannot_be_read(parts: Parts) -> None:
    blob = parts.blobs.write([CONTENT])
    with pytest.raises(BlobNotFound):
        parts.blobs.read(blob.id)


def test_publishing_is_undone_with_its_unit_of_work(parts: Parts) -> None:
    blob = parts.blobs.write([CONTENT])

    def work(session: object) -> None:
        parts.blobs.publish(session, blob)  # type: ignore[arg-type]  # a Session
        raise KeyError("something else failed")

    with pytest.raises(KeyError):
        parts.store.unit_of_work(work)
    with pytest.raises(BlobNotFound):
        parts.blobs.read(blob.id)


def test_a_sweep_takes_old_unpublished_blobs_only(parts: Parts) -> None:
    kept = published(parts)
    old = parts.blobs.write([CONTENT * 40])
    parts.clock.moment += 1000
    young = parts.blobs.write([CONTENT])
    assert parts.blobs.sweep(older_than=parts.clock.moment) == 1
    parts.blobs.verify(kept.id)
    parts.store.unit_of_work(lambda session: parts.blobs.publish(session, young))
    parts.blobs.verify(young.id)
    assert chunks_left(parts) == 6
    with pytest.raises(BlobLost):
        parts.store.unit_of_work(lambda session: parts.blobs.publish(session, old))


def test_a_slow_upload_is_not_swept_while_it_goes_on(parts: Parts) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(4):
            parts.clock.moment += 1000
            assert parts.blobs.sweep(older_than=parts.clock.moment - 1500) == 0
            yield bytes(CHUNK_BYTES)

    blob = parts.blobs.write(slowly())
    assert blob.size == 4 * CHUNK_BYTES


def test_an_upload_that_was_swept_midway_is_refused(parts: Parts) -> None:
    def stalled() -> Iterator[bytes]:
        yield bytes(CHUNK_BYTES)
        parts.clock.moment += 1000
        assert parts.blobs.sweep(older_than=parts.clock.moment) == 1
        yield bytes(CHUNK_BYTES)

    with pytest.raises(BlobLost):
        parts.blobs.write(stalled())
    assert chunks_left(parts) == 0


def test_a_discarded_blob_is_gone_at_once_and_swept_next(parts: Parts) -> None:
    blob = published(parts)
    parts.store.unit_of_work(lambda session: parts.blobs.discard(session, blob.id))
    with pytest.raises(BlobNotFound):
        parts.blobs.read(blob.id)
    with pytest.raises(BlobLost):
        parts.store.unit_of_work(lambda session: parts.blobs.publish(session, blob))
    assert parts.blobs.sweep(older_than=1) == 1
    assert chunks_left(parts) == 0


def test_a_reader_finds_out_that_its_blob_was_deleted(parts: Parts) -> None:
    blob = published(parts)
    chunks = parts.blobs.read(blob.id)
    assert next(chunks) == CONTENT[:CHUNK_BYTES]
    parts.store.unit_of_work(lambda session: parts.blobs.discard(session, blob.id))
    parts.blobs.sweep(older_than=1)
    with pytest.raises(BlobDamaged, match=str(CHUNK_BYTES)):
        next(chunks)


def test_verify_finds_a_changed_byte(parts: Parts) -> None:
    blob = published(parts)
    chunk = models.BlobChunk
    changed = b"!" + CONTENT[1:CHUNK_BYTES]
    parts.store.unit_of_work(
        lambda session: session.execute(
            chunk.update(data=changed).where((chunk.blob_id == blob.id) & (chunk.seq == 0))
        )
    )
    with pytest.raises(BlobDamaged, match=blob.sha256):
        parts.blobs.verify(blob.id)
