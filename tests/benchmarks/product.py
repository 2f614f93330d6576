"""The product as it runs: ``broadcaster serve`` in a process of its own, looked at from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from broadcaster.core.bulletin import BulletinState
from broadcaster.runtime import Runtime
from broadcaster.storage.models import Bulletin
from tests.benchmarks.newsroom import Newsroom

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK_EVERY = 0.05
_GOING = frozenset({BulletinState.SCHEDULED.value, BulletinState.SENDING.value})


class Product:
    """A running product: all its processes together.

    Args:
        pid: the process that was started; what it starts is counted too.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak = 0
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def processor(self) -> float:
        """Return the seconds of processor time so far."""
        return sum(_processor(pid) for pid in self._tree())

    def memory(self) -> int:
        """Return the bytes of memory at this moment; what processes share is counted for each."""
        return sum(_memory(pid) for pid in self._tree())

    def stop_watching(self) -> None:
        """Look no more."""
        self._over.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            self.peak = max(self.peak, self.memory())

    def _tree(self) -> list[int]:
        parents = dict(_parents())
        found = [self._pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found


@contextmanager
def running_product(place: Newsroom, base: str, **more: str) -> Iterator[Product]:
    """Run ``broadcaster serve`` on a newsroom until the benchmark is done with it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BROADCASTER_", "TWILIO_"))
    }
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-m", "broadcaster", "serve", "--port", str(port)],
        env=inherited | place.environ(base, **more),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    product = Product(process.pid)
    try:
        if "listens" not in process.stdout.readline():
            message = "The product did not start."
            raise RuntimeError(message)
        yield product
    finally:
        product.stop_watching()
        process.terminate()
        process.wait()


def wait_until_over(runtime: Runtime, bulletin_id: int) -> Bulletin:
    """Wait for a bulletin to be finished; return it."""
    wanted = sa.select(Bulletin).where(Bulletin.id == bulletin_id)
    while True:
        with runtime.reading() as session:
            bulletin = session.execute(wanted).scalar_one()
        if bulletin.state == BulletinState.FINISHED.value:
            return bulletin
        if bulletin.state not in _GOING:
            message = f"The bulletin is {bulletin.state}, {bulletin.held_reason}."
            raise RuntimeError(message)
        time.sleep(_LOOK_EVERY)


def _parents() -> Iterator[tuple[int, int]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), int(_stat(int(entry.name))[1])


def _stat(pid: int) -> list[str]:
    """Return the fields after the name, which may have spaces in it; the first is the state."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _processor(pid: int) -> float:
    """Return the processor time of a process and of its children that have ended."""
    with suppress(OSError):
        return sum(map(int, _stat(pid)[11:15])) / _TICK
    return 0.0


def _memory(pid: int) -> int:
    with suppress(OSError):
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    return 0
