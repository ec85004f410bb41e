import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.agents.cache import CacheFailed, ResourceCache
from storage.errors import StoreUnavailable


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Source:
    """The other side; it sends at most ``cut`` bytes at a time, if that is set."""

    def __init__(self, data: bytes, cut: int | None = None) -> None:
        self.data = data
        self.cut = cut
        self.starts: list[int] = []

    def __call__(self, start: int) -> Iterator[bytes]:
        self.starts.append(start)
        end = len(self.data) if self.cut is None else start + self.cut
        for at in range(start, min(end, len(self.data)), 100):
            yield self.data[at : min(at + 100, end)]
        if end < len(self.data):
            raise StoreUnavailable("cut")


@pytest.fixture
def made(tmp_path: Path) -> Callable[[int], ResourceCache]:
    def make(most: int) -> ResourceCache:
        cache = ResourceCache(tmp_path / "cache", most, lambda _: None)
        cache.prepare()
        return cache

    return make


def read(cache: ResourceCache, source: Source, data: bytes | None = None) -> bytes:
    wanted = source.data if data is None else data
    with cache.open(digest(wanted), len(wanted), source) as pieces:
        return b"".join(pieces)


@pytest.mark.parametrize("data", [b"", b"one", os.urandom(5000)])
def test_what_was_fetched_once_is_there(made: Callable[[int], ResourceCache], data: bytes) -> None:
    source = Source(data)
    assert [read(made(10_000), source) for _ in range(3)] == [data] * 3
    assert source.starts == [0]


def test_a_damaged_file_is_noticed_and_fetched_again(
    made: Callable[[int], ResourceCache], tmp_path: Path
) -> None:
    source = Source(b"right" * 100)
    cache = made(10_000)
    read(cache, source)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"wrong" * 100)
    assert read(cache, source) == source.data
    file.write_bytes(b"short")
    assert read(cache, source) == source.data
    assert source.starts == [0, 0, 0]


def test_a_cut_transfer_is_gone_on_with_also_by_the_next_process(
    made: Callable[[int], ResourceCache], tmp_path: Path
) -> None:
    data = os.urandom(1000)
    with pytest.raises(StoreUnavailable):
        read(made(10_000), Source(data, 0))
    (tmp_path / "cache" / f"{digest(data)}.partial").write_bytes(data[:400])
    source = Source(data, 300)
    assert read(made(10_000), source) == data
    assert source.starts == [400, 700]


def test_a_damaged_part_is_fetched_from_the_start(
    made: Callable[[int], ResourceCache], tmp_path: Path
) -> None:
    data = os.urandom(1000)
    cache = made(10_000)
    (tmp_path / "cache" / f"{digest(data)}.partial").write_bytes(bytes(400))
    source = Source(data)
    assert read(cache, source) == data
    assert source.starts == [400, 0]


def test_other_bytes_than_announced_are_never_given(
    made: Callable[[int], ResourceCache], tmp_path: Path
) -> None:
    with pytest.raises(CacheFailed, match="SHA-256"):
        read(made(10_000), Source(b"other"), b"right")
    assert not list((tmp_path / "cache").iterdir())


def test_the_longest_unused_go_and_what_is_in_use_stays(
    made: Callable[[int], ResourceCache], tmp_path: Path
) -> None:
    cache = made(2500)
    first, second, third = (Source(bytes([n]) * 1000) for n in range(3))
    for n, source in enumerate((first, second)):
        read(cache, source)
        os.utime(tmp_path / "cache" / digest(source.data), (n, n))
    read(cache, first)
    read(cache, third)
    assert read(cache, first) == first.data
    assert (len(first.starts), len(second.starts)) == (1, 1)
    with cache.open(digest(second.data), 1000, second) as pieces:
        read(cache, Source(b"x" * 2500))
        assert b"".join(pieces) == second.data
    assert len(second.starts) == 2


def test_nothing_is_kept_where_nothing_may_be(
    made: Callable[[int], ResourceCache], tmp_path: Path
) -> None:
    source = Source(b"one")
    cache = made(0)
    assert [read(cache, source), read(cache, source)] == [b"one"] * 2
    assert source.starts == [0, 0]
    assert not list((tmp_path / "cache").iterdir())


def test_half_a_resource_does_not_keep_a_full_disk_full(
    made: Callable[[int], ResourceCache], tmp_path: Path
) -> None:
    def full(_start: int) -> Iterator[bytes]:
        yield bytes(500)
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(OSError, match="No space left"),
        made(10_000).open(digest(b"x"), 1000, full),
    ):
        raise AssertionError("there is nothing to give")
    assert not list((tmp_path / "cache").iterdir())


def test_several_want_the_same_and_one_fetches_it(made: Callable[[int], ResourceCache]) -> None:
    source = Source(os.urandom(50_000))
    cache = made(100_000)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(read(cache, source))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [source.data] * 8
    assert source.starts == [0]
