"""Exports against reading the same bytes bare: ``uv run python -m tests.benchmarks.ledger_export``.

Each contestant is a process of its own that throws away what it made. The bare reader asks for the
stored bytes in pieces, by the driver alone. The bare writer has the same columns ready in a plain
table and gives each row to ``csv.writer``.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from broadcaster.services import audit
from broadcaster.services.audit import Format
from broadcaster.services.tabling import COLUMNS, cells
from broadcaster.storage import ledger, taking
from tests.benchmarks.ledgers import connect, ledger_of
from tests.benchmarks.newsroom import KINDS, Newsroom
from tests.benchmarks.processes import Run, Stopwatch, alone, most_memory, take_turns

_AT_ONCE = 2_000
_PAIRS = (("jsonl", "bare reader"), ("bundle", "bare reader"), ("csv", "bare csv.writer"))


def main() -> None:
    """Measure on each database, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--folder", type=Path, help="where a ledger of an earlier run is kept")
    parser.add_argument("--xlsx", action="store_true", help="also a workbook; it has no goal")
    given = parser.parse_args()
    for kind in given.kind or KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            ledger_of(kind, given.folder or Path(folder), given.entries) as place,
        ):
            _measure(place, given.entries, given.rounds, xlsx=given.xlsx)


def _measure(place: Newsroom, entries: int, rounds: int, *, xlsx: bool) -> None:
    _lay_out_plainly(place)
    forms = [Format.JSONL, Format.BUNDLE, Format.CSV, *([Format.XLSX] if xlsx else [])]
    contestants: dict[str, Callable[[], Run]] = {
        "bare reader": partial(alone, _read_bare, place),
        "bare csv.writer": partial(alone, _write_bare, place),
    }
    for form in forms:
        contestants[form.value] = partial(alone, _export, place, form.value)
    runs = take_turns(contestants, rounds)
    print(f"{place.kind}, {entries:,} entries")
    for name, found in runs.items():
        rate = statistics.median(run.rate for run in found)
        work = statistics.median(run.microseconds for run in found)
        print(
            f"  {name}: {rate:,.0f} entries a second, {work:.2f} µs of processor time each",
            flush=True,
        )
    for form in Format:
        most = _memory(place, form.value)
        print(f"  the command, {form.value}: at most {most / 1e6:.0f} MB (goal 120)", flush=True)
    for ours, bare in _PAIRS:
        pairs = list(zip(runs[ours], runs[bare], strict=True))
        wall = statistics.median(one.rate / other.rate for one, other in pairs)
        work = statistics.median(other.microseconds / one.microseconds for one, other in pairs)
        print(f"  {ours} / {bare}: {wall:.2f}; by processor time {work:.2f}", flush=True)


def _memory(place: Newsroom, form: str) -> int:
    """Return the most bytes that the command holds, as users run it."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / f"ledger.{form}")
        environ = {**place.environ("http://127.0.0.1:1"), "BROADCASTER_HOME": str(place.home)}
        return most_memory(["ledger", "export", "--format", form, "--output", file], environ)


def _read_bare(place: Newsroom) -> Run:
    connection = connect(place)
    mark = "?" if place.kind == "sqlite" else "%s"
    statement = (
        f"SELECT idx, leaf FROM ledger_entries WHERE idx > {mark} ORDER BY idx LIMIT {_AT_ONCE}"  # noqa: S608 - our own
    )
    watch, read, after = Stopwatch(), 0, -1
    while rows := connection.execute(statement, (after,)).fetchall():
        after = rows[-1][0]
        read += len(rows)
    return watch.stop(read)


def _write_bare(place: Newsroom) -> Run:
    connection = connect(place)
    columns = ", ".join(COLUMNS[1:])
    statement = f'SELECT "index", {columns} FROM plain ORDER BY "index"'  # noqa: S608 - our own
    with Path(os.devnull).open("w", newline="") as out:
        writer = csv.writer(out)
        watch = Stopwatch()
        writer.writerow(COLUMNS)
        rows = 0
        for row in _streamed(connection, place.kind, statement):
            writer.writerow(row)
            rows += 1
        return watch.stop(rows)


def _streamed(connection: Any, kind: str, statement: str) -> Iterator[Sequence[Any]]:
    if kind == "sqlite":
        yield from connection.execute(statement)
        return
    with connection.cursor(name="plain") as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(statement)


def _export(place: Newsroom, form: str) -> Run:
    with place.open() as runtime:
        with runtime.reading() as session:
            size = ledger.frontier(session).size
        watch = Stopwatch()
        for _chunk in audit.export(runtime, Format(form)):
            pass
        return watch.stop(size)


def _lay_out_plainly(place: Newsroom) -> None:
    """Make a table with exactly the columns of the export."""
    kinds = {"index": "BIGINT PRIMARY KEY"}
    columns = ", ".join(f'"{name}" {kinds.get(name, "TEXT")}' for name in COLUMNS)
    marks = ", ".join(["?" if place.kind == "sqlite" else "%s"] * len(COLUMNS))
    connection = connect(place)
    connection.execute("DROP TABLE IF EXISTS plain")
    connection.execute(f"CREATE TABLE plain ({columns})")
    with place.open() as runtime:
        with runtime.reading() as session:
            size = ledger.frontier(session).size
        for first, end in taking.spans(size, _AT_ONCE):
            with runtime.reading() as session:
                stored = taking.stored(session, first, end)
            rows = [[one.idx, *(str(cell) for cell in cells(one)[1:])] for one in stored]
            if place.kind == "sqlite":
                connection.execute("BEGIN")
            insert = f"INSERT INTO plain VALUES ({marks})"  # noqa: S608 - our own
            connection.cursor().executemany(insert, rows)
            connection.commit()
    connection.close()


if __name__ == "__main__":
    main()
