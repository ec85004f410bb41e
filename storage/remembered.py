"""What is read again and again and seldom changes: remembered for as long as it holds.

A store counts the commits that changed a table. What was read from a table is remembered under the
count that held before it was read, and is read again as soon as the count is another. Nobody who
writes has to say so: every statement of a unit of work tells which table it changes.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import peewee

V = TypeVar("V")

_Count = tuple[int, ...]


class Remembered:
    """A kind of thing that is remembered, by keys of its own, and the tables it is read from.

    At most ``most`` of them in each store.
    """

    def __init__(self, *models: type[peewee.Model], most: int = 4096) -> None:
        self.tables: tuple[str, ...] = tuple(model._meta.table_name for model in models)
        self.most = most


class Memory:
    """What one store remembers.

    ``freshness`` is for a store that other processes write, too: theirs are not seen here, so
    nothing is remembered longer than so many seconds. None for one that is this process's alone.
    """

    def __init__(
        self, freshness: float | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._freshness = freshness
        self._monotonic = monotonic
        self._counts: dict[str, int] = {}
        self._counting = threading.Lock()
        self._entries: dict[Remembered, dict[Hashable, tuple[_Count, Any]]] = {}

    def changed(self, tables: Iterable[str]) -> None:
        """A commit has changed these tables. Called before anybody is told of the commit."""
        with self._counting:
            for table in tables:
                self._counts[table] = self._counts.get(table, 0) + 1

    def recall(self, kind: Remembered, key: Hashable, read: Callable[[], V]) -> V:
        """What is remembered, if it still holds; else what ``read`` finds, from now on."""
        count = self._count(kind.tables)
        entries = self._entries.setdefault(kind, {})
        entry = entries.get(key)
        if entry is not None and entry[0] == count:
            known: V = entry[1]
            return known
        # The count was taken before: a change that comes in between makes this entry old.
        found = read()
        if len(entries) >= kind.most:
            entries.clear()
        entries[key] = (count, found)
        return found

    def _count(self, tables: tuple[str, ...]) -> _Count:
        """Equal as long as nothing has changed in these tables."""
        counts = tuple([self._counts.get(table, 0) for table in tables])
        if self._freshness is None:
            return counts
        return (*counts, int(self._monotonic() / self._freshness))
