"""Each subject's entries must form one chain: `prev` names the one before, and none is missed."""

from __future__ import annotations

import struct
import tempfile
from contextlib import ExitStack
from typing import IO, Any

from broadcaster.ledger.standalone.refusal import refuse

RECORD = struct.Struct(">16sQQ")
NONE, BUCKETS = 2**64 - 1, 64


class Histories:
    """Collects who, where and after what; in files, since people can be as many as entries."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.buckets: dict[int, IO[bytes]] = {}

    def add(self, index: int, entry: dict[str, Any]) -> None:
        """Take note of a consent entry."""
        subject = bytes.fromhex(entry["subject"])
        number = subject[0] % BUCKETS
        if number not in self.buckets:
            self.buckets[number] = self._open()
        prev = NONE if entry["prev"] is None else entry["prev"]
        self.buckets[number].write(RECORD.pack(subject, index, prev))

    def _open(self) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the stack
        return self.stack.enter_context(file)

    def check(self, *, gaps: bool) -> int:
        """Check all chains, in which entries may be missing or not, and count the subjects."""
        subjects, faults = 0, []
        for bucket in self.buckets.values():
            latest: dict[bytes, int] = {}
            bucket.seek(0)
            while records := bucket.read(RECORD.size * 4096):
                for subject, index, prev in RECORD.iter_unpack(records):
                    before = latest.get(subject, NONE)
                    between = gaps and prev < index and (before == NONE or before < prev)
                    if before != prev and not between:
                        faults.append((index, prev, before))
                    latest[subject] = index
                if faults:
                    break
            subjects += len(latest)
        if faults:
            index, prev, before = min(faults)
            names = f"entry {index} names {word(prev)} as its subject's previous entry"
            refuse(f"{names}, but that is {word(before)}")
        return subjects


def word(index: int) -> str:
    """Name an entry."""
    return "none" if index == NONE else f"entry {index}"
