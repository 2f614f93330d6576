"""How fast bulletins go out, against the official client that does nothing else.

``uv run python -m tests.benchmarks.sending``

In one run, in turns and several times over: the plain loop, the bare asynchronous client, and our
whole sender on each kind of database; with a provider that takes 100 ms to answer and with one
that takes none. Ratios are of neighbours in time, and their medians are printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.benchmarks import load
from tests.benchmarks.baselines import bare, loop
from tests.benchmarks.newsroom import KINDS, Newsroom, newsroom
from tests.benchmarks.processes import (
    Run,
    Stub,
    alone,
    median_run,
    running_stub,
    take_turns,
)
from tests.benchmarks.sender import ours

POOL = 500
#: Latency of the provider, how many messages the slow loop sends, and the goal against the client.
CASES = ((0.1, 50, 0.8), (0.0, 2_000, 0.6))
_BARE, _LOOP = "official client, bare", "official client, loop"


def main() -> None:
    """Print rates, ratios and processor time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        places = {
            kind: stack.enter_context(newsroom(kind, Path(folder), given.messages))
            for kind in KINDS
        }
        for latency, few, goal in CASES:
            with running_stub(latency) as stub:
                print(f"\n{given.messages:,} messages, {POOL} under way, {latency * 1e3:.0f} ms:")
                _warm_up(stub, latency)
                contestants: dict[str, Callable[[], Run]] = {
                    _BARE: partial(alone, bare, stub.url, given.messages, POOL)
                }
                for kind, place in places.items():
                    contestants[f"ours, {kind}"] = partial(_ours, place, stub)
                runs = take_turns(contestants, given.rounds)
                _report(runs, alone(loop, stub.url, few), goal)


def _warm_up(stub: Stub, latency: float) -> None:
    if not latency:
        run, processor = load.speed(stub)
        print(f"  the stub itself: {run.rate:,.0f} a second, {processor:.0f} µs each")
    alone(bare, stub.url, POOL, POOL)
    stub.figures()


def _ours(place: Newsroom, stub: Stub) -> Run:
    stub.figures()
    with place.copied() as copy:
        run: Run = alone(ours, copy, stub.url, POOL)
    asked = stub.figures()["requests"]
    if asked != run.messages:
        message = f"{run.messages:,} messages went out, but the stub saw {asked:,} requests"
        raise RuntimeError(message)
    return run


def _report(runs: Mapping[str, list[Run]], slow: Run, goal: float) -> None:
    print(f"  {_LOOP:24} {slow.rate:8,.1f} a second, {slow.microseconds:5,.0f} µs of processor")
    for name, times in runs.items():
        middle = median_run(times)
        line = (
            f"  {name:24} {middle.rate:8,.0f} a second, {middle.microseconds:5,.0f} µs of processor"
        )
        if name != _BARE:
            ratio = statistics.median(
                run.rate / alongside.rate for run, alongside in zip(times, runs[_BARE], strict=True)
            )
            line += f", {ratio:.2f} × bare (goal {goal}), {middle.rate / slow.rate:,.0f} × loop"
        print(line)


if __name__ == "__main__":
    main()
