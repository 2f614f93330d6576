"""Proofs from the database, as the log grows: ``uv run python -m tests.benchmarks.ledger_proofs``.

At each size so many proofs are made, of entries and of earlier sizes that are drawn at random, each
in a transaction of its own. Every one is verified, which is not counted.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from broadcaster.ledger.merkle import leaf_hash
from broadcaster.ledger.proof import verify_consistency, verify_inclusion
from broadcaster.runtime import Runtime
from broadcaster.services import proving
from broadcaster.storage import ledger
from tests.benchmarks.ledgers import grow, ledger_of
from tests.benchmarks.newsroom import KINDS
from tests.benchmarks.processes import percentile


def main() -> None:
    """Measure at every power of ten up to the largest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--proofs", type=int, default=200)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--folder", type=Path, help="where the ledger is kept for another run")
    given = parser.parse_args()
    for kind in given.kind or KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            ledger_of(kind, given.folder or Path(folder), 1_000) as place,
            place.open() as runtime,
        ):
            size = 1_000
            while size <= given.largest:
                grow(runtime, size)
                _measure(runtime, kind, given.proofs)
                size *= 10


def _measure(runtime: Runtime, kind: str, count: int) -> None:
    with runtime.reading() as session:
        size, root = ledger.frontier(session).size, ledger.frontier(session).root()
    rng = random.Random(size)  # noqa: S311 - the same each time
    worked = process_time()
    inclusion = [_include(runtime, rng.randrange(size), size, root) for _ in range(count)]
    consistency = [_extend(runtime, rng.randrange(1, size), size, root) for _ in range(count)]
    worked = 1e3 * (process_time() - worked) / (2 * count)
    figures = ", ".join(
        f"{name} median {1e3 * percentile(times, 0.5):.2f} ms, p99 {1e3 * percentile(times, 0.99):.2f} ms"
        for name, times in (("inclusion", inclusion), ("consistency", consistency))
    )
    print(
        f"{kind}, {size:,} entries: {figures};"
        f" processor time, with the verification, {worked:.2f} ms",
        flush=True,
    )


def _include(runtime: Runtime, index: int, size: int, root: bytes) -> float:
    began = perf_counter()
    with runtime.reading() as session:
        path = proving.inclusion(session, index, size)
    took = perf_counter() - began
    with runtime.reading() as session:
        [entry] = ledger.leaves(session, index, index + 1)
    verify_inclusion(index, size, leaf_hash(entry.leaf), path, root)
    return took


def _extend(runtime: Runtime, before: int, size: int, root: bytes) -> float:
    began = perf_counter()
    with runtime.reading() as session:
        path = proving.consistency(session, before, size)
    took = perf_counter() - began
    with runtime.reading() as session:
        earlier = proving.root(session, before)
    verify_consistency(before, size, earlier, root, path)
    return took


if __name__ == "__main__":
    main()
