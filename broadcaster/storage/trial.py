"""What a dry run has to remember of a file of any size: a database of its own that nobody keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager


class Trial:
    """Which numbers would have been taken, by blind index, and which rows refused."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        for statement in (
            "PRAGMA journal_mode=OFF",
            "PRAGMA synchronous=OFF",
            "CREATE TABLE taken (key BLOB PRIMARY KEY) WITHOUT ROWID",
            "CREATE TABLE refused (line INTEGER PRIMARY KEY, reason TEXT)",
        ):
            connection.execute(statement)

    def take(self, keys: Collection[bytes]) -> None:
        """Remember numbers."""
        self._connection.executemany("INSERT INTO taken VALUES (?)", [(key,) for key in keys])

    def taken(self, keys: Collection[bytes]) -> set[bytes]:
        """Return those of these numbers that are remembered."""
        look = self._connection.execute
        return {key for key in keys if look("SELECT 1 FROM taken WHERE key = ?", (key,)).fetchone()}

    def refuse(self, refusals: Sequence[tuple[int, str]]) -> None:
        """Remember why rows were refused: line and reason."""
        self._connection.executemany("INSERT INTO refused VALUES (?, ?)", refusals)

    def refusals(self) -> Iterator[tuple[int, str]]:
        """Yield what was refused, by line."""
        yield from self._connection.execute("SELECT line, reason FROM refused ORDER BY line")

    def reasons(self) -> dict[str, int]:
        """Count what was refused, by reason."""
        counted = self._connection.execute("SELECT reason, count(*) FROM refused GROUP BY reason")
        return dict(counted.fetchall())


@contextmanager
def trial() -> Iterator[Trial]:
    """Open one; SQLite keeps it in a temporary file that nobody else can open, and deletes it."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        yield Trial(connection)
