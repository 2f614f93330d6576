"""The schema's versions: bringing a database up to date, and refusing one that is not ours."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DatabaseError, OperationalError

from broadcaster import resources
from broadcaster.core.errors import DatabaseMismatch, InvalidInput
from broadcaster.storage.session import use_wal


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring a database up to a revision; an empty one gets all tables."""
    use_wal(engine)
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take a database back to an earlier revision."""
    with engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def revise(engine: Engine, message: str) -> None:
    """Write a new migration from the difference between the tables and the database."""
    with engine.begin() as connection:
        command.revision(_config(connection), message, autogenerate=True)


def current(engine: Engine) -> str | None:
    """Return the revision a database is at; None when it has no tables of ours.

    Raises:
        DatabaseMismatch: it is no database, or cannot be reached.
    """
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        message = f"The database cannot be opened: {_cause(error)}"
        raise DatabaseMismatch(message) from error
    except DatabaseError as error:
        message = f"The database is damaged or none of ours: {_cause(error)} Nothing was changed."
        raise DatabaseMismatch(message) from error


def head() -> str:
    """Return the revision that this version of the program works with."""
    found = ScriptDirectory.from_config(_config(None)).get_current_head()
    if found is None:
        message = "The migrations are missing; install Broadcaster again."
        raise DatabaseMismatch(message)
    return found


def check(engine: Engine) -> None:
    """Make sure that a database is at exactly our revision.

    Raises:
        DatabaseMismatch: it is missing, older, newer, foreign or empty; the text says what to do.
    """
    _refuse_missing_file(engine)
    found = current(engine)
    refuse_foreign(engine)
    if found is None:
        message = "The database is empty. Run: broadcaster init"
        raise DatabaseMismatch(message)
    if found != head():
        message = "The database is of an earlier version. Make a copy, then: broadcaster db upgrade"
        raise DatabaseMismatch(message)


def refuse_foreign(engine: Engine) -> None:
    """Make sure that a database is empty or one that this version of the program knows.

    Raises:
        DatabaseMismatch: it is damaged, made by a newer version, or holds tables of others.
    """
    found = current(engine)
    if found is None and has_tables(engine):
        message = "The database holds tables of something else; choose another one."
    elif found is not None and found not in _known():
        message = "The database was made by a newer version of Broadcaster. Nothing was changed."
    else:
        return
    raise DatabaseMismatch(message)


def _refuse_missing_file(engine: Engine) -> None:
    """SQLite would make an empty file where there is none; a question must not."""
    path = engine.url.database
    if engine.dialect.name == "sqlite" and path and path != ":memory:" and not Path(path).exists():
        message = "There is no database yet. Run: broadcaster init"
        raise InvalidInput(message)


def has_tables(engine: Engine) -> bool:
    """Tell whether a database holds any table beside the one that names its version."""
    return bool(set(inspect(engine).get_table_names()) - {"alembic_version"})


def _known() -> set[str]:
    return {
        script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()
    }


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.directory("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _cause(error: DatabaseError) -> str:
    return f"{str(error.orig).splitlines()[0].rstrip('.')}." if error.orig else "no reason given."
