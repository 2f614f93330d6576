"""Claiming, handing over and writing back, without any request: ``uv run python -m tests.benchmarks.claims``.

Against the same SQL, statement by statement with the same parameters and the same commits, run
bare by the database's own driver on a copy of the same database. In chunks of 500.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from broadcaster.cli.runtime import settle_in
from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted
from broadcaster.runtime import Runtime
from broadcaster.services import claiming, outcomes
from broadcaster.services.outcomes import Result
from broadcaster.storage import deliveries
from tests.benchmarks.newsroom import KINDS, Newsroom, newsroom, start
from tests.benchmarks.processes import Run, Stopwatch, alone, median_run, running_stub, take_turns
from tests.benchmarks.replay import recorded, replay

CHUNK = 500
_GOAL = 0.5
_WORKER = "a-worker-that-only-measures"
_OURS, _BARE = "ours", "the same SQL, bare"


def main() -> None:
    """Print rates and their ratio on each kind of database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for kind in KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            newsroom(kind, Path(folder), given.deliveries) as place,
        ):
            with running_stub(0.0) as stub, place.open(stub.url) as runtime:
                start(runtime)
            runs = take_turns(
                {_OURS: partial(_on_copy, place, ours), _BARE: partial(_on_copy, place, bare)},
                given.rounds,
            )
            pairs = zip(runs[_OURS], runs[_BARE], strict=True)
            ratio = statistics.median(run.rate / other.rate for run, other in pairs)
            print(f"{kind}, {given.deliveries:,} deliveries in chunks of {CHUNK}:")
            for name, times in runs.items():
                middle = median_run(times)
                print(
                    f"  {name:20} {middle.rate:8,.0f} a second,"
                    f" {1e6 / middle.rate:4.0f} µs each, {middle.microseconds:4.0f} µs of processor"
                )
            print(f"  ratio {ratio:.2f} (goal {_GOAL})", flush=True)


def _on_copy(place: Newsroom, work: Callable[[Newsroom], Run]) -> Run:
    with place.copied() as copy:
        run: Run = alone(work, copy)
        _check(copy, run.messages)
    return run


def _check(place: Newsroom, expected: int) -> None:
    """Make sure that whoever ran has done all of the work."""
    with place.open() as runtime, runtime.reading() as session:
        counted = deliveries.counts(session, bulletin_id=1)
    if {one.state: n for one, n in counted.items()} != {State.ACCEPTED: expected}:
        message = f"Not every delivery was written down as accepted: {counted}"
        raise RuntimeError(message)


def ours(place: Newsroom) -> Run:
    """Send everything without sending anything, in a process that has settled in as senders do."""
    with place.open() as runtime:
        settle_in(runtime)
        watch = Stopwatch()
        return watch.stop(_everything(runtime))


def bare(place: Newsroom) -> Run:
    """Write our statements down on one copy, and run them without us on another."""
    with place.copied() as other, other.open() as runtime, recorded(runtime.database) as steps:
        written = _everything(runtime)
    return replay(place, steps, written)


def _everything(runtime: Runtime) -> int:
    written, look = 0, True
    while (batch := claiming.claim(runtime, worker=_WORKER, limit=CHUNK, look=look)).ready:
        look = not batch.waits  # as the sender does
        results = [
            Result(one.claim, attempt, Accepted(sid=f"SM{one.claim.delivery_id:032x}"))
            for one, attempt in claiming.hand_over(runtime, worker=_WORKER, ready=batch.ready)
        ]
        outcomes.write_down(runtime, results)
        written += len(results)
    return written


if __name__ == "__main__":
    main()
