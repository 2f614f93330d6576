"""The check that each subject's entries form one chain: `prev` names the one before, none is missed.

Subjects can be as many as entries, so they are sorted into buckets that move to temporary files
when they grow; one bucket at a time is looked at, and memory stays flat.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self

from broadcaster.ledger.errors import EntryError

_BUCKETS = 64
_BUCKET_MEMORY = 128 * 1024
_BATCH = 4096
_RECORD = struct.Struct(">16sQQ")
_NONE = 2**64 - 1


class Histories:
    """Collects (subject, index, prev) in the order of the log, then checks all chains.

    Use as a context manager: it may hold temporary files.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._buckets: dict[int, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, index: int, subject: bytes, prev: int | None) -> None:
        """Take note of one consent entry.

        Args:
            index: Its position in the log; larger than any before.
            subject: Its subject, 16 bytes.
            prev: The index it names as this subject's previous entry.
        """
        record = _RECORD.pack(subject, index, _NONE if prev is None else prev)
        self._bucket(subject[0] % _BUCKETS).write(record)

    def check(self, *, gaps: bool = False) -> int:
        """Check all chains.

        Args:
            gaps: Whether entries may be missing, as in the part of a log that is one list.

        Returns:
            The number of subjects.

        Raises:
            EntryError: an entry's `prev` is not the index of its subject's previous entry; the
                first such entry of the log is named.
        """
        subjects, faults = 0, []
        for bucket in self._buckets.values():
            latest: dict[bytes, int] = {}
            for subject, index, prev in _read(bucket):
                before = latest.get(subject, _NONE)
                if before != prev and not (gaps and _in_gap(before, prev, index)):
                    faults.append((index, before, prev))
                    break
                latest[subject] = index
            subjects += len(latest)
        if faults:
            index, expected, found = min(faults)
            message = (
                f"entry {index} names {_word(found)} as its subject's previous entry, "
                f"but that is {_word(expected)}"
            )
            raise EntryError(message)
        return subjects

    def _bucket(self, number: int) -> IO[bytes]:
        if number not in self._buckets:
            file = tempfile.SpooledTemporaryFile(max_size=_BUCKET_MEMORY)  # noqa: SIM115 - closed by the stack
            self._buckets[number] = self._stack.enter_context(file)
        return self._buckets[number]


def _read(bucket: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    bucket.seek(0)
    while records := bucket.read(_RECORD.size * _BATCH):
        yield from _RECORD.iter_unpack(records)


def _in_gap(before: int, prev: int, index: int) -> bool:
    """Tell whether there may be an entry between what is known of a subject and its next entry."""
    return prev < index and (before == _NONE or before < prev)


def _word(index: int) -> str:
    return "none" if index == _NONE else f"entry {index}"
