"""A newsroom in which workers, people, an editor and a provider each take a step when told to.

Whatever order they take them in, the promises must hold after each step; and when all has come to
rest, the database must say what the provider knows.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence, Sized
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, text

from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.errors import Conflict, InvalidInput
from broadcaster.core.messages import ProviderStatus
from broadcaster.runtime import Memory
from broadcaster.services import brakes, reconciling, starting, tending
from broadcaster.services.reconciling import Verdict
from broadcaster.storage import deliveries
from broadcaster.storage.models import Bulletin, Delivery, Subscriber
from broadcaster.testing import FixedClock
from tests.faults.promises import History, assert_kept
from tests.faults.simulated import (
    LIST_LAG,
    PERSONAL,
    REFUSALS,
    Fate,
    Request,
    Sender,
    SimulatedProvider,
    Situation,
    Worker,
    callback,
)
from tests.missed import missed
from tests.world import World, make_runtime, phone

PEOPLE = 4
WORKERS = 3
_BULLETINS = 5
_LONGEST_REST = 20
_LAG = timedelta(seconds=LIST_LAG)
_SETTINGS = {
    "BROADCASTER_SENDING__SETTLE": "120",
    "BROADCASTER_SENDING__EXPIRES_MINUTES": "600",
    "BROADCASTER_SENDING__GRACE_MINUTES": "1440",
    "BROADCASTER_SENDING__FAILURE_PERCENT": "0",
}
STOPPED_AT = {
    State.QUEUED: Situation.STOPPED_QUEUED,
    State.CLAIMED: Situation.STOPPED_CLAIMED,
    State.HANDED_OVER: Situation.STOPPED_HANDED_OVER,
    State.UNKNOWN: Situation.STOPPED_UNKNOWN,
}
_LOOKED_UP = {
    Verdict.WAITING: Situation.NOTHING_PROVED,
    Verdict.ACCEPTED: Situation.FOUND,
    Verdict.QUEUED: Situation.SENT_AGAIN,
}
_PRESSED = {
    "pause": Situation.PAUSED,
    "go_on": Situation.CONTINUED,
    "stop": Situation.CANCELLED,
}
# What is counted as it happens; and what the rows say, where nothing is counted until it is over.
_TALLIES = text(
    "SELECT bulletin_id, state, reason, error_code, sum(n) FROM tallies"
    " GROUP BY 1, 2, 3, 4 HAVING sum(n) ORDER BY 1, 2, 3, 4"
)
_ROWS = text(
    "SELECT bulletin_id, 'queued', NULL, NULL, count(*) FROM deliveries"
    " WHERE state IN ('queued', 'claimed', 'handed_over') GROUP BY 1"
    " UNION ALL SELECT bulletin_id, state, reason, error_code, count(*) FROM deliveries"
    " WHERE state NOT IN ('queued', 'claimed', 'handed_over') GROUP BY 1, 2, 3, 4"
    " ORDER BY 1, 2, 3, 4"
)


class Newsroom:
    """A newsroom that sends while everything goes wrong.

    Args:
        template: the directory of a newsroom whose people have joined.

    Attributes:
        seen: the fates and situations that were met.
    """

    def __init__(self, template: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="simulation", dir=_memory()))
        shutil.copytree(template, self.folder, dirs_exist_ok=True)
        self.clock = FixedClock()
        self.start = self.clock.now()
        self.provider = SimulatedProvider(self.clock)
        url = f"sqlite:///{self.folder}/database.sqlite3"
        self._made = make_runtime(url, self.folder, self.clock, self.provider, **_SETTINGS)
        self.runtime = next(self._made)
        self.world = World(self.runtime, self.clock, self.provider)
        self.world.sids = iter(range(10**6, 10**9))
        self.sender = Sender(self.runtime, self.provider, self.seconds, self.began)
        self.workers = [Worker(f"worker{number}") for number in range(WORKERS)]
        self.bulletins: list[int] = []
        self.stopping: dict[str, float] = {}
        self.stopped: set[str] = set()
        self.history = History()
        self.faults: list[str] = []
        self.seen: set[str] = set()

    def seconds(self) -> float:
        """The monotonic clock of this world."""
        return (self.clock.now() - self.start).total_seconds() + 1000.0

    # What the workers do.

    def claims(self, worker: int, most: int) -> None:
        """A worker claims."""
        self.sender.claim(self.workers[worker], most)

    def hands_over(self, worker: int, most: int) -> None:
        """A worker that has claimed hands over; without one this worker claims first."""
        one = self.among("claimed", worker)
        if one is None:
            one = self.workers[worker]
            self.sender.claim(one, most)
        self.hand_over(one, most)

    def requests(self, worker: int, fate: Fate) -> None:
        """A worker that has handed over makes a request; without one this worker hands over first."""
        one = self.among("handed", worker)
        if one is None:
            one = self.workers[worker]
            self.sender.claim(one, 2)
            self.hand_over(one, 2)
        self.request(one, [fate])

    def writes_down(self, worker: int) -> None:
        """A worker that has answers writes them down."""
        one = self.among("results", worker)
        if one is not None:
            self.sender.write_down(one)

    def sends(self, worker: int, after: float, fates: Sequence[Fate], is_whole: bool) -> None:  # noqa: FBT001
        """A worker waits and goes through its round in one go, with or without its end."""
        one = self.workers[worker]
        self.passes(after)
        self.sender.claim(one, len(fates))
        self.hand_over(one, len(fates))
        self.request(one, fates)
        if is_whole:
            self.sender.write_down(one)

    def races(self, absent: int, fates: Sequence[Fate]) -> None:
        """All workers but one do the same step at the same moment, one after the other."""
        both = [one for number, one in enumerate(self.workers) if number != absent]
        claimed = [self.sender.claim(one, 2) for one in both]
        if any(claimed):
            self.seen.add(Situation.RACED)
        for one in both:
            self.hand_over(one, 2)
        for one, fate in zip(both, fates, strict=True):
            self.request(one, [fate])

    def is_killed(self, worker: int) -> None:
        """A worker forgets everything; the first is also the process that ticks and looks up."""
        one = self.workers[worker]
        self.note_death(one.claimed, one.handed, one.results)
        one.die()
        if worker == 0:
            for field in dataclasses.fields(Memory):
                setattr(self.runtime.memory, field.name, getattr(Memory(), field.name))

    def ticks(self) -> None:
        """What is due starts, and what is going out is tended."""
        starting.start_due(self.runtime)
        tending.tend(self.runtime)

    def looks_up(self) -> None:
        """What nobody knows is looked up in the provider's list."""
        for verdict in reconciling.look_up_unknown(self.runtime, clock=self.seconds):
            if verdict in _LOOKED_UP:
                self.seen.add(_LOOKED_UP[verdict])

    # What the others do.

    def is_scheduled(self) -> None:
        """A bulletin is made, and goes out at once."""
        if len(self.bulletins) == _BULLETINS:
            return
        try:
            self.bulletins.append(self.world.bulletin(text=f"Bericht {len(self.bulletins)}"))
        except InvalidInput:
            return  # nobody is on the list
        self.ticks()

    def joins(self, person: int) -> None:
        """Somebody joins, perhaps again."""
        author = phone(person)
        self.world.text(author, "NRC AAN")
        if author in self.history.left:
            self.seen.add(Situation.CAME_BACK)
        self.stopping.pop(author, None)
        self.stopped.discard(author)
        self.history.unheard.pop(author, None)

    def stops(self, person: int, amid: State) -> None:
        """Somebody stops: one of those whose message is in a state, if there is one."""
        if amid is State.CLAIMED:
            self.claims(person % WORKERS, 2)
        everybody = {phone(number): self.states_of(phone(number)) for number in range(PEOPLE)}
        amidst = [author for author, states in everybody.items() if amid in states]
        author = amidst[person % len(amidst)] if amidst else phone(person)
        self.seen.update(STOPPED_AT[one] for one in everybody[author] & set(STOPPED_AT))
        self.world.text(author, "STOP")
        self.history.left.add(author)
        self.stopping.setdefault(author, self.seconds())

    def stops_unheard(self, person: int) -> None:
        """Somebody stops, and the webhook is lost: only the provider's list knows."""
        author = phone(person)
        missed(self.world, author, "STOP", sid=self.world.sid())
        self.seen.add(Situation.UNHEARD)
        self.history.left.add(author)
        self.history.unheard.setdefault(author, self.clock.now() + _LAG)

    def is_braked(self, bulletin: int, button: str) -> None:
        """The editor presses a button; that of a paused bulletin lets it go on."""
        number = self.bulletins[bulletin % len(self.bulletins)]
        for one in ("pause", "go_on") if button == "pause" else (button,):
            if self.press(one, number):
                self.seen.add(_PRESSED[one])
                return

    def is_reported(self, message: int, report: tuple[ProviderStatus, int | None]) -> None:
        """The provider reports a status of what it took: early, late, repeated, or never."""
        if not self.provider.journal:
            return
        one = self.provider.journal[message % len(self.provider.journal)]
        status, code = report
        if code == REFUSALS[Fate.BLOCKED]:
            self.history.left.add(one.person)
        if self.state_of(one.delivery) in {State.HANDED_OVER, State.UNKNOWN}:
            self.seen.add(Situation.REPORTED_FIRST)
        callback(self.runtime, one, status, code)

    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds=seconds)
        self.provider.catch_up(self.seconds())

    def goes_round(self, seconds: float) -> None:
        """Time passes, and what is done every second or so is done."""
        self.passes(seconds)
        self.ticks()
        self.looks_up()

    def settles(self) -> None:
        """So much time passes that nothing stays unknown."""
        for seconds in (130.0, 130.0, 8.0):
            self.goes_round(seconds)

    # How each step is taken, and what is noted of it.

    def among(self, what: str, pick: int) -> Worker | None:
        """Return one of the workers that have something, if any has."""
        having = [one for one in self.workers if getattr(one, what)]
        return having[pick % len(having)] if having else None

    def hand_over(self, worker: Worker, most: int) -> None:
        wanted = min(most, len(worker.claimed))
        if self.sender.hand_over(worker, most) < wanted:
            self.seen.add(Situation.CLAIM_LOST)

    def request(self, worker: Worker, fates: Sequence[Fate]) -> None:
        for fate in fates[: len(worker.handed)]:
            rest = list(worker.handed)[1:]
            claimed, results = list(worker.claimed), list(worker.results)
            if not self.sender.request(worker, fate):
                self.seen.add(Situation.TOO_LATE)
            elif fate.is_deadly:
                self.note_death(claimed, rest, results)
                return

    def note_death(self, claimed: Sized, handed: Sized, results: Sized) -> None:
        for what, situation in (
            (claimed, Situation.DIED_CLAIMED),
            (handed, Situation.DIED_HANDED_OVER),
            (results, Situation.DIED_ANSWERED),
        ):
            if what:
                self.seen.add(situation)

    def press(self, button: str, number: int) -> bool:
        """Let the editor press a button; tell whether that was possible."""
        now = self.clock.now()
        try:
            with self.runtime.transaction() as session:
                if button == "go_on":
                    brakes.go_on(session, self.runtime, number, now=now)
                else:
                    getattr(brakes, button)(session, number, now=now)
        except Conflict:
            return False
        return True

    def number_of(self, author: str) -> int:
        with self.runtime.reading() as session:
            index = self.runtime.keyring.blind_index(Address.parse(author))
            return session.execute(
                select(Subscriber.id).where(Subscriber.address_index == index)
            ).scalar_one()

    def states_of(self, author: str) -> set[State]:
        number = self.number_of(author)
        with self.runtime.reading() as session:
            found = select(Delivery.state).where(Delivery.subscriber_id == number)
            return {State(one) for one in session.execute(found).scalars()}

    def state_of(self, delivery: int) -> State:
        with self.runtime.reading() as session:
            return State(session.get_one(Delivery, delivery).state)

    # What must hold whatever they do.

    def began(self, request: Request) -> None:
        """P2: told of each request as it begins."""
        self.seen.add(request.fate)
        self.note_answers()
        if request.person in self.stopped:
            self.faults.append("a request began after the stop was answered")
        if request.fate in REFUSALS:
            self.history.refused.add(request.delivery)
        if request.fate in PERSONAL:
            self.history.left.add(request.person)

    def note_answers(self) -> None:
        """A stop is answered once nothing is in flight for its author, or after the longest wait."""
        longest = self.runtime.settings.sending.opt_out_wait
        for author, at in list(self.stopping.items()):
            number = self.number_of(author)
            with self.runtime.reading() as session:
                under_way = deliveries.is_in_flight(session, number)
            if not under_way or self.seconds() >= at + longest:
                self.stopped.add(author)
                del self.stopping[author]

    def check(self) -> None:
        """Fail if a promise is broken by now."""
        self.note_answers()
        assert not self.faults, self.faults[0]
        accepted = [one.delivery for one in self.provider.journal]
        assert len(accepted) == len(set(accepted)), "a message was accepted twice"
        with self.runtime.reading() as session:
            counted = session.execute(_ROWS).all()
            assert session.execute(_TALLIES).all() == counted, "numbers do not add up"

    def judge(self) -> None:
        """Fail if a promise is broken now that everything has come to rest."""
        self.check()
        assert_kept(self.runtime, self.provider.journal, self.history)

    def close(self) -> None:
        """Leave nothing behind."""
        next(self._made, None)
        shutil.rmtree(self.folder)

    def comes_to_rest(self) -> None:
        """Every worker dies, one goes on, the editor lets everything go on, nothing goes wrong."""
        for worker in self.workers:
            worker.die()
        for number in self.bulletins:
            self.press("go_on", number)
        last = Worker("last")
        for _ in range(_LONGEST_REST):
            self.passes(200)
            self.ticks()
            self.looks_up()
            self.sender.claim(last, 100)
            self.sender.hand_over(last, 100)
            while last.handed:
                self.sender.request(last, Fate.ACCEPTED)
            self.sender.write_down(last)
            if self.is_over() and not self.provider.coming:
                break
        self.ticks()

    def is_over(self) -> bool:
        """Tell whether every bulletin has ended, and nobody is left to be looked up."""
        with self.runtime.reading() as session:
            states = session.execute(select(Bulletin.state)).scalars().all()
            is_open = any(deliveries.has_open(session, number) for number in self.bulletins)
        return set(states) <= {BulletinState.FINISHED, BulletinState.CANCELLED} and not is_open


def _memory() -> str | None:
    """A directory in memory, where the machine has one: the disk is not what is tried here."""
    memory = Path("/dev/shm")  # noqa: S108 - the directories in it are made by tempfile
    return str(memory) if memory.is_dir() else None
