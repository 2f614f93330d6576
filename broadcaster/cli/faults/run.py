"""A run: rounds one after another, on whatever set-ups this machine can offer."""

from __future__ import annotations

import itertools
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from broadcaster.bootstrap import DISTRIBUTED
from broadcaster.cli.faults.cluster import Cluster
from broadcaster.cli.faults.draw import draw
from broadcaster.cli.faults.judge import Finding, Offence
from broadcaster.cli.faults.machine import Machine
from broadcaster.cli.faults.plan import Kind, Round, Setup
from broadcaster.cli.faults.program import ProgramError
from broadcaster.cli.faults.round import Outcome, play

EMBEDDED = "embedded"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
WORKERS = (1, 3)


class Run:
    """Plays rounds in a directory; those that broke no promise leave nothing behind.

    Args:
        machine: what can be done here.
        directory: where the rounds' files are.
        seed: what decides everything.
        setups: what is played on, in turn.
        cluster: the database server, if any set-up needs one.
        only: the kinds of blows to draw from; all if left out. ``kill -9`` always comes beside them.
    """

    def __init__(
        self,
        machine: Machine,
        directory: Path,
        *,
        seed: int,
        setups: Sequence[Setup],
        cluster: Cluster | None,
        only: Collection[Kind] = (),
    ) -> None:
        self._machine = machine
        self._directory = directory
        self._seed = seed
        self._setups = setups
        self._cluster = cluster
        self._only = only

    def rounds(
        self, minutes: float, *, clock: Callable[[], float] = time.monotonic
    ) -> Iterator[Outcome]:
        """Play rounds until the time is over; at least one."""
        until = clock() + 60 * minutes
        for number in itertools.count(1):
            yield self.play(number)
            if clock() >= until:
                return

    def play(self, number: int) -> Outcome:
        """Play the round with this number."""
        setup = self._setups[(number - 1) % len(self._setups)]
        kinds = possible(self._machine, setup)
        kinds = [kind for kind in kinds if not self._only or kind in self._only] or [Kind.KILL]
        plan = draw(self._seed, number, setup, kinds)
        home = self._directory / f"round-{number}"
        began = time.monotonic()
        try:
            outcome = play(plan, home, self._machine, cluster=self._cluster_of(plan))
        except (ProgramError, SQLAlchemyError, OSError) as error:
            outcome = _unplayed(plan, home, error, time.monotonic() - began)
        if outcome.passed:
            shutil.rmtree(home, ignore_errors=True)
        return outcome

    def _cluster_of(self, plan: Round) -> Cluster | None:
        return self._cluster if plan.setup.database == POSTGRESQL else None


def _unplayed(plan: Round, home: Path, error: Exception, seconds: float) -> Outcome:
    """Count a round that could not be played as broken, and let the next one be played."""
    return Outcome(
        plan=plan,
        home=home,
        findings=(Finding(Offence.UNPLAYED, str(error)),),
        accepted=0,
        spoilt=0,
        left=0,
        struck=Counter(),
        seconds=seconds,
    )


def setups(
    machine: Machine, *, engine: str | None, database: str | None, workers: int | None
) -> list[Setup]:
    """Return every set-up that was asked for and that this machine can offer."""
    known = [(EMBEDDED, SQLITE), (EMBEDDED, POSTGRESQL), (DISTRIBUTED, POSTGRESQL)]
    return [
        Setup(engine=one_engine, database=one_database, workers=number)
        for number in WORKERS
        for one_engine, one_database in known
        if engine in {None, one_engine}
        and database in {None, one_database}
        and workers in {None, number}
        and (machine.postgresql is not None or one_database != POSTGRESQL)
    ]


def possible(machine: Machine, setup: Setup) -> list[Kind]:
    """Return what can be done to a set-up on this machine."""
    is_ours = setup.database == POSTGRESQL
    kinds = [Kind.KILL, Kind.OUTAGE, Kind.FREEZE]
    if machine.strace is not None:
        kinds.append(Kind.CRASH_POINT)
    if is_ours:
        kinds.append(Kind.RESTART_DATABASE)
    if machine.mounts or not is_ours:
        kinds.append(Kind.FULL_DISK)
    return kinds
