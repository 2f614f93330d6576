"""Putting a database back from a copy of earlier, as an operator does after a lost disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa


@contextmanager
def kept(url: str) -> Iterator[Callable[[], None]]:
    """Copy a database that nobody uses at this moment; give a function that puts the copy back.

    Args:
        url: of the database; a file of SQLite, or one on a server of PostgreSQL.
    """
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite":
        yield _copied(Path(str(made.database)))
        return
    name, copy = made.database, f"{made.database}_kept"
    admin = sa.create_engine(made.set(database="postgres"), isolation_level="AUTOCOMMIT")

    def execute(*statements: str) -> None:
        with admin.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
    try:
        yield lambda: execute(
            f'DROP DATABASE "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE "{copy}"'
        )
    finally:
        execute(f'DROP DATABASE "{copy}" WITH (FORCE)')
        admin.dispose()


def _copied(path: Path) -> Callable[[], None]:
    copy = path.with_suffix(".backup")
    shutil.copy(path, copy)

    def put_back() -> None:
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        shutil.copy(copy, path)

    return put_back
