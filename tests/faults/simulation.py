"""Playing runs of the simulation: for a test, and for a planted bug as a program of its own."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from broadcaster import resources
from broadcaster.core.messages import ProviderStatus
from broadcaster.storage import schema
from broadcaster.storage.session import WRITES, make_engine
from broadcaster.testing import FixedClock
from tests import quick
from tests.faults.newsroom import PEOPLE, STOPPED_AT, WORKERS, Newsroom
from tests.faults.simulated import REFUSALS, Fate, SimulatedProvider
from tests.world import World, make_runtime, phone, populate

_LENGTH = 30
_WORKERS = st.integers(0, WORKERS - 1)
_PEOPLE = st.integers(0, PEOPLE - 1)
_FEW = st.integers(1, 4)
_FATES = st.sampled_from(Fate)
# Within the second in which a request must begin, and past it; past a lease, a lost worker, the
# lag of the list, and its settling time.
_SECONDS = st.sampled_from([0.3, 0.9, 1.5, 8.0, 30.0, 60.0, 130.0, 400.0])
# A provider that gave no answer is left alone for a moment, ever longer.
_PAUSES = st.sampled_from([0.0, 1.0, 35.0])
_REPORTS = (
    (ProviderStatus.SENT, None),
    (ProviderStatus.DELIVERED, None),
    (ProviderStatus.READ, None),
    (ProviderStatus.UNDELIVERED, REFUSALS[Fate.NOT_REACHED]),
    (ProviderStatus.FAILED, REFUSALS[Fate.BLOCKED]),
)


# What may happen, how often beside the others, and what else is drawn for it.
_STEPS: list[tuple[int, str, tuple[st.SearchStrategy, ...]]] = [
    (5, "sends", (_WORKERS, _PAUSES, st.lists(_FATES, min_size=1, max_size=4), st.booleans())),
    (3, "requests", (_WORKERS, _FATES)),
    (2, "races", (_WORKERS, st.tuples(_FATES, _FATES))),
    (2, "claims", (_WORKERS, _FEW)),
    (1, "hands_over", (_WORKERS, _FEW)),
    (2, "writes_down", (_WORKERS,)),
    (2, "is_killed", (_WORKERS,)),
    (3, "goes_round", (_SECONDS,)),
    (1, "passes", (_SECONDS,)),
    (1, "settles", ()),
    (1, "ticks", ()),
    (1, "looks_up", ()),
    (2, "is_scheduled", ()),
    (2, "is_reported", (st.integers(0, 20), st.sampled_from(_REPORTS))),
    (3, "joins", (_PEOPLE,)),
    (2, "stops", (_PEOPLE, st.sampled_from(list(STOPPED_AT)))),
    (1, "stops_unheard", (_PEOPLE,)),
    (2, "is_braked", (st.integers(0, 3), st.sampled_from(["pause", "pause", "pause", "stop"]))),
]
# One rule draws them all: of many rules Hypothesis leaves half out of each run, and without the
# right ones nothing is ever sent.
_ANYTHING = st.one_of(
    # Each a new strategy: one that is there twice counts once.
    st.tuples(st.just(name), *arguments)
    for often, name, arguments in _STEPS
    for _ in range(often)
)


class Run(RuleBasedStateMachine):
    """A run: a bulletin is going out, and then anything happens.

    Attributes:
        template: the directory of a newsroom whose people have joined.
        runs: how many runs there were.
        met: in how many of them each fate and each situation was met.
    """

    template: ClassVar[Path]
    runs: ClassVar[int]
    met: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.newsroom = Newsroom(self.template)
        self.newsroom.is_scheduled()

    @rule(step=_ANYTHING)
    def happens(self, step: tuple) -> None:
        """Somebody takes a step."""
        name, *arguments = step
        getattr(self.newsroom, name)(*arguments)

    @invariant()
    def the_promises_hold(self) -> None:
        """Whatever they do."""
        self.newsroom.check()

    def teardown(self) -> None:
        """Let everything come to rest, and judge it."""
        type(self).runs += 1
        self.met.update(self.newsroom.seen)
        try:
            self.newsroom.comes_to_rest()
            self.newsroom.judge()
        finally:
            self.newsroom.close()


@dataclass(frozen=True)
class Played:
    """What runs came to.

    Args:
        runs: how many there were.
        met: in how many of them each fate and each situation was met.
        broken: the first broken promise; None if all were kept.
    """

    runs: int
    met: Counter[str]
    broken: str | None = None


# Hypothesis's own way of drawing follows each run with five that differ in a step or two. To find
# orders of steps that nobody thought of, each run must be another one; so a backend is named here
# that draws in the same way, by the same seed, and does no more.
_BACKEND = "unguided"
AVAILABLE_PROVIDERS[_BACKEND] = f"{HypothesisProvider.__module__}.{HypothesisProvider.__name__}"


def open_newsroom(folder: Path) -> Path:
    """Make the newsroom that every run begins with: its people have joined."""
    url = f"sqlite:///{folder}/database.sqlite3"
    engine = make_engine(url).execution_options(**{WRITES: True})
    schema.upgrade(engine)
    engine.dispose()
    clock = FixedClock()
    made = make_runtime(url, folder, clock, SimulatedProvider(clock))
    runtime = next(made)
    populate(runtime)
    world = World(runtime, clock, runtime.provider)
    for number in range(PEOPLE):
        world.text(phone(number), "NRC AAN")
    next(made, None)
    return folder


def play(template: Path, runs: int) -> Played:
    """Play runs that differ each time; the first broken promise is raised, as short as it gets."""
    machine = _machine(template)
    run_state_machine_as_test(machine, settings=_settings(runs))
    return Played(machine.runs, machine.met)


def play_until_broken(template: Path, runs: int, number: int) -> Played:
    """Play the runs of a seed until a promise is broken, which is not looked at any closer."""
    machine = _machine(template)
    chosen = settings(_settings(runs), phases=[Phase.generate], database=None)
    try:
        run_state_machine_as_test(seed(number)(machine), settings=chosen)
    except AssertionError as error:
        return Played(machine.runs, machine.met, str(error).splitlines()[0])
    return Played(machine.runs, machine.met)


def _machine(template: Path) -> type[Run]:
    return type("Run", (Run,), {"template": template, "runs": 0, "met": Counter()})


def _settings(runs: int) -> settings:
    return settings(
        backend=_BACKEND,
        max_examples=runs,
        stateful_step_count=_LENGTH,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def main() -> None:
    """Say as JSON whether the source that this runs from keeps the promises."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    asked = parser.parse_args()
    if Path(resources.__file__).resolve().parents[1] != Path.cwd().resolve():
        # Python would fall back on the checkout that is installed, where there is no bug.
        sys.exit("the product is not in the directory that this runs in")
    quick.hurry()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        quick.settle()
        played = play_until_broken(open_newsroom(Path(folder)), asked.runs, asked.seed)
    json.dump({"broken": played.broken, "runs": played.runs, "met": played.met}, sys.stdout)


if __name__ == "__main__":
    main()
