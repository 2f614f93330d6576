"""The deterministic simulation beside the rounds: runs of a seed, from any source tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from broadcaster.core.errors import InvalidInput

#: A planted bug must show within so many runs: half of what CI plays.
RUNS = 125
_MODULE = "tests.faults.simulation"
_PATIENCE = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What the simulation came to.

    Args:
        broken: the first broken promise; None if all were kept.
        runs: how many runs were played until then.
    """

    broken: str | None
    runs: int


def simulate(tree: Path, *, seed: int, runs: int = RUNS) -> Simulated:
    """Play runs of the simulation with the product of a source tree, until a promise is broken.

    Args:
        tree: a checkout, or a copy of one.
        seed: decides everything that happens.
        runs: how many runs at most.

    Raises:
        InvalidInput: what the simulation needs is not installed.
    """
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", _MODULE, "--runs", str(runs), "--seed", str(seed)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
        cwd=tree,
        # Nothing of our settings; what is imported comes from the tree.
        env={"PATH": os.defpath, "PYTHONPATH": str(tree)},
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        message = (
            f"The simulation did not run: {reason}. It needs what tests need; run: uv sync"
            " --all-extras, and then: uv run broadcaster faults --planted"
        )
        raise InvalidInput(message)
    said = json.loads(done.stdout.splitlines()[-1])
    return Simulated(broken=said["broken"], runs=said["runs"])
