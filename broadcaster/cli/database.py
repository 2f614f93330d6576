"""``broadcaster db``: the versions of the database."""

from __future__ import annotations

import click

from broadcaster.cli.output import json_option, say, say_json
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
    engine = make_engine(load().database.url).execution_options(**{WRITES: True})
    schema.refuse_foreign(engine)
    schema.upgrade(engine, revision)
    say(f"The database is at revision {schema.current(engine)}.")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, *, yes: bool) -> None:
    """Take the database back to REVISION; what only newer tables hold is lost."""
    engine = make_engine(load().database.url).execution_options(**{WRITES: True})
    schema.refuse_foreign(engine)
    if not yes:
        click.confirm(
            "What newer tables hold will be lost, the ledger included. Go on?", abort=True
        )
    schema.downgrade(engine, revision)
    say(f"The database is at revision {schema.current(engine) or 'nothing'}.")


@db.command()
@json_option
def current(*, as_json: bool) -> None:
    """Show which revision the database is at, and which one this program needs."""
    engine = make_engine(load().database.url)
    found, wanted = schema.current(engine), schema.head()
    if as_json:
        say_json({"database": found, "program": wanted})
        return
    say(f"database: {found or 'empty'}\nprogram:  {wanted}")


@db.command()
@click.argument("message")
def revision(message: str) -> None:
    """Write a new migration named MESSAGE, for developers."""
    schema.revise(make_engine(load().database.url).execution_options(**{WRITES: True}), message)
