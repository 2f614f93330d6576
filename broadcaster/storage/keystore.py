"""The key store: a file outside the database that holds the key table, sealed under the master key.

The table is sealed under a key of its own, and that one is wrapped by each master key that may
open it: usually one, two while the master key is being exchanged. The file is replaced as a whole
and what stood there before is overwritten.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broadcaster.core.errors import KeysMismatch
from broadcaster.core.keytable import KEY_BYTES, KeyTable, derive
from broadcaster.settings import Settings
from broadcaster.storage import private_file

_VERSION = "broadcaster/key-store/1"
_FILE = "subjects.keys"
_NONCE_BYTES = 12
_TRIES = 20
_LARGEST = 16 << 20


@dataclass(frozen=True, slots=True)
class _Store:
    """The file as it is written."""

    name: str
    generation: int
    wraps: dict[str, str]
    sealed: str


def path_of(settings: Settings) -> Path:
    """Return where the key store of an installation is."""
    return place(settings.home, settings.secrets.key_store)


def place(home: Path, written: str = "") -> Path:
    """Return where a key store is, given the home and what the settings say."""
    return home / (written or Path("keys") / _FILE)


def fingerprint(master_key: bytes) -> str:
    """Return 16 hexadecimal digits by which a master key is known, and from which nobody has it."""
    return derive(master_key, "fingerprint").hex()[:16]


def create(path: Path, master_key: bytes, table: KeyTable) -> None:
    """Write a new key store.

    Raises:
        FileExistsError: there is one.
    """
    with _alone(path):
        if path.exists():
            raise FileExistsError(path)
        data_key = os.urandom(KEY_BYTES)
        wraps = {fingerprint(master_key): _wrap(master_key, data_key, table.name)}
        _write(path, _sealed(data_key, wraps, table))


def load(path: Path, master_key: bytes) -> KeyTable:
    """Read the key table.

    Raises:
        KeysMismatch: the file is missing or damaged, or another master key sealed it.
    """
    store = _read(path)
    return _open(store, _data_key(store, master_key))


def reader(path: Path, master_key: bytes) -> Callable[[], KeyTable]:
    """Return what reads the table again, but only if the file was replaced since."""
    seen: list[tuple[tuple[int, int], KeyTable]] = []

    def read() -> KeyTable:
        try:
            found = path.stat()
        except OSError as error:
            raise _missing(path) from error
        state = (found.st_ino, found.st_mtime_ns)
        if not seen or seen[0][0] != state:
            seen[:] = [(state, load(path, master_key))]
        return seen[0][1]

    return read


Work = Callable[[KeyTable], KeyTable | None]
"""Returns a table changed, or None to leave it."""


def change(path: Path, master_key: bytes, work: Work) -> KeyTable:
    """Change the table, one process at a time; return it as it is then.

    Args:
        path: the file.
        master_key: opens it.
        work: returns the table changed, or None to leave it.

    Raises:
        KeysMismatch: the file is missing or damaged, or another master key sealed it.
    """
    with _alone(path):
        store = _read(path)
        data_key = _data_key(store, master_key)
        table = _open(store, data_key)
        changed = work(table)
        if changed is None:
            return table
        _write(path, _sealed(data_key, store.wraps, changed))
        return changed


def masters(path: Path) -> list[str]:
    """Return the fingerprints of the master keys that open a key store, the oldest first."""
    return list(_read(path).wraps)


def admit(path: Path, master_key: bytes, another: bytes) -> None:
    """Let another master key open a key store, too; again it changes nothing."""
    with _alone(path):
        store = _read(path)
        data_key = _data_key(store, master_key)
        if fingerprint(another) not in store.wraps:
            wrap = _wrap(another, data_key, store.name)
            _write(path, replace(store, wraps={**store.wraps, fingerprint(another): wrap}))


def dismiss_others(path: Path, master_key: bytes) -> int:
    """Let only this master key open a key store, under a new key; return how many no longer can."""
    with _alone(path):
        store = _read(path)
        table = _open(store, _data_key(store, master_key))
        data_key = os.urandom(KEY_BYTES)
        wraps = {fingerprint(master_key): _wrap(master_key, data_key, table.name)}
        _write(path, _sealed(data_key, wraps, table))
        return len(store.wraps) - 1


def _sealed(data_key: bytes, wraps: dict[str, str], table: KeyTable) -> _Store:
    plain = json.dumps(table.to_json()).encode()
    sealed = _seal(data_key, plain, _bound(table.name, table.generation))
    return _Store(table.name, table.generation, wraps, sealed)


def _open(store: _Store, data_key: bytes) -> KeyTable:
    plain = _unseal(data_key, store.sealed, _bound(store.name, store.generation))
    return KeyTable.from_json(store.name, store.generation, json.loads(plain))


def _bound(name: str, generation: int) -> bytes:
    return f"{_VERSION}/{name}/{generation}".encode()


def _wrap(master_key: bytes, data_key: bytes, name: str) -> str:
    return _seal(derive(master_key, "key-store"), data_key, f"{_VERSION}/{name}".encode())


def _data_key(store: _Store, master_key: bytes) -> bytes:
    wrapped = store.wraps.get(fingerprint(master_key))
    if wrapped is None:
        message = (
            f"The key store is sealed under another master key ({', '.join(store.wraps)}) than "
            f"the one that is set ({fingerprint(master_key)}). Set the right one; after 'broadcaster "
            "keys rotate', restart everything with the new one."
        )
        raise KeysMismatch(message)
    return _unseal(derive(master_key, "key-store"), wrapped, f"{_VERSION}/{store.name}".encode())


def _seal(key: bytes, plain: bytes, purpose: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, purpose)).decode()


def _unseal(key: bytes, sealed: str, purpose: bytes) -> bytes:
    try:
        data = base64.b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError) as error:
        message = "The key store is damaged: put its copy back."
        raise KeysMismatch(message) from error


def _missing(path: Path) -> KeysMismatch:
    return KeysMismatch(
        f"The key store {path} cannot be read. Put its copy back, or, in a new installation, make "
        "it with: broadcaster init"
    )


def _read(path: Path) -> _Store:
    """Read the file; one that was replaced and overwritten meanwhile is read again."""
    for _ in range(_TRIES):
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST)
                opened = os.fstat(file.fileno()).st_ino
            if path.stat().st_ino != opened:
                continue
        except OSError as error:
            raise _missing(path) from error
        return _parse(data)
    raise _missing(path)


def _parse(data: bytes) -> _Store:
    try:
        value: dict[str, Any] = json.loads(data)
        if value["v"] != _VERSION:
            raise ValueError(value["v"])  # noqa: TRY301 - one way out for whatever is wrong
        return _Store(
            str(value["name"]), int(value["generation"]), dict(value["masters"]), value["sealed"]
        )
    except (KeyError, TypeError, ValueError) as error:
        message = "The key store is damaged, or of a later version: put its copy back."
        raise KeysMismatch(message) from error


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time change a key store."""
    with path.with_name(f"{path.name}.lock").open("ab") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def _write(path: Path, store: _Store) -> None:
    """Replace the file; what was taken out shall not be found in what stood there."""
    value = {
        "v": _VERSION,
        "name": store.name,
        "generation": store.generation,
        "masters": store.wraps,
        "sealed": store.sealed,
    }
    private_file.write(path, json.dumps(value).encode())
