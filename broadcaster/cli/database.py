"""``broadcaster db``: the versions of the database, and moving it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from broadcaster.bootstrap import prepare_queue
from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.core.errors import InvalidInput
from broadcaster.services import copying
from broadcaster.settings import load
from broadcaster.settings.url import database_url, sqlite_path, without_password
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
    if prepare_queue(load(), engine):
        say("Made the queue of the distributed engine.")
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
@click.option(
    "--to",
    "target",
    required=True,
    metavar="URL",
    help="An empty PostgreSQL database, postgresql://user@host/name.",
)
@click.pass_context
def copy(context: click.Context, target: str) -> None:
    """Copy the SQLite database to PostgreSQL, all or nothing, and check what arrived.

    Nothing may be running meanwhile. The SQLite database is only read.
    """
    source = load().database.url
    url = _postgresql(target)
    if sqlite_path(source) is None:
        message = "database.url is PostgreSQL already; only a SQLite database is copied."
        raise InvalidInput(message)
    _existing().dispose()
    say(f"From {source} to {without_password(url)}")
    try:
        copying.copy(source, url, say)
    except copying.CopyDiffers as error:
        complain(f"Error: {error}")
        context.exit(1)
    say("Copied. The SQLite database is as it was; keep it, and never start on it again.")
    say("Next: set database.url to the new one, then: broadcaster db upgrade; broadcaster serve")


@db.command()
@click.argument("message")
def revision(message: str) -> None:
    """Write a new migration named MESSAGE, for developers."""
    with _revisions_explained():
        schema.revise(_existing(writes=True), message)


def _postgresql(written: str) -> str:
    try:
        url = database_url().read(written)
    except ValueError as error:
        message = f"--to {error}"
        raise InvalidInput(message) from error
    if not url or sqlite_path(url) is not None:
        message = "--to names no PostgreSQL database; write postgresql://user@host/name"
        raise InvalidInput(message)
    return url


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
