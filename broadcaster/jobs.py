"""What engines may be asked to do: names, functions, JSON arguments.

Every job is safe to run twice and at once: the database decides what there is to do. A long one
asks now and then whether it goes on; after a no it ends with what is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from broadcaster.runtime import Runtime
from broadcaster.services import dispatch

GoesOn = Callable[[], bool]


def start_due(runtime: Runtime, _goes_on: GoesOn) -> None:
    """Start every bulletin whose moment has come."""
    dispatch.start_due(runtime)


def send_waiting(runtime: Runtime, goes_on: GoesOn) -> None:
    """Hand over what is queued, and finish what is complete."""
    asyncio.run(dispatch.send_waiting(runtime, goes_on=goes_on))


JOBS: Mapping[str, Callable[[Runtime, GoesOn], None]] = {
    "start_due": start_due,
    "send_waiting": send_waiting,
}

#: Seconds between two looks; a bulletin starts within a second of its moment.
EVERY: Mapping[str, float] = {"start_due": 0.4, "send_waiting": 0.4}
