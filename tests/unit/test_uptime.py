"""The clock that requests must begin by goes on while the machine is suspended."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from broadcaster.core import uptime
from broadcaster.core.uptime import monotonic


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own uptime is read from /proc")
def test_it_is_the_machines_uptime_which_counts_time_spent_suspended():
    # Linux gives CLOCK_BOOTTIME there, not CLOCK_MONOTONIC (fs/proc/uptime.c).
    before = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    now = monotonic()
    after = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    # It is given in hundredths of a second.
    assert before <= now <= after + 0.01
    # On a machine that was never suspended the other clock says the same.
    assert time.CLOCK_BOOTTIME == uptime._CLOCK
