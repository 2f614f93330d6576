"""Lines: the requests of a worker, so many at once, each at its slot or as soon as one is free."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence

from broadcaster.core.uptime import monotonic
from broadcaster.ports import Connection
from broadcaster.services.letters import Letter
from broadcaster.services.outcomes import Result
from broadcaster.services.pace import PUNCTUAL


class Lines:
    """The lines to the provider, the letters that wait for one, and what came back.

    Args:
        connection: the way to the provider.
        number: how many requests may be under way at once.
    """

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._taken = 0
        self._letters: deque[Letter] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._came_back = asyncio.Event()
        self.requests = 0

    @property
    def free(self) -> int:
        """How many lines are free."""
        return self._number - self._taken

    @property
    def waiting(self) -> int:
        """How many letters wait for a line."""
        return len(self._letters)

    @property
    def early(self) -> int:
        """How many letters wait for their slot; they have no line yet."""
        return len(self._under_way) - self._taken

    @property
    def are_busy(self) -> bool:
        """Whether anything is under way, or came back and was not taken yet."""
        return bool(self._under_way or self._results)

    @property
    def has_results(self) -> bool:
        """Whether anything came back that was not taken yet."""
        return bool(self._results)

    def deliver(self, letters: Sequence[Letter]) -> None:
        """Begin the requests of letters, each at its slot or on the next free line."""
        for letter in letters:
            if letter.ready.due is None:
                self._letters.append(letter)
            else:
                self._begin(self._make_at_its_slot(letter))
        for _ in range(min(self.free, len(self._letters))):
            self._taken += 1
            self._begin(self._make_one_after_the_other())

    def take_results(self) -> list[Result]:
        """Take what came back; a letter that found no line in time comes back without a request."""
        now = monotonic()
        if any(one.ready.until <= now for one in self._letters):
            self._give_back([one for one in self._letters if one.ready.until <= now])
            self._letters = deque(one for one in self._letters if one.ready.until > now)
        results, self._results = self._results, []
        return results

    def return_results(self, results: Sequence[Result]) -> None:
        """Put back what was taken and could not be written down."""
        self._results = [*results, *self._results]

    async def something(self, seconds: float) -> bool:
        """Wait until something came back; tell whether it did in time."""
        self._came_back.clear()
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._came_back.wait()
        except TimeoutError:
            return False
        return True

    async def end(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._give_back(self._letters)
        self._letters.clear()
        if self._under_way:
            await asyncio.wait(self._under_way)

    def _give_back(self, letters: Sequence[Letter]) -> None:
        self._results += [Result(one.ready.claim, one.attempt, None) for one in letters]

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _make_one_after_the_other(self) -> None:
        """Make requests on the line that was taken, as long as any letter waits."""
        try:
            while self._letters:
                letter = self._letters.popleft()
                self._keep(await self._answer(letter, letter.ready.until))
        finally:
            self._taken -= 1

    async def _make_at_its_slot(self, letter: Letter) -> None:
        """Make one request at its slot, unless there is no line then, or it is too late."""
        due = letter.ready.due or 0.0
        await asyncio.sleep(max(due - monotonic(), 0.0))
        if not self.free:
            self._keep(Result(letter.ready.claim, letter.attempt, None))
            return
        self._taken += 1
        try:
            self._keep(await self._answer(letter, min(letter.ready.until, due + PUNCTUAL)))
        finally:
            self._taken -= 1

    def _keep(self, result: Result) -> None:
        self._results.append(result)
        self._came_back.set()

    async def _answer(self, letter: Letter, until: float) -> Result:
        """Make a request, and return what the provider said; without one if it would be late."""
        ready, attempt, message = letter
        if message is None:
            return Result(ready.claim, attempt, None, unreadable=True)
        left = until - monotonic()
        if left <= 0:
            return Result(ready.claim, attempt, None)
        self.requests += 1
        return Result(ready.claim, attempt, await self._connection.send(message, begin_within=left))
