"""How late a due bulletin starts: ``uv run python -m tests.benchmarks.start_due``.

The product as it comes, with a million subscribers and ten thousand old bulletins in its database,
on each kind of database. Bulletins to a list of 1,000 are scheduled for moments all over the
second; late is the time from that moment to the first request at the provider, which takes 100 ms
to answer. At the end one bulletin to the list of everybody.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from datetime import timedelta
from pathlib import Path

from broadcaster.runtime import Runtime
from tests.benchmarks.newsroom import (
    EVERYBODY,
    KINDS,
    SOME,
    Newsroom,
    add_past,
    newsroom,
    schedule,
    settle,
)
from tests.benchmarks.processes import Stub, percentile, running_stub
from tests.benchmarks.product import running_product, wait_until_over

_SOME = 1_000
_PAST_AUDIENCE = 100
_LATENCY = 0.1


def main() -> None:
    """Print how late bulletins start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--past", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--database", choices=KINDS, action="append")
    given = parser.parse_args()
    for kind in given.database or KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            newsroom(kind, Path(folder), given.people, _SOME) as place,
            running_stub(_LATENCY) as stub,
        ):
            with place.open() as runtime:
                add_past(runtime, given.past, _PAST_AUDIENCE)
                settle(runtime.writer)
            print(f"{kind}, {given.people:,} subscribers, {given.past:,} old bulletins:")
            _measure(place, stub, given.times)


def _measure(place: Newsroom, stub: Stub, times: int) -> None:
    with running_product(place, stub.url) as product, place.open() as runtime:
        late = [_lateness(runtime, stub, SOME) for _ in range(times)]
        print(
            f"  list of {_SOME:,}, {times} times: median {statistics.median(late):.3f} s,"
            f" p99 {percentile(late, 0.99):.3f} s, most {max(late):.3f} s (goal: p99 under 1 s)",
            flush=True,
        )
        one = _lateness(runtime, stub, EVERYBODY, to_the_end=False)
        print(f"  list of everybody, once: {one:.3f} s; peak {product.peak / 2**20:.0f} MiB")


def _lateness(runtime: Runtime, stub: Stub, keyword: str, *, to_the_end: bool = True) -> float:
    stub.figures()
    moment = runtime.clock.now() + timedelta(seconds=random.uniform(2, 3))  # noqa: S311 - no secret
    number = schedule(runtime, keyword, moment)
    if to_the_end:
        wait_until_over(runtime, number)
        first = stub.figures()["first"]
    else:
        first = stub.wait_for_first()
    return float(first - moment.timestamp())


if __name__ == "__main__":
    main()
