"""Checkpoints after C2SP tlog-checkpoint: a log's size and root, signed by the log.

Who kept an older checkpoint can show later that history was rewritten; who kept none cannot.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from broadcaster.ledger.errors import CheckpointError
from broadcaster.ledger.keys import NoteKey, NoteSigner, decode_base64
from broadcaster.ledger.merkle import HASH_SIZE
from broadcaster.ledger.note import open_note, sign_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a log at one moment.

    Attributes:
        origin: The log's name, equal to the name of its key.
        size: Number of entries.
        root: Root hash of the Merkle tree over them.

    Raises:
        CheckpointError: a part has not the form it must have.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            message = "the origin of a checkpoint is one line that is not empty"
            raise CheckpointError(message)
        if not _SIZE.fullmatch(str(self.size)):
            message = "the size of a checkpoint is a whole number of at most 19 digits"
            raise CheckpointError(message)
        if len(self.root) != HASH_SIZE:
            message = f"the root of a checkpoint has {HASH_SIZE} bytes, not {len(self.root)}"
            raise CheckpointError(message)

    def to_text(self) -> str:
        """Give the text that is signed: origin, size and root, one line each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; lines after the third are extensions and ignored.

    Raises:
        CheckpointError: it has another form.
    """
    lines = text.removesuffix("\n").split("\n")
    if not text.endswith("\n") or len(lines) < _LINES or "" in lines:
        message = "a checkpoint has at least three lines, none of them empty: origin, size, root"
        raise CheckpointError(message)
    origin, size, root = lines[:_LINES]
    raw = decode_base64(root)
    if not _SIZE.fullmatch(size) or raw is None:
        message = "a checkpoint has a size without leading zeros and a root in base64"
        raise CheckpointError(message)
    return Checkpoint(origin=origin, size=int(size), root=raw)


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> bytes:
    """Sign a checkpoint as its log.

    Raises:
        CheckpointError: the key is that of another log.
    """
    _check_origin(checkpoint, signer.name)
    return sign_note(checkpoint.to_text(), [signer])


def open_checkpoint(data: bytes, key: NoteKey) -> Checkpoint:
    """Read a checkpoint and check that its log signed it.

    Args:
        data: The signed note.
        key: The log's key.

    Raises:
        NoteError: the note is malformed, or not signed by this key.
        CheckpointError: its text is no checkpoint, or that of another log.
    """
    checkpoint = parse_checkpoint(open_note(data, [key]).text)
    _check_origin(checkpoint, key.name)
    return checkpoint


def _check_origin(checkpoint: Checkpoint, name: str) -> None:
    if checkpoint.origin != name:
        message = f"the checkpoint is of '{checkpoint.origin}', the key is of '{name}'"
        raise CheckpointError(message)
