"""What engines may be asked to do: names, functions, JSON arguments.

Every job is safe to run twice and at once: the database decides what there is to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from broadcaster.runtime import Runtime
from broadcaster.services import dispatch


def start_due(runtime: Runtime) -> None:
    """Start every bulletin whose moment has come."""
    dispatch.start_due(runtime)


def send_waiting(runtime: Runtime) -> None:
    """Hand over what is queued, and finish what is complete."""
    asyncio.run(dispatch.send_waiting(runtime))


JOBS: Mapping[str, Callable[[Runtime], None]] = {
    "start_due": start_due,
    "send_waiting": send_waiting,
}

#: Seconds between two looks; a bulletin starts within a second of its moment.
EVERY: Mapping[str, float] = {"start_due": 0.4, "send_waiting": 0.4}
