"""The composition root: settings in, a runtime and an engine out."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine as Database

from broadcaster import resources
from broadcaster.core.errors import InvalidInput
from broadcaster.core.keytable import KEY_BYTES, KeyTable
from broadcaster.core.keywords import Vocabulary, load_vocabulary
from broadcaster.core.replies import load_replies
from broadcaster.core.sealing import Keyring
from broadcaster.engines.queue import ChunkQueue
from broadcaster.ledger.keys import NoteSigner, parse_signer
from broadcaster.ports import Clock, Engine, Provider
from broadcaster.providers.deferred import deferred
from broadcaster.providers.unconfigured import UnconfiguredProvider
from broadcaster.runtime import Runtime
from broadcaster.settings import Secret, Settings, key_bytes
from broadcaster.settings.secret import UNSET
from broadcaster.storage import keystore
from broadcaster.storage.session import WRITES, make_engine

DISTRIBUTED = "distributed"
_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the clock


def build_runtime(
    settings: Settings, *, clock: Clock | None = None, provider: Provider | None = None
) -> Runtime:
    """Put a runtime together.

    Args:
        settings: what the operator chose.
        clock: the machine's, if left out.
        provider: Twilio as the settings say, if left out; one that refuses if they say nothing.

    Raises:
        InvalidInput: a key is missing, or the answers cannot be used.
    """
    config = resources.directory("config")
    # Each thread of the web may hold two connections for a moment, the engine's jobs a few more.
    database = make_engine(
        settings.database.url,
        pool_size=settings.database.pool_size,
        most=2 * settings.web.threads + 8,
    )
    return Runtime(
        settings=settings,
        database=database,
        writer=database.execution_options(**{WRITES: True}),
        clock=clock or SystemClock(),
        provider=provider or _provider(settings),
        keyring=open_keyring(settings),
        signer=parse_signer(_needed(settings.secrets.ledger_key, "ledger", settings.home).reveal()),
        read_vocabulary=partial(_vocabulary, config / "keywords"),
        replies=load_replies(config / "replies"),
        queue=ChunkQueue() if settings.engine == DISTRIBUTED else None,
    )


def open_keyring(settings: Settings) -> Keyring:
    """Open the keys over personal data.

    Raises:
        InvalidInput: there is no master key.
        KeysMismatch: the key store is missing or damaged, or another master key sealed it.
    """
    master = key_bytes(_needed(settings.secrets.master_key, "master", settings.home))
    read = keystore.reader(keystore.path_of(settings), master)
    return Keyring(master, read(), read)


def build_engine(runtime: Runtime) -> Engine:
    """Return the engine that runs the background work.

    Raises:
        InvalidInput: the distributed one is not installed.
        DatabaseMismatch: its queue is missing, or of another version.
    """
    if runtime.settings.engine == DISTRIBUTED:
        engine: Engine = _of_extra("broadcaster.engines.procrastinate").DistributedEngine(runtime)
        return engine
    from broadcaster.engines.apscheduler import EmbeddedEngine  # noqa: PLC0415 - few need it

    return EmbeddedEngine(runtime)


def prepare_queue(settings: Settings, database: Database) -> bool:
    """Make the queue that the chosen engine needs, if it is not there; return whether it was made.

    Raises:
        InvalidInput: the engine is not installed, or we may not make the queue there.
    """
    if settings.engine != DISTRIBUTED:
        return False
    made: bool = _of_extra("broadcaster.engines.queue_tables").prepare(database)
    return made


def check_queue(runtime: Runtime) -> None:
    """Make sure that the queue that the chosen engine needs is there.

    Raises:
        InvalidInput: the engine is not installed.
        DatabaseMismatch: the queue is missing, or of another version.
    """
    if runtime.settings.engine == DISTRIBUTED:
        _of_extra("broadcaster.engines.queue_tables").check(runtime.database)


def make_keys(
    home: Path, origin: str, *, master: Secret = UNSET, key_store: str = ""
) -> list[Path]:
    """Make the keys that are missing, readable by nobody else; return the new files.

    A master key that is older than the key store is one whose keys all followed from it; the store
    then takes them over.

    Args:
        home: the home directory.
        origin: the ledger's name, which is part of its key.
        master: the master key, where it is no file of the home directory.
        key_store: where the key store is, if not there.
    """
    directory = home / "keys"
    directory.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_DIRECTORY)
    made = []
    for name, text in (
        ("master.key", secrets.token_hex(KEY_BYTES)),
        ("session.key", secrets.token_hex(KEY_BYTES)),
        (
            "ledger.key",
            NoteSigner(name=origin, private_key=Ed25519PrivateKey.generate()).to_text(),
        ),
    ):
        path = directory / name
        if not path.exists():
            path.touch(mode=_PRIVATE_FILE)
            path.write_text(f"{text}\n", encoding="ascii")
            made.append(path)
    store = keystore.place(home, key_store)
    if not store.exists():
        kept = directory / "master.key"
        key = key_bytes(master or Secret(kept.read_text(encoding="ascii").strip()))
        is_new = kept in made and not master
        keystore.create(store, key, KeyTable.new() if is_new else KeyTable.adopting(key))
        made.append(store)
    return made


def _of_extra(module: str) -> Any:  # noqa: ANN401 - a module
    """Import what stands on the extra "scale", which need not be installed."""
    if find_spec("procrastinate") is None:
        message = (
            "The distributed engine is not installed; install it with: "
            "pip install 'broadcaster[scale]'"
        )
        raise InvalidInput(message)
    return import_module(module)


@cache
def _vocabulary(directory: Path) -> Vocabulary:
    """Read the words once in a process, if anybody asks: they take 23 MiB, and a quarter of a second."""
    return load_vocabulary(directory)


def _provider(settings: Settings) -> Provider:
    twilio = settings.twilio
    if not (twilio.account_sid and twilio.auth_token):
        return UnconfiguredProvider()
    return deferred(partial(_twilio, settings))


def _twilio(settings: Settings) -> Provider:
    from broadcaster.providers.twilio import TwilioProvider  # noqa: PLC0415 - see deferred

    twilio = settings.twilio
    return TwilioProvider(
        account_sid=twilio.account_sid,
        auth_token=twilio.auth_token.reveal(),
        secondary_token=twilio.auth_token_secondary.reveal() or None,
        api_base=twilio.api_base,
        timeout=twilio.timeout,
        pool=settings.sending.concurrency,
    )


def _needed(secret: Secret, name: str, home: Path) -> Secret:
    if not secret:
        message = (
            f"There is no {name} key in {home}. If that is not the directory you mean, name it by "
            "BROADCASTER_HOME; else make the keys with: broadcaster init"
        )
        raise InvalidInput(message)
    return secret
