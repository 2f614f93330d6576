"""The promises under every order of steps, crashes and faults that Hypothesis can think of."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import TAKEN, State
from broadcaster.core.errors import Conflict, InvalidInput
from broadcaster.ledger.entry import Event, parse
from broadcaster.services import brakes, reconciling, starting, statuses, tending
from broadcaster.storage import deliveries, ledger, schema, tallies
from broadcaster.storage.models import Bulletin, Delivery, Subscriber
from broadcaster.storage.session import WRITES, make_engine
from broadcaster.testing import FixedClock
from tests.faults.simulated import (
    Fate,
    Sender,
    SimulatedProvider,
    Worker,
    callback,
)
from tests.world import World, make_runtime, phone, populate

PEOPLE = 4
_RUNS = int(os.environ.get("TEST_SIMULATION_RUNS", "250"))
_WORKERS = st.integers(0, 2)
_PEOPLE = st.integers(0, PEOPLE - 1)
_WAITS = st.sampled_from([0.3, 0.9, 1.5, 8.0, 30.0, 90.0, 400.0])


class Newsroom(RuleBasedStateMachine):
    """Workers, people, an editor and a provider, each taking a step when it likes."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="simulation", dir=_memory()))
        shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
        self.clock = FixedClock()
        self.start = self.clock.now()
        self.provider = SimulatedProvider(self.clock)
        self._made = make_runtime(
            f"sqlite:///{self.folder}/database.sqlite3",
            self.folder,
            self.clock,
            self.provider,
            BROADCASTER_SENDING__SETTLE="120",
            BROADCASTER_SENDING__EXPIRES_MINUTES="600",
            BROADCASTER_SENDING__GRACE_MINUTES="1440",
            BROADCASTER_SENDING__FAILURE_PERCENT="0",
        )
        self.runtime = next(self._made)
        self.world = World(self.runtime, self.clock, self.provider)
        self.world.sids = iter(range(1000, 10**6))
        self.sender = Sender(self.runtime, self.provider, self.seconds)
        self.sender.began = self.began
        self.workers = [Worker(f"worker{number}") for number in range(3)]
        self.bulletins: list[int] = []
        self.stopping: dict[str, float] = {}
        self.stopped: dict[str, float] = {}
        self.faults: list[str] = []

    def seconds(self) -> float:
        """The monotonic clock of this world."""
        return (self.clock.now() - self.start).total_seconds() + 1000.0

    # What the workers do.

    @rule(worker=_WORKERS, limit=st.integers(1, 4))
    def claims(self, worker, limit):
        self.sender.claim(self.workers[worker], limit)

    @rule(worker=_WORKERS, most=st.integers(1, 4))
    def hands_over(self, worker, most):
        self.sender.hand_over(self.workers[worker], most)

    @precondition(lambda self: any(one.handed for one in self.workers))
    @rule(worker=_WORKERS, fate=st.sampled_from(Fate))
    def requests(self, worker, fate):
        self.sender.request(self.workers[worker], fate)

    @precondition(lambda self: any(one.results for one in self.workers))
    @rule(worker=_WORKERS)
    def writes_down(self, worker):
        self.sender.write_down(self.workers[worker])

    @rule(worker=_WORKERS)
    def is_killed(self, worker):
        self.workers[worker].die()

    @rule()
    def ticks(self):
        starting.start_due(self.runtime)
        tending.tend(self.runtime)

    @rule()
    def looks_up(self):
        reconciling.look_up_unknown(self.runtime, clock=self.seconds)

    # What the others do.

    @rule(person=_PEOPLE)
    def joins(self, person):
        author = phone(person)
        self.world.text(author, "NRC AAN")
        self.stopping.pop(author, None)
        self.stopped.pop(author, None)

    @rule(person=_PEOPLE)
    def stops(self, person):
        author = phone(person)
        self.world.text(author, "STOP")
        self.stopping.setdefault(author, self.seconds())

    @precondition(lambda self: len(self.bulletins) < 3)
    @rule()
    def is_scheduled(self):
        try:
            self.bulletins.append(self.world.bulletin(text=f"Bericht {len(self.bulletins)}"))
        except InvalidInput:
            return  # nobody is on the list

    @precondition(lambda self: self.bulletins)
    @rule(pick=st.integers(0, 2), press=st.sampled_from(["pause", "go_on", "stop"]))
    def is_braked(self, pick, press):
        number = self.bulletins[pick % len(self.bulletins)]
        now = self.clock.now()
        try:
            with self.runtime.transaction() as session:
                if press == "go_on":
                    brakes.go_on(session, self.runtime, number, now=now)
                else:
                    getattr(brakes, press)(session, number, now=now)
        except Conflict:
            return

    @precondition(lambda self: self.provider.journal)
    @rule(
        pick=st.integers(0, 20),
        status=st.sampled_from(["sent", "delivered", "read", "undelivered"]),
    )
    def is_reported(self, pick, status):
        journal = self.provider.journal
        callback(self.runtime, statuses, journal[pick % len(journal)], status)

    @rule(seconds=_WAITS)
    def time_passes(self, seconds):
        self.clock.advance(seconds=seconds)
        self.provider.catch_up(self.seconds())

    # What must hold whatever they do.

    def began(self, person: str) -> None:
        """P2: told of each request as it begins."""
        self.note_answers()
        if person in self.stopped:
            self.faults.append("a request began after the stop was answered")

    def note_answers(self) -> None:
        """A stop is answered once nothing is in flight for its author, or after the longest wait."""
        longest = self.runtime.settings.sending.opt_out_wait
        for author, at in list(self.stopping.items()):
            with self.runtime.reading() as session:
                index = self.runtime.keyring.blind_index(Address.parse(author))
                number = session.execute(
                    select(Subscriber.id).where(Subscriber.address_index == index)
                ).scalar_one()
                under_way = deliveries.is_in_flight(session, number)
            if not under_way or self.seconds() >= at + longest:
                self.stopped[author] = self.seconds()
                del self.stopping[author]

    @invariant()
    def stop_means_stop(self):
        self.note_answers()
        assert not self.faults

    @invariant()
    def never_twice(self):
        seen = [one.delivery for one in self.provider.journal]
        assert len(seen) == len(set(seen)), "accepted twice"

    @invariant()
    def counts_are_true(self):
        with self.runtime.reading() as session:
            for number in self.bulletins:
                assert tallies.of(session, number) == deliveries.counts(session, number)

    def teardown(self):
        """Let everything come to rest, then compare the database with the journal."""
        try:
            if self.bulletins:
                self.comes_to_rest()
                self.judge()
        finally:
            next(self._made, None)
            shutil.rmtree(self.folder)

    def comes_to_rest(self) -> None:
        """Every worker dies; one goes on; nothing goes wrong any more."""
        for worker in self.workers:
            worker.die()
        last = Worker("last")
        for _ in range(12):
            self.clock.advance(seconds=200)
            self.provider.catch_up(self.seconds())
            starting.start_due(self.runtime)
            tending.tend(self.runtime)
            reconciling.look_up_unknown(self.runtime, clock=self.seconds)
            self.sender.claim(last, 100)
            self.sender.hand_over(last, 100)
            while last.handed:
                self.sender.request(last, Fate.ACCEPTED)
            self.sender.write_down(last)
        tending.tend(self.runtime)
        self.never_twice()
        self.stop_means_stop()
        self.counts_are_true()

    def judge(self) -> None:
        """P1, P3, P4: everybody has one outcome, and it is what the provider knows."""
        accepted = {one.delivery for one in self.provider.journal}
        with self.runtime.reading() as session:
            for row in session.execute(select(Delivery)).scalars():
                state = State(row.state)
                assert (row.id in accepted) == (state in TAKEN), f"{state} is not what happened"
                if row.id in accepted:
                    _assert_allowed(session, row)
            for bulletin in session.execute(select(Bulletin)).scalars():
                waits = {BulletinState.PAUSED, BulletinState.HELD, BulletinState.SCHEDULED}
                if bulletin.state in waits:
                    continue
                assert bulletin.state in {BulletinState.FINISHED, BulletinState.CANCELLED}
                assert not deliveries.has_open(session, bulletin.id)
                if bulletin.audience is not None:
                    assert sum(tallies.of(session, bulletin.id).values()) == bulletin.audience


def _assert_allowed(session, delivery: Delivery) -> None:
    """P1: the entry that the delivery cites is this person's consent to the list."""
    (leaf,) = ledger.leaves(session, delivery.entry, delivery.entry + 1)
    entry = parse(leaf.leaf)
    subject = session.get_one(Subscriber, delivery.subscriber_id).subject
    assert (entry.event, entry.subject) == (Event.OPT_IN, subject)


def _memory() -> str | None:
    """A directory in memory, where the machine has one: the disk is not what is tried here."""
    memory = Path("/dev/shm")  # noqa: S108 - the directories in it are made by tempfile
    return str(memory) if memory.is_dir() else None


@pytest.fixture(scope="module")
def newsroom_template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("newsroom")
    url = f"sqlite:///{folder}/database.sqlite3"
    engine = make_engine(url).execution_options(**{WRITES: True})
    schema.upgrade(engine)
    engine.dispose()
    clock = FixedClock()
    made = make_runtime(url, folder, clock, SimulatedProvider(clock))
    runtime = next(made)
    populate(runtime)
    world = World(runtime, clock, runtime.provider)
    for number in range(PEOPLE):
        world.text(phone(number), "NRC AAN")
    next(made, None)
    return folder


@pytest.mark.parametrize("part", [0, 1])
def test_the_promises_hold_in_any_order_of_steps(newsroom_template, part):
    machine = type("Newsroom", (Newsroom,), {"template": newsroom_template})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=_RUNS,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
