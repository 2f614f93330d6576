"""How fast people are imported, each with proof and an entry in the ledger, on SQLite.

    uv run python -m tests.benchmarks.people_import --rows 1000000

Against it: the same rows of the same four tables, put into a copy of the database by the bare
driver's executemany, in the same batches.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broadcaster.bootstrap import make_keys
from broadcaster.storage import schema
from broadcaster.storage.session import WRITES, make_engine
from tests.world import make_runtime, populate

BATCH = 4_000
# Order matters: who refers to somebody comes after them.
TABLES = {
    "subscribers": "id",
    "ledger_entries": "idx",
    "evidence": "entry",
    "subscriptions": "entry",
}
WORDING = (
    "Ja, ik wil het NRC Ochtendnieuws op mijn telefoon ontvangen, hooguit één bericht per dag. "
    "Ik kan altijd stoppen met STOP."
)


def main() -> None:
    """Measure, and print a line for each."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rows", type=int, default=1_000_000)
    given.add_argument(
        "--place", type=Path, default=None, help="a directory on the disk to measure"
    )
    arguments = given.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.place) as directory:
        place = Path(directory)
        newsroom(place / "home")
        shutil.copytree(place / "home", place / "bare")
        file = place / "people.csv"
        write_file(file, arguments.rows)
        ours = imported(place / "home", file, arguments.rows)
        bare = executemany(place / "home", place / "bare")
        print(f"bare executemany: {arguments.rows / bare:,.0f} rows a second")
        print(f"ratio: {bare / ours:.2f} of the bare executemany")


def newsroom(home: Path) -> None:
    """Make a home with the list NRC."""
    home.mkdir()
    make_keys(home, "news.example.org/ledger")
    path = home / "broadcaster.sqlite3"
    engine = make_engine(f"sqlite:///{path}").execution_options(**{WRITES: True})
    schema.upgrade(engine)
    engine.dispose()
    for runtime in make_runtime(f"sqlite:///{path}", home, None, None):
        populate(runtime)


def write_file(file: Path, rows: int) -> None:
    """Write a file in which everybody agreed, each at a moment of their own."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    with file.open("w", encoding="utf-8") as out:
        out.write("number;when;medium;wording;source;ip;form\n")
        for one in range(rows):
            when = (first + timedelta(seconds=one)).isoformat()
            out.write(
                f'+1555010{one:08d};{when};website;"{WORDING}";'
                f"https://www.example.org/nieuwsbrief#{one};203.0.113.{one % 250};voetnoot\n"
            )


def imported(home: Path, file: Path, rows: int) -> float:
    """Import it with the command, in a process of its own; return the seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "broadcaster", "people", "import", str(file), "--list", "NRC"),
            *("--channel", "sms", "--reason", "benchmark"),
        ],
        env=os.environ | {"BROADCASTER_HOME": str(home)},
        check=True,
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"import: {rows / seconds:,.0f} rows a second, start-up included")
    print(f"  processor time: {1e6 * processor / rows:.1f} µs a row")
    print(f"  most memory: {after.ru_maxrss / 1024:.0f} MiB")
    return seconds


def executemany(full: Path, empty: Path) -> float:
    """Put the same rows into a copy by the bare driver; return the seconds that took."""
    seconds = 0.0
    with (
        closing(sqlite3.connect(full / "broadcaster.sqlite3")) as source,
        closing(sqlite3.connect(empty / "broadcaster.sqlite3", isolation_level=None)) as target,
    ):
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            target.execute(f"PRAGMA {pragma}")
        starts = {
            table: target.execute(f"SELECT coalesce(max({key}), -1) FROM {table}").fetchone()[0]  # noqa: S608 - names above
            for table, key in TABLES.items()
        }
        # The register entry and the wording have been logged before the first person.
        starts["evidence"] = starts["subscriptions"] = starts["ledger_entries"]
        cursors = {
            table: source.execute(
                f"SELECT * FROM {table} WHERE {key} > ? ORDER BY {key}",  # noqa: S608 - names above
                (starts[table],),
            )
            for table, key in TABLES.items()
        }
        while True:
            batch = {table: cursor.fetchmany(BATCH) for table, cursor in cursors.items()}
            if not any(batch.values()):
                return seconds
            began = time.perf_counter()
            target.execute("BEGIN IMMEDIATE")
            for table, rows in batch.items():
                if rows:
                    places = ", ".join("?" * len(rows[0]))
                    target.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - names above
            target.execute("COMMIT")
            seconds += time.perf_counter() - began


if __name__ == "__main__":
    main()
