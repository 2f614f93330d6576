"""Measuring in a process of its own: the stub in one, whoever is measured in another."""

from __future__ import annotations

import http.client
import json
import math
import multiprocessing
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run cost.

    Args:
        messages: how many went out.
        seconds: how long it took.
        processor: seconds of processor time of the measured process and its children.
    """

    messages: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def microseconds(self) -> float:
        """Processor time for each message."""
        return 1e6 * self.processor / self.messages


class Stopwatch:
    """Takes the time and the processor time of this process from here on."""

    def __init__(self) -> None:
        self._processor = processor_time()
        self._began = time.perf_counter()

    def stop(self, messages: int) -> Run:
        """Return what it cost so far."""
        seconds = time.perf_counter() - self._began
        return Run(messages=messages, seconds=seconds, processor=processor_time() - self._processor)


def processor_time() -> float:
    """Return the processor time of this process and of its children that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def median_run(runs: Sequence[Run]) -> Run:
    """Return the run whose rate is the median."""
    middle = statistics.median_low(run.rate for run in runs)
    return next(run for run in runs if run.rate == middle)


def alone(work: Callable[..., Any], *given: object) -> Any:
    """Do a piece of work in a fresh process, so that nothing of an earlier one is measured."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(work, *given).result()


def most_memory(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one of our commands, and return the most bytes that it held of its own.

    Asked of the kernel for this process alone, until it ends: what a parent holds counts as its
    children's in `getrusage` (``VmHWM``, proc_pid_status(5)).
    """
    command = [sys.executable, "-m", "broadcaster", *arguments]
    most = 0
    with subprocess.Popen(  # noqa: S603 - our own command
        command, env={**os.environ, **environ}, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            found = re.search(r"VmHWM:\s+([0-9]+) kB", status)
            most = max(most, int(found[1]) * 1024 if found else 0)
            time.sleep(0.005)
    if process.returncode:
        message = f"{' '.join(arguments)} ended with {process.returncode}"
        raise RuntimeError(message)
    return most


def take_turns(contestants: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Let everybody run once in each round, each time in another order."""
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    names = list(contestants)
    for _ in range(rounds):
        for name in names:
            runs[name].append(contestants[name]())
        names = names[1:] + names[:1]
    return runs


@dataclass(frozen=True, slots=True)
class Stub:
    """The running stand-in for the provider."""

    port: int

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def figures(self) -> dict[str, Any]:
        """Return what came in since the last look."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        line.request("GET", "/figures")
        answer = line.getresponse().read()
        line.close()
        found: dict[str, Any] = json.loads(answer)
        return found

    def wait_for_first(self) -> float:
        """Return when the first message came in, once one has."""
        while not (first := float(self.figures()["first"])):
            time.sleep(0.01)
        return first


@contextmanager
def running_stub(latency: float, *, journal: bool = False) -> Iterator[Stub]:
    """Run the stub in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.stub", "--latency", str(latency)]
    process = subprocess.Popen(  # noqa: S603 - our own
        [*command, "--journal"] if journal else command, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Stub(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
