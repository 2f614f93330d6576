"""Asking witnesses to sign our checkpoints, so that not even we could show two histories.

A witness signs only what extends the checkpoint that it signed before. Nothing of ours is open
while it is asked; what it answers is checked before it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from broadcaster.core.errors import BroadcasterError
from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint
from broadcaster.ledger.cosignature import Request, add_lines, verify_cosignature
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.keys import NoteKey, parse_vkey
from broadcaster.runtime import Runtime
from broadcaster.services import audit, proving
from broadcaster.storage import ledger

_OK, _CONFLICT = 200, 409
_SIZE_TYPE = "text/x.tlog.size"
_MEANING = {
    400: "it takes our request for one that makes no sense",
    403: "it does not know our key, or our signature is wrong",
    404: "it does not know this log; ask whoever runs it to add its key",
    422: "it does not accept our proof",
}


class Reply(NamedTuple):
    """What a witness answered: the status, what the body is, the body."""

    status: int
    kind: str
    body: bytes


Post = Callable[[str, bytes], Reply]
"""Posts a body to an address; raises OSError when there is no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Somebody who signs our checkpoints.

    Args:
        url: where it is asked, without ``/add-checkpoint``.
        key: its public key, of type 4.
    """

    url: str
    key: NoteKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How it went with one witness.

    Args:
        name: which.
        size: the size of the checkpoint that it has signed; None if it has not.
        trouble: why not, in a sentence.
        contradicts: it has signed a longer log than ours: one of the two is not the whole truth.
    """

    name: str
    size: int | None = None
    trouble: str = ""
    contradicts: bool = False


class _NotSignedError(BroadcasterError):
    """A witness has not signed."""

    def __init__(self, trouble: str, *, contradicts: bool = False) -> None:
        super().__init__(trouble)
        self.contradicts = contradicts


def witnesses(runtime: Runtime) -> list[Witness]:
    """Return the witnesses that the settings name."""
    pairs = [text.split() for text in runtime.settings.ledger.witnesses]
    return [Witness(url=url.rstrip("/"), key=parse_vkey(vkey)) for url, vkey in pairs]


def ask_all(runtime: Runtime, post: Post) -> Iterator[Asked]:
    """Sign the log as it stands, and ask every witness in turn.

    Raises:
        LedgerBroken: the log is no extension of what was signed before; nobody is asked.
    """
    _size, note = runtime.run(lambda session: audit.checkpoint(session, runtime))
    head = open_checkpoint(note, runtime.signer.key)
    for witness in witnesses(runtime):
        try:
            lines = _ask(runtime, witness, head, note, post)
            _keep(runtime, head, witness, lines)
        except _NotSignedError as error:
            yield Asked(name=witness.key.name, trouble=str(error), contradicts=error.contradicts)
        except (OSError, LedgerError) as error:
            yield Asked(name=witness.key.name, trouble=str(error))
        else:
            yield Asked(name=witness.key.name, size=head.size)


def _ask(runtime: Runtime, witness: Witness, head: Checkpoint, note: bytes, post: Post) -> bytes:
    """Return the lines with which a witness signs; ask again once if it knows another size."""
    where = f"{witness.url}/add-checkpoint"
    reply = post(where, _request(runtime, _known_by(runtime, witness), head, note))
    if reply.status == _CONFLICT and reply.kind.partition(";")[0].strip() == _SIZE_TYPE:
        reply = post(where, _request(runtime, _size_of(reply, head), head, note))
    if reply.status != _OK:
        meaning = _MEANING.get(reply.status, "it cannot at the moment")
        message = f"{meaning} (HTTP {reply.status})"
        raise _NotSignedError(message)
    return reply.body


def _request(runtime: Runtime, old: int, head: Checkpoint, note: bytes) -> bytes:
    proof: list[bytes] = []
    if 0 < old < head.size:
        with runtime.reading() as session:
            proof = proving.consistency(session, old, head.size)
    return Request(old=old, proof=proof, checkpoint=note).to_bytes()


def _size_of(reply: Reply, head: Checkpoint) -> int:
    """Return the size that a witness says it knows.

    Raises:
        _NotSignedError: that is no size, or larger than ours.
    """
    text = reply.body.strip()
    if not text.isdigit() or len(text) > len(str(2**63)):
        message = "it says that it knows another size, and not which"
        raise _NotSignedError(message)
    if int(text) > head.size:
        message = (
            f"it has signed {int(text):,} entries, and we have {head.size:,}: this database is older "
            "than what was signed, or two keep one log"
        )
        raise _NotSignedError(message, contradicts=True)
    return int(text)


def _known_by(runtime: Runtime, witness: Witness) -> int:
    """Return the size of the newest checkpoint here that a witness has signed; 0 if none."""
    with runtime.reading() as session:
        for kept in ledger.newest_checkpoints(session):
            try:
                if verify_cosignature(kept.note.encode(), witness.key) is not None:
                    return kept.size
            except LedgerError:
                continue
    return 0


def _keep(runtime: Runtime, head: Checkpoint, witness: Witness, lines: bytes) -> None:
    with runtime.transaction() as session:
        kept = ledger.lock_checkpoint(session, head.size)
        note = kept.note.encode()
        if verify_cosignature(note, witness.key) is None:
            ledger.set_note(kept, add_lines(note, lines, witness.key).decode())
        else:
            add_lines(note, b"", witness.key)
