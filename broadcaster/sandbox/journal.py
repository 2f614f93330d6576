"""The journal: what was asked, decided, called back and answered, in order and with its time.

Tests judge the product by it. An entry of a request has ``time`` (it came in) and is numbered
when it is decided; an entry of a webhook has ``time`` (it went out), ``answered_at`` (the answer
was there) and is numbered then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from io import FileIO
from pathlib import Path

from broadcaster.sandbox.errors import InvalidConfig

Entry = dict[str, object]


def stamp(moment: datetime | None) -> str | None:
    """Return a moment in ISO form with microseconds."""
    return None if moment is None else moment.isoformat(timespec="microseconds")


class Journal:
    """An append-only list of entries, numbered from 1; optionally also a file of JSON lines."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._listeners: list[Callable[[Entry], None]] = []
        self._file: FileIO | None = None
        if path is not None:
            try:
                self._file = FileIO(path, "a")
            except OSError as error:
                message = f"The journal cannot be written: {error.strerror}."
                raise InvalidConfig(message) from error

    def record(
        self,
        kind: str,
        outcome: str,
        *,
        time: datetime,
        answered_at: datetime | None,
        **fields: object,
    ) -> Entry:
        """Append an entry; when it has a file, the entry is on the disk before this returns."""
        entry: Entry = {
            "number": len(self._entries) + 1,
            "time": stamp(time),
            "kind": kind,
            "outcome": outcome,
            "answered_at": stamp(answered_at),
            **fields,
        }
        self._entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            os.fsync(self._file.fileno())
        for listener in self._listeners:
            listener(entry)
        return entry

    def after(self, number: int = 0, limit: int | None = None) -> list[Entry]:
        """Return the entries numbered above ``number``, oldest first."""
        end = None if limit is None else max(number, 0) + limit
        return self._entries[max(number, 0) : end]

    @property
    def last(self) -> int:
        """The number of the newest entry."""
        return len(self._entries)

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call ``listener`` with each entry to come."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[Entry], None]) -> None:
        """Call ``listener`` no more."""
        self._listeners.remove(listener)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
