"""Blows, and picking up after them: what a power cut, an operator and a full disk do."""

from __future__ import annotations

import heapq
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from broadcaster.cli.faults.machine import Machine
from broadcaster.cli.faults.plan import Disturbance, Kind
from broadcaster.cli.faults.program import Program, ProgramError
from broadcaster.cli.faults.stage import Stage

# As long as a service manager takes to notice and to start a process again.
_RESTART_AFTER = 0.3


class Agenda:
    """What is to be done, at moments of the monotonic clock."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def add(self, moment: float, action: Callable[[], None]) -> None:
        """Let something be done at a moment."""
        heapq.heappush(self._entries, (moment, next(self._numbers), action))

    def do_due(self) -> None:
        """Do what is due by now."""
        while self._entries and self._entries[0][0] <= time.monotonic():
            heapq.heappop(self._entries)[2]()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return not self._entries


class Keeper:
    """Strikes the product's processes, and starts again what has ended.

    Args:
        stage: what is struck.
        machine: what can be done here.

    Attributes:
        agenda: what is still to come.
        struck: how often each kind of blow was dealt.
        died: processes that ended though nobody had struck them.
    """

    def __init__(self, stage: Stage, machine: Machine) -> None:
        self.agenda = Agenda()
        self.struck: Counter[Kind] = Counter()
        self.died: list[str] = []
        self._stage = stage
        self._machine = machine
        self._traced: set[str] = set()
        self._ended: set[str] = set()
        self._is_full = False
        self._could_start = 0.0

    def lay_crash_points(self, blows: tuple[Disturbance, ...]) -> None:
        """Start the targets of crash points again, under a tracer that kills them."""
        for blow in blows:
            if blow.kind is Kind.CRASH_POINT and self._machine.strace:
                target = self._target(blow)
                if target.name in self._traced:
                    continue
                target.end()
                inject = f"{blow.call}:signal=SIGKILL:when={blow.number}"
                target.start(
                    (
                        *(self._machine.strace, "-f", "-qq", "-o", "/dev/null"),
                        *("-e", f"trace={blow.call}", "-e", f"inject={inject}"),
                    )
                )
                self._traced.add(target.name)
                _wait_until_ready_or_killed(target)

    def plan(self, blows: tuple[Disturbance, ...], start: float) -> None:
        """Put the other blows on the agenda."""
        for blow in blows:
            if blow.kind is not Kind.CRASH_POINT:
                self.agenda.add(start + blow.at, partial(self._strike, blow))

    def look(self) -> None:
        """Do what is due, and start again what has ended."""
        self.agenda.do_due()
        for product in self._stage.products:
            if not product.is_running and product.name not in self._ended:
                self._note_end(product)

    def _note_end(self, product: Program) -> None:
        if product.name in self._traced:
            self._traced.discard(product.name)
            self.struck[Kind.CRASH_POINT] += 1
        elif not self._could_not_start(product):
            self.died.append(f"{product.name} ended with {product.exit_code}")
        self._start_again(product, _RESTART_AFTER)

    def _could_not_start(self, product: Program) -> bool:
        """Tell whether a process may end: the disk is full, or it wanted to start while that was so.

        Or while the database was away: a command says so and ends, and its keeper starts it again.
        """
        began_before = product.started < self._could_start and not product.got_ready
        return self._is_full or began_before

    def _start_again(self, product: Program, after: float) -> None:
        self._ended.add(product.name)

        def start() -> None:
            product.start()
            self._ended.discard(product.name)

        self.agenda.add(time.monotonic() + after, start)

    def _target(self, blow: Disturbance) -> Program:
        if blow.kind is Kind.OUTAGE:
            return self._stage.products[0]
        return self._stage.products[blow.target % len(self._stage.products)]

    def _strike(self, blow: Disturbance) -> None:
        target = self._target(blow)
        is_about_one = blow.kind in {Kind.KILL, Kind.OUTAGE, Kind.FREEZE}
        if is_about_one and (target.name in self._ended or not target.is_running):
            return
        self.struck[blow.kind] += 1
        match blow.kind:
            case Kind.KILL:
                self._kill(target, _RESTART_AFTER)
            case Kind.OUTAGE:
                self._kill(target, blow.seconds)
            case Kind.FREEZE:
                self._freeze(target, blow.seconds)
            case Kind.RESTART_DATABASE:
                self._restart_database()
            case Kind.FULL_DISK:
                self._fill_disk(blow.seconds)
            case Kind.CRASH_POINT:
                pass

    def _kill(self, product: Program, down: float) -> None:
        product.kill()
        self._traced.discard(product.name)
        self._start_again(product, down)

    def _freeze(self, product: Program, seconds: float) -> None:
        product.freeze()
        pid = product.pid

        def thaw() -> None:
            if product.is_running and product.pid == pid:
                product.thaw()

        self.agenda.add(time.monotonic() + seconds, thaw)

    def _restart_database(self) -> None:
        cluster = self._stage.cluster
        if cluster is None:
            return
        cluster.kill()
        # On a full disk it could not start; whoever empties the disk starts it.
        if not self._is_full:
            cluster.ensure()
            self._could_start = time.monotonic()

    def _fill_disk(self, seconds: float) -> None:
        self._is_full = True
        self._stage.disk.fill()
        self.agenda.add(time.monotonic() + seconds, self._empty_disk)

    def _empty_disk(self) -> None:
        self._stage.disk.empty()
        if self._stage.cluster is not None:
            self._stage.cluster.ensure()
        self._is_full = False
        self._could_start = time.monotonic()


def _wait_until_ready_or_killed(target: Program) -> None:
    """Wait for a process with a crash point; it may meet that while it starts, and is started again.

    Raises:
        ProgramError: it did not start, for another reason.
    """
    try:
        target.wait_until_ready()
    except ProgramError:
        if target.exit_code != -signal.SIGKILL:
            raise
