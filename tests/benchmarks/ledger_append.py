"""What the ledger costs a text that comes in: ``uv run python -m tests.benchmarks.ledger_append``.

Strangers join, one text and one transaction each. By turns the entry is appended as always, and as
most would keep it: as a row of a plain table of what happened, with no tree, no lock and no index to
search it by. Both are in the same process and on the same database, so whatever else the machine
does meets both alike.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from time import perf_counter, process_time

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcaster.runtime import Runtime
from broadcaster.storage import ledger
from broadcaster.storage.ledger import Leaf
from broadcaster.storage.models.base import UtcDateTime
from tests.benchmarks.ledgers import ledger_of
from tests.benchmarks.newsroom import KINDS
from tests.world import World

_WARM = 100
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_HISTORY = sa.Table(
    "plain_history",
    sa.MetaData(),
    sa.Column("id", _NUMBER, primary_key=True),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("subject", sa.String(32), index=True),
    sa.Column("recorded", UtcDateTime, nullable=False),
)
_APPEND = ledger.append


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--kind", choices=KINDS, action="append")
    given = parser.parse_args()
    for kind in given.kind or KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            ledger_of(kind, Path(folder), given.entries) as place,
            place.open() as runtime,
        ):
            _HISTORY.create(runtime.database)
            _measure(runtime, kind, given.texts)


def _measure(runtime: Runtime, kind: str, texts: int) -> None:
    world = World(runtime, runtime.clock, None)
    turns = [append for append in (_APPEND, _append_plainly) for _ in range(texts)]
    random.Random(kind).shuffle(turns)  # noqa: S311 - the same each time
    took: dict[str, list[float]] = {"wall": [], "processor": []}
    plain: dict[str, list[float]] = {"wall": [], "processor": []}
    for number, append in enumerate([*turns[:_WARM], *turns]):
        ledger.append = append
        wall, processor = perf_counter(), process_time()
        world.text(f"whatsapp:+1555{number:07}", "NRC AAN")
        if number < _WARM:
            continue
        into = took if append is _APPEND else plain
        into["processor"].append(process_time() - processor)
        into["wall"].append(perf_counter() - wall)
    ledger.append = _APPEND
    for what, times in took.items():
        ours, bare = statistics.median(times), statistics.median(plain[what])
        print(
            f"{kind}, {what}: {1e3 * ours:.2f} ms a text, {1e3 * bare:.2f} ms without the tree;"
            f" {ours / bare - 1:+.0%}",
            flush=True,
        )


def _append_plainly(session: Session, leaves: Sequence[Leaf], now: datetime) -> int:
    """Keep what happened in a plain table."""
    numbers = [
        session.execute(
            _HISTORY.insert().values(leaf=leaf.data, subject=leaf.subject, recorded=now)
        ).inserted_primary_key[0]
        for leaf in leaves
    ]
    return int(numbers[0])


if __name__ == "__main__":
    main()
