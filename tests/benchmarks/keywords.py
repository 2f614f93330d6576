"""How fast texts are understood: ``uv run python -m tests.benchmarks.keywords``.

The command as people run it, start-up included, against the same program only copying the CSV:
once over texts that are all different, once over texts that repeat, as commands do.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors"
TIMES = 50
RUNS = 3
COPY = """
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as source, \\
        open(sys.argv[2], "w", newline="", encoding="utf-8") as target:
    csv.writer(target).writerows(csv.reader(source))
"""


def main() -> None:
    """Print the rate and the ratio; medians of a few runs."""
    distinct = sorted(
        {text for name in ("inbound_corpus", "keywords_more") for text in _texts(name)}
    )
    for label, texts in (("all different", distinct), ("repeating", distinct[:500] * TIMES)):
        print(f"{label}: {_measure(texts)}")


def _texts(name: str) -> list[str]:
    with (VECTORS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


def _measure(texts: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "texts.csv"), Path(folder, "out.csv")
        with source.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text"], *([text] for text in texts)])
        classify = [sys.executable, "-m", "broadcaster", "keywords", "classify", str(source)]
        lists = [part for name in ("NRC", "SPORT", "KLIMAAT") for part in ("--list", name)]
        ours = _median([*classify, *lists, "--force", "-o", str(target)])
        copying = _median([sys.executable, "-c", COPY, str(source), str(target)])
    rate = f"{len(texts):,} texts in {ours:.2f} s, {len(texts) / ours:,.0f} a second"
    return f"{rate}; only copying the file takes {copying:.2f} s, ratio {ours / copying:.1f}"


def _median(command: list[str]) -> float:
    return sorted(_timed(command) for _ in range(RUNS))[RUNS // 2]


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
