"""``broadcaster init``: everything a new installation needs, once; again it changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from broadcaster.bootstrap import build_runtime, make_keys, prepare_queue
from broadcaster.cli.output import complain, say
from broadcaster.core.errors import KeysMismatch
from broadcaster.runtime import Runtime
from broadcaster.settings import load
from broadcaster.storage import keystate, keystore, schema
from broadcaster.storage.session import WRITES, make_engine

# Numbers are sealed in the database, but nobody else needs to read even that.
_PRIVATE_DIRECTORY = 0o700


@click.command()
def init() -> None:
    """Make the home directory, the keys and the database. Safe to repeat."""
    settings = load()
    engine = make_engine(settings.database.url).execution_options(**{WRITES: True})
    if not settings.public_url:
        complain(
            f"public_url is not set, so the ledger is named {settings.ledger.origin!r} for ever. "
            "If that is not meant, set it before anybody joins, delete keys/ledger.key and repeat."
        )
    settings.home.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_DIRECTORY)
    schema.refuse_foreign(engine)
    made = make_keys(
        settings.home,
        settings.ledger.origin,
        master=settings.secrets.master_key,
        key_store=settings.secrets.key_store,
    )
    for path in made:
        say(f"Made {path}. Keep a copy in another place: without it data cannot be read.")
    schema.upgrade(engine)
    prepare_queue(settings, engine)
    runtime = build_runtime(load())
    _check_keys(runtime, made)
    say(f"The database is ready. The ledger's public key: {runtime.signer.key.to_text()}")
    say("Next: broadcaster user add NAME --role admin; broadcaster list add …; broadcaster serve")


def _check_keys(runtime: Runtime, made: Sequence[Path]) -> None:
    """Refuse a key store that does not belong to the database; one just made shall not stay."""
    try:
        with runtime.reading() as session:
            keystate.check(session, runtime.keyring)
    except KeysMismatch:
        path = keystore.path_of(runtime.settings)
        if path in made:
            path.unlink()
        raise
