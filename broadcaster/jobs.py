"""What engines may be asked to do: names, functions, JSON arguments.

Every job is safe to run twice and at once: the database decides what there is to do. A long one
asks now and then whether it goes on; after a no it ends with what is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from broadcaster.runtime import Runtime
from broadcaster.services import (
    audit,
    comparing,
    dispatch,
    erasing,
    exporting,
    heartbeat,
    planning,
    reconciling,
    settling,
    starting,
    tending,
    verifying,
)
from broadcaster.services.dispatch import Chunk

GoesOn = Callable[[], bool]
Job = Callable[[Runtime, GoesOn], None]
ChunkJob = Callable[[Runtime, GoesOn, Mapping[str, int]], None]


def start_due(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Start every bulletin whose moment has come."""
    starting.start_due(runtime)


def send_waiting(runtime: Runtime, goes_on: GoesOn) -> None:
    """Hand over what waits."""
    asyncio.run(dispatch.send_waiting(runtime, goes_on=goes_on))


def tend(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Put back, give up, take out, hold and finish what has come to that."""
    tending.tend(runtime)


def plan_ahead(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Make the bulletins of the coming days for every series."""
    planning.plan_ahead(runtime)


def look_up(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Ask the provider's list about requests of which nobody knows what became of them."""
    reconciling.look_up_unknown(runtime)


def measure(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Measure after how long the provider's list shows a message."""
    settling.measure_settling(runtime)


def beat(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Count the database's heartbeat on; compare one that was put back from a backup."""
    if heartbeat.beat(runtime):
        comparing.compare(runtime)


def sign(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Sign a checkpoint of the ledger, if there is anything new."""
    audit.sign_what_is_new(runtime)


def verify(runtime: Runtime, goes_on: GoesOn) -> None:
    """Verify the whole ledger, if that is due."""
    verifying.verify_when_due(runtime, goes_on)


def export(runtime: Runtime, goes_on: GoesOn) -> None:
    """Make the files of exports that wait."""
    while goes_on() and exporting.make_next(runtime, goes_on):
        pass


def sweep_exports(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Remove the files of exports that nobody can fetch any more."""
    exporting.sweep(runtime)


def forget(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Go on with forgetting people."""
    erasing.tend(runtime)


def send_chunk(runtime: Runtime, goes_on: GoesOn, arguments: Mapping[str, int]) -> None:
    """Hand over what waits in one chunk of a bulletin."""
    asyncio.run(dispatch.send_waiting(runtime, goes_on=goes_on, within=Chunk(**arguments)))


JOBS: Mapping[str, Job] = {
    "start_due": start_due,
    "send_waiting": send_waiting,
    "tend": tend,
    "plan_ahead": plan_ahead,
    "look_up": look_up,
    "measure": measure,
    "beat": beat,
    "sign": sign,
    "verify": verify,
    "export": export,
    "sweep_exports": sweep_exports,
    "forget": forget,
}

#: Seconds between two looks; a bulletin starts within a second of its moment.
EVERY: Mapping[str, float] = {
    "start_due": 0.3,
    "send_waiting": 0.3,
    "tend": 0.5,
    "plan_ahead": 5.0,
    "look_up": 1.0,
    "measure": 1.0,
    "beat": 3.0,
    "sign": 60.0,
    "verify": 15.0,
    "export": 1.0,
    "sweep_exports": 60.0,
    "forget": 10.0,
}

#: What an engine with a queue does chunk by chunk, and the jobs of the clock that this replaces.
CHUNK_JOBS: Mapping[str, ChunkJob] = {"send_chunk": send_chunk}
BY_CHUNK = frozenset({"send_waiting"})
