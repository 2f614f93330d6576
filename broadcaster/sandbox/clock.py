"""The sandbox's time: the machine's own, or one that a test may move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """Return the present moment as an aware UTC datetime."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the clock the rule points to


class MovableClock:
    """The machine's clock with an offset, so that a test need not wait a day."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._system = SystemClock()

    def now(self) -> datetime:
        """Return the present moment in UTC, moved by what was advanced so far."""
        return self._system.now() + self._offset

    def advance(self, by: timedelta) -> None:
        """Move the clock forward by ``by``."""
        self._offset += by
