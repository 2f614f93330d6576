"""Crash points: wherever they lie, the round goes on."""

from __future__ import annotations

import os
import shutil
import sys
import time
from types import SimpleNamespace

import pytest

from broadcaster.cli.faults.disturb import Keeper
from broadcaster.cli.faults.plan import Disturbance, Kind
from broadcaster.cli.faults.program import Program, ProgramError

READY = "it runs"
RUNS = f"print({READY!r}, flush=True); import time; time.sleep(60)"


@pytest.fixture
def keeper_of(tmp_path):
    """Make a program of some lines of Python, and its keeper."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("This machine has no strace.")
    made = []

    def make(lines):
        program = Program(
            "worker-1",
            READY,
            [sys.executable, "-S", "-c", lines],
            environ={"PATH": os.environ["PATH"]},
            directory=tmp_path,
        )
        made.append(program)
        stage = SimpleNamespace(products=[program])
        return program, Keeper(stage, SimpleNamespace(strace=strace))

    yield make
    for program in made:
        program.end()


def _lay(keeper, call, number):
    blow = Disturbance(kind=Kind.CRASH_POINT, at=0.0, target=0, call=call, number=number)
    keeper.lay_crash_points((blow,))


def _look_until(keeper, holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        keeper.look()
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("call", "number"),
    [("write", 1), ("openat", 3), ("mmap", 1)],
    ids=["as it says so", "as it loads", "first"],
)
def test_a_crash_while_it_starts_is_a_crash_like_any_other(keeper_of, call, number):
    program, keeper = keeper_of(RUNS)
    program.start()
    program.wait_until_ready()
    _lay(keeper, call, number)

    _look_until(keeper, lambda: program.is_running and program.got_ready and keeper.struck)

    assert keeper.struck == {Kind.CRASH_POINT: 1}
    assert keeper.died == []


def test_what_cannot_start_is_still_said(keeper_of):
    _, keeper = keeper_of("raise SystemExit(3)")
    with pytest.raises(ProgramError, match="worker-1 did not start"):
        _lay(keeper, "write", 1000)
