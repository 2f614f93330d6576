"""Counting what is still under way, so that a test can wait for the end instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Activity:
    """Messages on their way and webhooks not yet answered."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[object]] = set()

    def begin(self) -> None:
        """Note that something has begun."""
        self._count += 1
        self._idle.clear()

    def end(self) -> None:
        """Note that something that was begun has ended."""
        self._count -= 1
        if not self._count:
            self._idle.set()

    def start(self, work: Coroutine[object, object, object]) -> None:
        """Run ``work`` on its own and count it until it is done."""
        self.begin()
        task: asyncio.Task[object] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        self.end()

    async def wait_idle(self) -> None:
        """Return once nothing is under way."""
        await self._idle.wait()

    async def cancel(self) -> None:
        """Give up what still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
