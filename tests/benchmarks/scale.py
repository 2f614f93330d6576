"""What one recipient costs in small and in large broadcasts: ``uv run python -m tests.benchmarks.scale``.

The product as it comes, on SQLite in one process; only the limits on its pace are off, and the
provider answers at once. Costs are from the start of the bulletin, its audience included, to the
last request. Memory is the greatest resident size of the whole process tree at any moment.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.newsroom import EVERYBODY, newsroom, schedule
from tests.benchmarks.processes import Run, running_stub
from tests.benchmarks.product import running_product, wait_until_over

SIZES = (10_000, 100_000, 1_000_000)
_FLAT = 1.3
_MEMORY = 250
_MEGABYTE = 1024 * 1024


def main() -> None:
    """Print the cost of a recipient at each size, and how far the sizes are apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    runs = []
    for size in parser.parse_args().sizes:
        run, peak = broadcast(size)
        runs.append(run)
        print(
            f"{size:>9,} recipients: {run.seconds:7.1f} s, {1e6 / run.rate:5.0f} µs each,"
            f" {run.microseconds:5.0f} µs of processor each, peak {peak / _MEGABYTE:.0f} MiB"
            f" (goal {_MEMORY})",
            flush=True,
        )
    for what, costs in (
        ("time", [1 / run.rate for run in runs]),
        ("processor time", [run.microseconds for run in runs]),
    ):
        print(f"{what} for each: dearest ÷ cheapest {max(costs) / min(costs):.2f} (goal {_FLAT})")


def broadcast(size: int) -> tuple[Run, int]:
    """Send one bulletin to as many people; return what it cost and the most memory it took."""
    with (
        tempfile.TemporaryDirectory() as folder,
        newsroom("sqlite", Path(folder), size) as place,
        running_stub(0.0) as stub,
        running_product(place, stub.url) as product,
        place.open() as runtime,
    ):
        used = product.processor()
        bulletin = wait_until_over(runtime, schedule(runtime, EVERYBODY))
        used = product.processor() - used
        seen = stub.figures()
        if seen["requests"] != size or bulletin.started is None:
            message = f"{size:,} people, but the stub saw {seen['requests']:,} requests"
            raise RuntimeError(message)
        seconds = seen["last"] - bulletin.started.timestamp()
        return Run(messages=size, seconds=seconds, processor=used), product.peak


if __name__ == "__main__":
    main()
