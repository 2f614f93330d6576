"""Planting each bug and seeing that the judge turns red, and the simulation, too."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from broadcaster.cli.faults import report
from broadcaster.cli.faults.cluster import Cluster
from broadcaster.cli.faults.draw import draw
from broadcaster.cli.faults.machine import Machine
from broadcaster.cli.faults.planted import Bug, bugs, plant
from broadcaster.cli.faults.round import play
from broadcaster.cli.faults.run import POSTGRESQL, possible
from broadcaster.cli.faults.simulation import Simulated, simulate
from broadcaster.cli.output import say, say_json

_WIDTH = 28
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a planted bug was caught, by what, and in which round.

    Args:
        bug: the bug.
        caught_by: each broken promise with its number; empty when nothing was seen.
        rounds: how many rounds it took.
        seconds: how long they took.
    """

    bug: Bug
    caught_by: dict[str, int]
    rounds: int
    seconds: float


def try_all(
    stack: ExitStack, machine: Machine, directory: Path, *, seed: int, as_json: bool
) -> bool:
    """Try every planted bug, saying each as it ends; tell whether all were caught.

    Raises:
        InvalidInput: this is not a checkout, or a patch does not fit the code any more.
    """
    planted = bugs()
    cluster = None
    if any(bug.setup.database == POSTGRESQL for bug in planted):
        cluster = Cluster(machine)
        stack.callback(cluster.close)
        cluster.start()
    if not as_json:
        say(f"{'PLANTED BUG':<{_WIDTH}}CAUGHT BY")
    verdicts = []
    for bug in planted:
        verdict = attempt(bug, machine, directory, seed=seed, cluster=cluster)
        simulated = attempt_simulated(bug, directory, seed=seed)
        verdicts.append((verdict, simulated))
        if not as_json:
            _say(verdict, simulated)
    caught = all(one.caught_by and other.broken is not None for one, other in verdicts)
    if as_json:
        rows = {one.bug.name: one.caught_by for one, _ in verdicts}
        broken = {one.bug.name: other.broken for one, other in verdicts}
        say_json({"seed": seed, "passed": caught, "planted": rows, "simulated": broken})
    else:
        say("Every planted bug was caught." if caught else "A planted bug was NOT caught.")
    return caught


def _say(verdict: Verdict, simulated: Simulated) -> None:
    """Say what caught a bug: the rounds with real processes, and on a line of its own the runs."""
    by = ", ".join(f"{what} ({n}x)" for what, n in verdict.caught_by.items())
    say(f"{verdict.bug.name:<{_WIDTH}}{by or 'NOTHING'}, in {verdict.seconds:.0f} s")
    say(f"{'  simulated':<{_WIDTH}}{simulated.broken or 'NOTHING'}, within {simulated.runs} runs")


def attempt(
    bug: Bug, machine: Machine, directory: Path, *, seed: int, cluster: Cluster | None
) -> Verdict:
    """Play severe rounds with a planted bug until the judge turns red, or a few were played."""
    tree = plant(bug, directory / bug.patch.stem)
    seconds, number = 0.0, 0
    found: dict[str, int] = {}
    while not found and number < _TRIES:
        number += 1
        kinds = possible(machine, bug.setup)
        plan = draw(seed, number, bug.setup, kinds, is_severe=True)
        home = directory / f"{bug.patch.stem}-{number}"
        outcome = play(
            plan,
            home,
            machine,
            cluster=cluster if bug.setup.database == POSTGRESQL else None,
            tree=tree,
            until_red=True,
        )
        seconds += outcome.seconds
        found = {one.value: n for one, n in report.offences([outcome]).items()}
        shutil.rmtree(home, ignore_errors=True)
    return Verdict(bug=bug, caught_by=found, rounds=number, seconds=seconds)


def attempt_simulated(bug: Bug, directory: Path, *, seed: int) -> Simulated:
    """Play runs of the simulation with a planted bug until a promise is broken."""
    tree = plant(bug, directory / f"{bug.patch.stem}-simulated")
    return simulate(tree, seed=seed)
