"""Sending: one pipeline per worker, from what waits to the last outcome.

Claim what may go at this pace → hand over what the lines need → make the requests, with no
transaction open → write down what became of them; round and round, until nothing waits. The
database work of a round runs in a thread, while the requests under way go on.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from time import perf_counter
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from broadcaster.core.uptime import monotonic
from broadcaster.ports import Connection
from broadcaster.runtime import Runtime
from broadcaster.services import claiming, letters, outcomes, readiness
from broadcaster.services.claiming import Ready
from broadcaster.services.letters import Letter
from broadcaster.services.lines import Lines
from broadcaster.services.outcomes import Result
from broadcaster.services.pace import PUNCTUAL
from broadcaster.services.reach import Reach
from broadcaster.storage.claims import Chunk
from broadcaster.storage.pacing import HORIZON, LEAD

__all__ = ["Chunk", "send_waiting"]

T = TypeVar("T")
_log = structlog.get_logger()

# A round begins so many seconds before it must, for a slot to be handed over in time.
_EARLY = 0.01
# Between two rounds, so that each finds more than a few to do.
_BREATH = 0.02
# How many rounds' worth of requests is handed over before there is a line for it, so that no line
# waits for the database; and how many rounds' worth is claimed. More, and a stop would come late.
_LETTERS_AHEAD, _CLAIMS_AHEAD = 1.2, 1.5
# However slow the provider is: what part of as many as there are lines is claimed at least.
_LEAST_AHEAD = 5
# How much the newest round counts for what a round is taken to need.
_NEWEST = 0.3
_LOOK_AGAIN = 0.1
# Where each waits for its slot, so many times as many as there are lines are handed over early and
# claimed; and more by as much as the worker reaches further.
_EARLY_LETTERS, _AHEAD_OF_SLOTS = 2, 4
# Seconds to wait between tries to write down what became of requests.
_PATIENCE = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)


async def send_waiting(
    runtime: Runtime,
    *,
    goes_on: Callable[[], bool] = lambda: True,
    within: Chunk | None = None,
) -> int:
    """Hand over everything that may go out now; return how many requests were made.

    Args:
        runtime: the parts.
        goes_on: asked in each round; False ends after what is under way, and what waits stays.
        within: only these deliveries; all that wait if left out.
    """
    worker = str(uuid.uuid4())
    first = claiming.Batch((), waits=False)
    if await readiness.may_send(runtime, look=True):
        limit = runtime.settings.sending.concurrency
        may_go = partial(readiness.may_claim, runtime)
        first = claiming.claim(runtime, worker=worker, limit=limit, within=within, may_go=may_go)
    if not first.ready and not first.waits:
        return 0
    async with runtime.provider.connect() as connection:
        pipeline = _Pipeline(runtime, connection, worker=worker, goes_on=goes_on, within=within)
        return await pipeline.run(first)


class _Work(NamedTuple):
    """What a round does with the database.

    Args:
        results: what came back and is to be written down.
        gone: claims to put back.
        due: claims to hand over.
        claims: how many to claim.
        look: whether to look first if there is anything to claim.
    """

    results: Sequence[Result]
    gone: Sequence[Ready]
    due: Sequence[Ready]
    claims: int
    look: bool

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.results or self.gone or self.due or self.claims)


class _NotWrittenError(Exception):
    """What came back could not be written down; it is still to be written."""


class _Pipeline:
    """One worker's round: what it has claimed, what is under way, and what came back."""

    def __init__(
        self,
        runtime: Runtime,
        connection: Connection,
        *,
        worker: str,
        goes_on: Callable[[], bool],
        within: Chunk | None,
    ) -> None:
        self._runtime = runtime
        self._loop = asyncio.get_running_loop()
        self._lines = Lines(connection, runtime.settings.sending.concurrency)
        self._worker = worker
        self._goes_on = goes_on
        self._within = within
        self._pool = runtime.settings.sending.concurrency
        self._claimed: deque[Ready] = deque()
        self._has_pace = False
        self._a_round = 0.0
        self._seen = 0
        self._turn = 0
        begin_within = runtime.settings.sending.begin_within
        self._reach = Reach(runtime.memory, begin_within=begin_within, rest=_BREATH)

    async def run(self, first: claiming.Batch) -> int:
        """Go round until nothing waits and nothing is under way; return the requests made."""
        waits = first.waits
        self._keep(first.ready)
        try:
            while waits or self._claimed or self._lines.are_busy:
                await self._rest()
                # Where more was known to wait there is no need to look before claiming it.
                waits = await self._go_round(look=not waits)
        finally:
            await self._end()
        return self._lines.requests

    async def _go_round(self, *, look: bool) -> bool:
        """Do the work of a round with the database; tell whether more waits."""
        may_go = self._goes_on() and await readiness.may_send(self._runtime)
        self._measure()
        work = self._plan(may_go=may_go, look=look)
        if work.is_nothing:
            return may_go
        try:
            batch = await _in_thread(partial(self._do, work))
        except _NotWrittenError:
            self._lines.return_results(work.results)
            self._keep([*work.gone, *work.due])
            await self._write_down()
            return True
        if batch is None:
            return may_go
        self._keep(batch.ready)
        return batch.waits

    def _plan(self, *, may_go: bool, look: bool) -> _Work:
        """Say what a round does: one piece of work, for each way to the thread and back costs."""
        results = self._lines.take_results()
        if not may_go:
            gone, self._claimed = list(self._claimed), deque()
            return _Work(results, gone, (), claims=0, look=look)
        gone = self._take_missed() if self._room() else []
        soon = monotonic() + self._reach.seconds
        due = list(takewhile(lambda one: one.due is None or one.due <= soon, self._claimed))
        due = due[: self._room()]
        for _ in due:
            self._claimed.popleft()
        return _Work(results, gone, due, self._to_claim(), look=look)

    def _do(self, work: _Work) -> claiming.Batch | None:
        """Write down what came back, hand over, and claim; what may leave leaves before the last.

        Raises:
            _NotWrittenError: the first of these failed, and nothing of the others was done.
        """
        # How long the database took: a night in which the machine was suspended is none of it.
        began = perf_counter()
        try:
            if work.results:
                outcomes.write_down(self._runtime, work.results)
        except SQLAlchemyError as error:
            raise _NotWrittenError from error
        if work.due:
            leave = self._hand_over(work.due)
            self._loop.call_soon_threadsafe(self._lines.deliver, leave)
        handed = perf_counter()
        if work.gone:
            self._let_go(work.gone)
        batch = self._claim(work) if work.claims else None
        self._reach.learn(until_handed=handed - began, whole=perf_counter() - began)
        return batch

    def _claim(self, work: _Work) -> claiming.Batch:
        """Claim ahead; each time another bulletin comes first."""
        self._turn += 1
        return claiming.claim(
            self._runtime,
            worker=self._worker,
            limit=work.claims,
            within=self._within,
            look=work.look,
            lead=self._reach.seconds,
            turn=self._turn,
            may_go=partial(readiness.may_claim, self._runtime),
        )

    def _measure(self) -> None:
        """Learn how many requests begin in a round; what is kept ready is as many times that."""
        began, self._seen = self._lines.requests - self._seen, self._lines.requests
        self._a_round += _NEWEST * (began - self._a_round)

    def _to_claim(self) -> int:
        """Return how many to claim now, ahead of what the lines need."""
        ahead = self._ahead()
        room = ahead - len(self._claimed)
        if self._claimed and (room <= ahead // 2 or self._reaches_far()):
            return 0
        return room

    def _ahead(self) -> int:
        """Return how many claims are kept ready."""
        if self._has_pace:
            # What waits for its slot keeps no line from anybody.
            return math.ceil(_AHEAD_OF_SLOTS * self._pool * self._reach.seconds / LEAD)
        needed = math.ceil(_CLAIMS_AHEAD * self._a_round)
        return max(needed, self._pool // _LEAST_AHEAD, self._lines.free, 1)

    def _reaches_far(self) -> bool:
        """Tell whether there are claims for half of the time for which slots are given out.

        Claiming each slot as it comes up would be a transaction for one or two of them.
        """
        last = self._claimed[-1].due
        return last is not None and last - monotonic() > HORIZON / 2 + self._reach.seconds - LEAD

    def _keep(self, ready: Sequence[Ready]) -> None:
        """Keep claims in the order of their moments.

        Who is claimed again was put back meanwhile, by a pause or because the lease ran out: what
        we knew of them before counts no more.
        """
        again = {one.claim.delivery_id for one in ready}
        kept = [one for one in self._claimed if one.claim.delivery_id not in again]
        self._claimed = deque(sorted([*kept, *ready], key=lambda one: one.due or 0.0))
        if self._claimed:
            # What has no slot comes first, and a free line is all it waits for.
            self._has_pace = self._claimed[0].due is not None

    def _hand_over(self, due: Sequence[Ready]) -> list[Letter]:
        """Commit the hand-over of what is due; write the messages of what may leave."""
        handed = claiming.hand_over(self._runtime, worker=self._worker, ready=due)
        leaves = {ready.claim.delivery_id for ready, _ in handed}
        stays = [one for one in due if one.claim.delivery_id not in leaves]
        if stays:
            # Most are somebody else's by now. What was claimed while its bulletin was being paused
            # is not, and would wait for the end of its lease.
            self._let_go(stays)
        return [letters.write(self._runtime, ready, attempt) for ready, attempt in handed]

    def _room(self) -> int:
        """Return how many may be handed over now.

        What waits for its slot has no line yet: more may wait than there are lines free.
        Else as many may wait as there are lines free, and what the lines need until the next round.
        """
        if not self._claimed:
            return 0
        free = self._lines.free
        if not self._has_pace:
            ahead = math.ceil(_LETTERS_AHEAD * self._a_round)
            return max(free + ahead - self._lines.waiting, 0)
        early = math.ceil(_EARLY_LETTERS * free * self._reach.seconds / LEAD)
        return max(early - self._lines.early, 0)

    def _take_missed(self) -> list[Ready]:
        """Take out whose slot has passed: a hand-over would count an attempt, and send nothing."""
        gone = monotonic() - PUNCTUAL
        missed = [one for one in self._claimed if one.due is not None and one.due < gone]
        if missed:
            kept = (one for one in self._claimed if one.due is None or one.due >= gone)
            self._claimed = deque(kept)
        return missed

    async def _write_down(self) -> None:
        """Write down what came back, however long it takes; meanwhile nothing more is sent.

        The disk may be full, or the database away for a moment. If it stays away, what was sent
        counts as unknown and is looked up.
        """
        results = self._lines.take_results()
        write = partial(outcomes.write_down, self._runtime, results)
        for wait in _PATIENCE if results else ():
            try:
                await _in_thread(write)
            except SQLAlchemyError:
                _log.exception("outcomes_not_written", deliveries=len(results))
                await asyncio.sleep(wait)
            else:
                return
        if not results:
            return
        try:
            await _in_thread(write)
        except SQLAlchemyError:
            # Tried once more at the end, when nothing is under way.
            self._lines.return_results(results)
            raise

    async def _rest(self) -> None:
        """Wait until something came back, a slot is near, or it is time to look again."""
        if self._lines.waiting:
            # No line is idle. The longer the round, the more it does at once.
            await asyncio.sleep(_BREATH)
            return
        if self._lines.has_results:
            if self._has_pace:
                await asyncio.sleep(_BREATH)
            return
        wait = _LOOK_AGAIN
        if self._room():
            due = self._claimed[0].due
            if due is None:
                return
            wait = min(wait, due - self._reach.seconds + _EARLY - monotonic())
        if await self._lines.something(wait):
            await asyncio.sleep(_BREATH)

    async def _end(self) -> None:
        """Whatever happens, wait for what is under way and write it down; let go of the rest."""
        await self._lines.end()
        await self._write_down()
        rest, self._claimed = list(self._claimed), deque()
        if rest:
            await _in_thread(partial(self._let_go, rest))

    def _let_go(self, ready: Sequence[Ready]) -> None:
        """Put back claims of ours that are not handed over."""
        claiming.let_go(self._runtime, worker=self._worker, ready=ready)


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)
