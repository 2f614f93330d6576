"""A clock that nobody sets, and that goes on while the machine is suspended.

Python's own `time.monotonic` stands still then on Linux: a request that was to begin within a
second could begin after a night, over a stop that came in between.

Source: clock_gettime(2), CLOCK_BOOTTIME; on macOS CLOCK_MONOTONIC counts that time by itself.
"""

from __future__ import annotations

import time

_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def monotonic() -> float:
    """Return the seconds since some moment; only the difference of two means something."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
