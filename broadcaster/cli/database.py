"""``broadcaster db``: the versions of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from broadcaster.cli.output import json_option, say, say_json
from broadcaster.core.errors import InvalidInput
from broadcaster.settings import load
from broadcaster.storage import schema
from broadcaster.storage.session import WRITES, make_engine


@click.group()
def db() -> None:
    """Bring the database up to date."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the database up to REVISION (default: the newest)."""
    engine = _open(writes=True)
    schema.refuse_foreign(engine)
    with _revisions_explained():
        schema.upgrade(engine, revision)
    say(f"The database is at revision {schema.current(engine)}.")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, *, yes: bool) -> None:
    """Take the database back to REVISION; what only newer tables hold is lost."""
    engine = _existing(writes=True)
    schema.refuse_foreign(engine)
    if not yes:
        click.confirm(
            "What newer tables hold will be lost, the ledger included. Go on?", abort=True
        )
    with _revisions_explained():
        schema.downgrade(engine, revision)
    say(f"The database is at revision {schema.current(engine) or 'nothing'}.")


@db.command()
@json_option
def current(*, as_json: bool) -> None:
    """Show which revision the database is at, and which one this program needs."""
    engine = _existing()
    found, wanted = schema.current(engine), schema.head()
    if found is None:
        schema.refuse_foreign(engine)
    if as_json:
        say_json({"database": found, "program": wanted})
        return
    say(f"database: {found or 'empty'}\nprogram:  {wanted}")


@db.command()
@click.argument("message")
def revision(message: str) -> None:
    """Write a new migration named MESSAGE, for developers."""
    with _revisions_explained():
        schema.revise(_existing(writes=True), message)


def _open(*, writes: bool = False) -> Engine:
    return make_engine(load().database.url).execution_options(**{WRITES: writes})


def _existing(*, writes: bool = False) -> Engine:
    """Open a database that is there: SQLite would make an empty file, which a question must not."""
    engine = _open(writes=writes)
    path = engine.url.database
    if engine.dialect.name == "sqlite" and not (path and Path(path).exists()):
        message = "There is no database yet. Run: broadcaster init"
        raise InvalidInput(message)
    return engine


@contextmanager
def _revisions_explained() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        message = f"That does not work: {error}. 'broadcaster db current' shows the revisions."
        raise InvalidInput(message) from error
