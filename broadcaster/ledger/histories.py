"""The check that each subject's entries form one chain: `prev` names the one before, none is missed.

Subjects can be as many as entries, so they are sorted into buckets that move to temporary files
when they grow; one bucket at a time is looked at, and memory stays flat.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, count, starmap
from types import TracebackType
from typing import IO, Self

from broadcaster.ledger.errors import EntryError

_BUCKETS = 64
_BUCKET_MEMORY = 128 * 1024
_BATCH = 4096
_RECORD = struct.Struct(">Q16sQ")
# Packing many records at once saves most of the time that it takes.
_MANY = 256
_RECORDS = struct.Struct(">" + "Q16sQ" * _MANY)
_RECENT = 1 << 16
#: Stands for no entry where an index is expected.
NO_ENTRY = 2**64 - 1

Row = tuple[int, bytes, int]


class Histories:
    """Collects (subject, index, prev) in the order of the log, then checks all chains.

    Use as a context manager: it may hold temporary files.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._buckets: dict[int, IO[bytes]] = {}
        self._recent: list[list[Row]] = [[] for _ in range(_BUCKETS)]
        self._count = 0

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
        self.add_all(index, [subject], [NO_ENTRY if prev is None else prev])

    def add_all(self, first: int, subjects: Sequence[bytes], prevs: Sequence[int]) -> None:
        """Take note of consent entries that follow each other; see `add`.

        Args:
            first: The position of the first of them.
            subjects: Their subjects.
            prevs: The indices they name; `NO_ENTRY` for none.
        """
        recent = self._recent
        for row in zip(count(first), subjects, prevs, strict=False):
            recent[row[1][0] % _BUCKETS].append(row)
        self._count += len(subjects)
        if self._count >= _RECENT:
            self._flush()

    def add_packed(self, packed: Sequence[bytes]) -> None:
        """Take note of consent entries that `pack` has packed; they follow all before."""
        self._flush()
        for number, records in enumerate(packed):
            self._bucket(number).write(records)

    def _flush(self) -> None:
        if not self._count:
            return
        for number, rows in enumerate(self._recent):
            self._bucket(number).write(_packed(rows))
            rows.clear()
        self._count = 0

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
        self._flush()
        subjects, faults = 0, []
        for bucket in self._buckets.values():
            latest: dict[bytes, int] = {}
            for index, subject, prev in _read(bucket):
                before = latest.get(subject, NO_ENTRY)
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


def pack(first: int, subjects: Sequence[bytes], prevs: Sequence[int]) -> list[bytes]:
    """Pack consent entries that follow each other, for `Histories.add_packed`; see `add_all`."""
    buckets: list[list[Row]] = [[] for _ in range(_BUCKETS)]
    for row in zip(count(first), subjects, prevs, strict=False):
        buckets[row[1][0] % _BUCKETS].append(row)
    return [_packed(rows) for rows in buckets]


def _packed(rows: Sequence[Row]) -> bytes:
    whole = len(rows) - len(rows) % _MANY
    parts = [
        _RECORDS.pack(*chain.from_iterable(rows[at : at + _MANY])) for at in range(0, whole, _MANY)
    ]
    return b"".join([*parts, *starmap(_RECORD.pack, rows[whole:])])


def _read(bucket: IO[bytes]) -> Iterator[Row]:
    bucket.seek(0)
    while records := bucket.read(_RECORD.size * _BATCH):
        yield from _RECORD.iter_unpack(records)


def _in_gap(before: int, prev: int, index: int) -> bool:
    """Tell whether there may be an entry between what is known of a subject and its next entry."""
    return prev < index and (before == NO_ENTRY or before < prev)


def _word(index: int) -> str:
    return "none" if index == NO_ENTRY else f"entry {index}"
