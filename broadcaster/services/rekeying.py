"""Changing the keys over personal data while everything goes on.

The index by which numbers are found is renewed person by person; until that is done, everybody is
looked for by the old one and the new. Then the old one vanishes from the key table, and no copy of
the database from before tells a number any more, whoever tries them all.
"""

from __future__ import annotations

from functools import partial

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.keytable import KeyTable
from broadcaster.runtime import Runtime
from broadcaster.storage import keystate, keystore, rewrapping
from broadcaster.storage.rewrapping import Piece

_log = structlog.get_logger()

# Each piece keeps others from writing for some hundredths of a second.
_AT_ONCE = 200


def is_due(runtime: Runtime) -> bool:
    """Tell whether the index has to be renewed: that was begun, or the database is an older copy."""
    runtime.keyring.reload()
    table = runtime.keyring.table
    with runtime.reading() as session:
        return (
            len(table.indexes) > 1
            or table.former is not None
            or keystate.is_older_copy(session, runtime.keyring)
        )


def renew_index(runtime: Runtime) -> list[str]:
    """Let everybody be found by a new index, and the old one vanish.

    What was begun before goes on. It may be interrupted, and several processes may do it at once.

    Returns:
        the tokens of people whose keys have vanished: in a copy of the database that is older than
        their erasure.

    Raises:
        KeysMismatch: the key store is missing, damaged, or another's.
    """
    table = change(runtime, _with_next)
    epoch = table.epoch
    if not _is_older_copy(runtime):
        # First of all, so that whoever joins meanwhile is written under the new one.
        runtime.run(partial(_note, runtime=runtime, epoch=epoch))
    after, unreadable = 0, list[str]()
    while True:
        piece: Piece = runtime.run(partial(_renew, runtime=runtime, epoch=epoch, after=after))
        unreadable += piece.unreadable
        if piece.last is None:
            break
        after = piece.last
    runtime.run(partial(_note, runtime=runtime, epoch=epoch))
    change(runtime, partial(_without_earlier, epoch=epoch))
    runtime.run(partial(_note, runtime=runtime, epoch=epoch))
    _log.info("index_renewed", epoch=epoch, unreadable=len(unreadable))
    return unreadable


def next_leaf(runtime: Runtime, leaf: int, version: int) -> None:
    """Make sure that a leaf of the tree has a newer key than some version."""

    def work(table: KeyTable) -> KeyTable | None:
        return table.with_next_leaf(leaf) if table.newest(leaf) <= version else None

    change(runtime, work)


def cut_leaf(runtime: Runtime, leaf: int, version: int) -> None:
    """Let the keys of a leaf vanish up to a version; again it changes nothing."""

    def work(table: KeyTable) -> KeyTable | None:
        left = any(table.wrapping(leaf, one) is not None for one in range(version + 1))
        return table.without_leaf(leaf, version) if left else None

    change(runtime, work)


def change(runtime: Runtime, work: keystore.Work) -> KeyTable:
    """Change the key table, in the store and in this process."""
    path = keystore.path_of(runtime.settings)
    table = keystore.change(path, runtime.keyring.master_key, work)
    runtime.keyring.adopt(table)
    return table


def _with_next(table: KeyTable) -> KeyTable | None:
    return table.with_next_index() if len(table.indexes) == 1 else None


def _without_earlier(table: KeyTable, *, epoch: int) -> KeyTable | None:
    is_done = len(table.indexes) == 1 and table.former is None
    return None if is_done or table.epoch != epoch else table.without_earlier_indexes()


def _is_older_copy(runtime: Runtime) -> bool:
    with runtime.reading() as session:
        return keystate.is_older_copy(session, runtime.keyring)


def _note(session: Session, *, runtime: Runtime, epoch: int) -> None:
    row = keystate.lock(session)
    keystate.note(row, runtime.keyring, epoch=max(row.epoch, epoch))


def _renew(session: Session, *, runtime: Runtime, epoch: int, after: int) -> Piece:
    return rewrapping.renew_some(session, runtime.keyring, epoch, after, _AT_ONCE)
