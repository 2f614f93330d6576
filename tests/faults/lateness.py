"""How late this machine is: a process beside a measurement that sleeps, and writes a byte to the disk.

What it suffers is the machine's doing and not the product's. And how late the judge is: the pretended
provider notes when a request arrived once its loop comes round to it, which shares a process with pytest.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from broadcaster.sandbox.exchange import Exchange
from broadcaster.sandbox.server import SandboxServer

_STEP = 0.002
_BETWEEN = 20
_ROOT = Path(__file__).parents[2]


class Control:
    """A process that sleeps.

    Args:
        process: the same.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def worst(self) -> float:
        """Return by how many seconds it woke too late at most since it was last asked."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextmanager
def control() -> Iterator[Control]:
    """Run a process that sleeps until the block ends."""
    command = [sys.executable, "-m", "tests.faults.lateness"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT) as process:  # noqa: S603 - our own
        yield Control(process)


class Judge:
    """How late the sandbox is with noting when something arrived.

    Args:
        sandbox: one that runs.
    """

    def __init__(self, sandbox: SandboxServer) -> None:
        self._sandbox = sandbox
        self._worst = 0.0

    def worst(self) -> float:
        """Return by how many seconds its loop came round too late at most since it was last asked."""
        worst, self._worst = self._worst, 0.0
        return worst

    @contextmanager
    def at_work(self) -> Iterator[Judge]:
        """Look on until the block ends."""

        async def begin(_: Exchange) -> asyncio.Task[None]:
            return asyncio.create_task(self._sleep())

        async def end(_: Exchange) -> None:
            looking.cancel()

        looking = self._sandbox._call(begin)
        try:
            yield self
        finally:
            self._sandbox._call(end)

    async def _sleep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _STEP
            await asyncio.sleep(_STEP)
            self._worst = max(self._worst, loop.time() - due)


class _Sleeper:
    """Sleeps, and remembers how late it woke, and how long the disk took at most."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - for as long as the process lives

    def sleep(self) -> None:
        """Sleep a little."""
        due = time.monotonic() + _STEP
        time.sleep(_STEP)
        self._worst = max(self._worst, time.monotonic() - due)

    def write(self) -> None:
        """Write a byte to the disk."""
        begun = time.monotonic()
        self._file.write(b".")
        os.fsync(self._file.fileno())
        self._worst = max(self._worst, time.monotonic() - begun)

    def answer(self) -> None:
        """Say how late it was whenever somebody asks."""
        for _ in sys.stdin:
            worst, self._worst = self._worst, 0.0
            print(worst, flush=True)


def main() -> None:
    """Sleep until nobody can ask any more."""
    sleeper = _Sleeper()
    asked = Thread(target=sleeper.answer)
    asked.start()
    while asked.is_alive():
        sleeper.write()
        for _ in range(_BETWEEN):
            sleeper.sleep()


if __name__ == "__main__":
    main()
