"""How fast texts are understood: ``uv run python -m tests.benchmarks.keywords``.

The command as people run it, start-up included, against the same program only copying the CSV.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "vectors" / "inbound_corpus.csv"
TIMES = 100
RUNS = 3
COPY = """
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as source, \\
        open(sys.argv[2], "w", newline="", encoding="utf-8") as target:
    csv.writer(target).writerows(csv.reader(source))
"""


def main() -> None:
    """Print the rate and the ratio; medians of a few runs."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "texts.csv"), Path(folder, "out.csv")
        texts = _repeat(source)
        classify = [sys.executable, "-m", "broadcaster", "keywords", "classify", str(source)]
        lists = [part for name in ("NRC", "SPORT", "KLIMAAT") for part in ("--list", name)]
        ours = _median([*classify, *lists, "--force", "-o", str(target)])
        copying = _median([sys.executable, "-c", COPY, str(source), str(target)])
    print(f"{texts:,} texts: {ours:.2f} s, {texts / ours:,.0f} texts a second")
    print(f"only copying the file: {copying:.2f} s; ratio {ours / copying:.1f}")


def _repeat(target: Path) -> int:
    with CORPUS.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for _ in range(TIMES):
            writer.writerows(rows)
    return len(rows) * TIMES


def _median(command: list[str]) -> float:
    return sorted(_timed(command) for _ in range(RUNS))[RUNS // 2]


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
