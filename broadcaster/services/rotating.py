"""Exchanging the master key: first both open the key store, then only the new one.

In between everything is restarted with the new key. What can be interrupted goes on when it is
asked for again; at every moment the key that stands in the file opens the store.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from broadcaster.core.errors import Conflict, InvalidInput
from broadcaster.core.keytable import KEY_BYTES
from broadcaster.runtime import Runtime
from broadcaster.settings import Secret, key_bytes
from broadcaster.storage import keystore, private_file

_FILE, _NEXT = "master.key", "master.key.next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A master key that is being exchanged.

    Args:
        path: the file with the new key.
        fingerprint: what the new key is known by.
        is_in_place: the new key stands where the old one stood; else the operator has to set it.
    """

    path: Path
    fingerprint: str
    is_in_place: bool


def begin(runtime: Runtime) -> Rotation:
    """Let a new master key open the key store, too, and put it in the old one's place.

    Raises:
        Conflict: this process has the new key already; the exchange is to be finished.
        KeysMismatch: the key store is missing or damaged, or another master key sealed it.
    """
    store, master = keystore.path_of(runtime.settings), runtime.keyring.master_key
    known = keystore.masters(store)
    if len(known) > 1 and known[-1] == keystore.fingerprint(master):
        message = (
            "The master key has been exchanged. Restart everything that runs, then: broadcaster "
            "keys rotate --finish"
        )
        raise Conflict(message)
    directory = runtime.settings.home / "keys"
    draft = directory / _NEXT
    if not draft.exists():
        _refuse_a_third(known)
        directory.mkdir(exist_ok=True, mode=0o700)
        private_file.write(draft, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
    new = _key_in(draft)
    keystore.admit(store, master, new)
    path = directory / _FILE
    is_in_place = _origin(runtime) == f"file {path}"
    if is_in_place:
        private_file.move(draft, path)
    return Rotation(
        path=path if is_in_place else draft,
        fingerprint=keystore.fingerprint(new),
        is_in_place=is_in_place,
    )


def finish(runtime: Runtime) -> int:
    """Let only the new master key open the key store; return how many keys no longer do.

    Raises:
        InvalidInput: this process still has the old key.
        KeysMismatch: the key store is missing or damaged, or another master key sealed it.
    """
    store, master = keystore.path_of(runtime.settings), runtime.keyring.master_key
    known = keystore.masters(store)
    if known[-1] != keystore.fingerprint(master):
        message = (
            f"The old master key is still set. Set the new one ({known[-1]}), restart everything, "
            "then finish."
        )
        raise InvalidInput(message)
    dismissed = keystore.dismiss_others(store, master) if len(known) > 1 else 0
    draft = runtime.settings.home / "keys" / _NEXT
    if draft.exists() and _key_in(draft) == master and _origin(runtime) != f"file {draft}":
        private_file.write(draft, b"")
        draft.unlink()
    return dismissed


def _refuse_a_third(known: list[str]) -> None:
    if len(known) > 1:
        message = (
            f"The new master key ({known[-1]}) opens the key store already. Set it, restart "
            "everything, then: broadcaster keys rotate --finish"
        )
        raise Conflict(message)


def _key_in(path: Path) -> bytes:
    try:
        return key_bytes(Secret(path.read_text(encoding="ascii").strip()))
    except ValueError as error:
        message = f"{path} holds no key; delete it and repeat."
        raise InvalidInput(message) from error


def _origin(runtime: Runtime) -> str | None:
    return runtime.settings.origins.get("secrets.master_key")
