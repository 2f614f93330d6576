"""Receipts after C2SP tlog-proof: one entry, its place in the log, and the checkpoint it is under.

The entry itself travels in the line ``extra``, so that a receipt needs nothing beside it but the
log's key. https://c2sp.org/tlog-proof
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint
from broadcaster.ledger.entry import parse
from broadcaster.ledger.errors import MalformedReceipt
from broadcaster.ledger.keys import NoteKey, decode_base64
from broadcaster.ledger.merkle import HASH_SIZE, leaf_hash
from broadcaster.ledger.note import MAX_NOTE_BYTES
from broadcaster.ledger.proof import verify_inclusion
from broadcaster.ledger.report import Report, carry_out

HEADER = "c2sp.org/tlog-proof@v1"
#: What a receipt's file is called.
SUFFIX = ".tlog-proof"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
# A tree of 2^63 entries has proofs of so many hashes.
_LONGEST_PROOF = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A proof that an entry is in the log.

    Attributes:
        entry: Its exact bytes.
        index: Its place, counted from 0.
        proof: Hashes from the entry's neighbour up to the root's child.
        checkpoint: The signed note.
    """

    entry: bytes
    index: int
    proof: Sequence[bytes]
    checkpoint: bytes

    def to_bytes(self) -> bytes:
        """Give the receipt as it is written to a file."""
        lines = [
            HEADER,
            f"extra {base64.b64encode(self.entry).decode()}",
            f"index {self.index}",
            *(base64.b64encode(item).decode() for item in self.proof),
            "",
        ]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint


def parse_receipt(data: bytes) -> Receipt:
    """Read what `Receipt.to_bytes` gave.

    Raises:
        MalformedReceipt: the bytes are no receipt of ours.
    """
    if len(data) > MAX_NOTE_BYTES:
        message = f"a receipt has at most {MAX_NOTE_BYTES:,} bytes"
        raise MalformedReceipt(message)
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        header, extra, index, *hashes = head.decode("ascii").split("\n")
    except (UnicodeDecodeError, ValueError):
        message = (
            "a receipt has a header, an entry, an index, hashes, a blank line and a checkpoint"
        )
        raise MalformedReceipt(message) from None
    place = _INDEX.fullmatch(index)
    entry = decode_base64(extra.removeprefix("extra "))
    proof = [decode_base64(item) for item in hashes]
    if header != HEADER or not blank or place is None:
        message = f"a receipt begins with '{HEADER}', then 'extra' and 'index'"
        raise MalformedReceipt(message)
    if not extra.startswith("extra ") or entry is None:
        message = "the entry of a receipt stands behind 'extra', in base64"
        raise MalformedReceipt(message)
    found = [item for item in proof if item is not None and len(item) == HASH_SIZE]
    if len(found) != len(proof) or len(found) > _LONGEST_PROOF:
        message = f"the proof of a receipt has at most {_LONGEST_PROOF} lines of {HASH_SIZE} bytes"
        raise MalformedReceipt(message)
    return Receipt(entry=entry, index=int(place[1]), proof=found, checkpoint=checkpoint)


def verify_receipt(data: bytes, vkey: NoteKey) -> Report:
    """Verify a receipt.

    Args:
        data: The receipt.
        vkey: The log's key, got from somewhere else.

    Returns:
        The steps: receipt, checkpoint, entry, inclusion.
    """
    return _Verification(data, vkey).run()


class _Verification:
    """One run. Each step leaves behind what later steps need."""

    _receipt: Receipt
    _head: Checkpoint

    def __init__(self, data: bytes, vkey: NoteKey) -> None:
        self._data = data
        self._key = vkey

    def run(self) -> Report:
        checks: list[tuple[str, Callable[[], str]]] = [
            ("receipt", self._read),
            ("checkpoint", self._check_checkpoint),
            ("entry", self._check_entry),
            ("inclusion", self._check_inclusion),
        ]
        return carry_out(checks)

    def _read(self) -> str:
        self._receipt = parse_receipt(self._data)
        return f"entry {self._receipt.index}, with a proof of {len(self._receipt.proof)} hashes"

    def _check_checkpoint(self) -> str:
        self._head = open_checkpoint(self._receipt.checkpoint, self._key)
        return f"signed by '{self._head.origin}', size {self._head.size}"

    def _check_entry(self) -> str:
        entry = parse(self._receipt.entry)
        return f"canonical and well formed, recorded {entry.recorded.isoformat()}"

    def _check_inclusion(self) -> str:
        hashed = leaf_hash(self._receipt.entry)
        verify_inclusion(
            self._receipt.index, self._head.size, hashed, self._receipt.proof, self._head.root
        )
        return f"entry {self._receipt.index} is in the log that was signed"
