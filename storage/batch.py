"""Rows that wait to be written together.

A unit of work that gathers rows instead of writing each at once lets one statement write those of
many calls, and of many units that share a commit. Whoever then looks at the tables finds them as
if each had been written in its turn: before any other statement, what waits is written
(``storage.session``).
"""

from collections.abc import Iterator

from storage import models, statements

Values = list[object]


class Batch:
    """Rows by the statement that writes them, and sums by the row that keeps them.

    Rows of one table that are written by different statements do not go together: their order
    counts. Those of different tables are written in the order in which tables refer to each other.
    """

    def __init__(self) -> None:
        self._rows: dict[str, tuple[statements.RowWriter, list[Values]]] = {}
        self._sums: dict[tuple[statements.RowWriter, tuple[object, ...]], int] = {}

    @property
    def holds_rows(self) -> bool:
        """Whether rows wait; sums are nobody's concern before the commit."""
        return bool(self._rows)

    def takes(self, writer: statements.RowWriter) -> bool:
        """Whether rows of this writer may join those that wait."""
        waiting = self._rows.get(writer.write.table)
        return waiting is None or waiting[0] is writer

    def add(self, writer: statements.RowWriter, row: Values) -> None:
        """Let a row wait; ``takes`` must hold."""
        waiting = self._rows.get(writer.write.table)
        if waiting is None:
            self._rows[writer.write.table] = (writer, [row])
        else:
            waiting[1].append(row)

    def add_up(self, writer: statements.RowWriter, key: tuple[object, ...], amount: int) -> None:
        """Add to the sum of the row that has this key, all its values but the last."""
        place = (writer, key)
        self._sums[place] = self._sums.get(place, 0) + amount

    def fits(self, later: "Batch") -> bool:
        """Whether the rows of a later batch may be written together with these."""
        return all(self.takes(writer) for writer, _ in later._rows.values())

    def absorb(self, later: "Batch") -> None:
        """Take over all of a later batch, which fits."""
        for table, (writer, rows) in later._rows.items():
            waiting = self._rows.get(table)
            if waiting is None:
                self._rows[table] = (writer, rows)
            else:
                waiting[1].extend(rows)
        for (writer, key), amount in later._sums.items():
            self.add_up(writer, key, amount)

    def take_rows(self) -> Iterator[tuple[str, Values]]:
        """The statements that write what waits, with their values; nothing waits any more."""
        rows, self._rows = self._rows, {}
        for table in sorted(rows, key=models.RANKS.__getitem__):
            writer, waiting = rows[table]
            yield from writer.statements(waiting)

    def take_sums(self) -> Iterator[tuple[str, Values]]:
        """The statements that bring the sums up to date; in one order for all who do so."""
        sums, self._sums = self._sums, {}
        by_writer: dict[statements.RowWriter, list[Values]] = {}
        for (writer, key), amount in sums.items():
            if amount:
                names = [each.name for each in writer.write.columns()]
                row = writer.row(dict(zip(names, (*key, amount), strict=True)))
                by_writer.setdefault(writer, []).append(row)
        for writer, rows in by_writer.items():
            # Others wait for these rows until the commit: taken in one order, never in a circle.
            yield from writer.statements(sorted(rows, key=repr))

    @property
    def sum_tables(self) -> set[str]:
        """The tables that keep the sums."""
        return {writer.write.table for writer, _ in self._sums}

    @property
    def tables(self) -> list[str]:
        """The tables whose rows wait."""
        return list(self._rows)
