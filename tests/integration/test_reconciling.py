"""P3: what nobody knows is looked up in the provider's list, and repeated only when that proves it."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from broadcaster.core.delivery import TAKEN, State
from broadcaster.core.messages import Accepted, ProviderStatus, Unknown
from broadcaster.runtime import Memory
from broadcaster.services import brakes, letters, reconciling, settling, statuses
from broadcaster.services.reconciling import Verdict
from broadcaster.storage import deliveries, incidents, installation, tallies
from broadcaster.storage.models import Delivery
from broadcaster.testing import FakeProvider, accept
from tests.world import World, phone

SETTLE = 600


@pytest.fixture
def provider(clock) -> FakeProvider:
    return FakeProvider(clock=clock)


@pytest.fixture
def newsroom(world) -> World:
    """A newsroom with one reader."""
    world.text(phone(1), "NRC AAN")
    return world


def seconds(world) -> float:
    """The monotonic clock, which moves with the other one."""
    return world.clock.now().timestamp() % 1e6


def lose(world, *, taken: bool, status=ProviderStatus.QUEUED, code=None, text=None):
    """Lose the provider's answers from now on; it takes the message or does not."""

    def answer(message):
        if taken:
            listed = world.provider.take(message)
            world.provider.accepted[-1] = replace(
                listed,
                status=status,
                error_code=code,
                text=listed.text if text is None else text,
            )
        return Unknown(reason="timeout")

    world.provider.answer = answer


def look(world):
    return reconciling.look_up_unknown(world.runtime, clock=lambda: seconds(world))


def settle(world) -> None:
    """Look, let the list settle, and look twice."""
    look(world)
    world.clock.advance(seconds=SETTLE + 1)
    look(world)
    world.clock.advance(seconds=6)
    look(world)


def rows(world) -> list[Delivery]:
    with world.runtime.reading() as session:
        found = list(session.execute(select(Delivery).order_by(Delivery.id)).scalars())
        for number in {row.bulletin_id for row in found}:
            assert tallies.of(session, number) == deliveries.counts(session, number)
        return found


def states(world) -> list[str]:
    return [row.state for row in rows(world)]


def noted(world) -> set[str]:
    with world.runtime.reading() as session:
        return {one.kind for one in incidents.recent(session, 20)}


def test_what_the_list_shows_was_taken_and_is_known_at_once(newsroom):
    lose(newsroom, taken=True, status=ProviderStatus.DELIVERED)
    newsroom.bulletin()
    newsroom.send()
    assert states(newsroom) == [State.UNKNOWN]

    assert look(newsroom) == {Verdict.ACCEPTED: 1}

    (row,) = rows(newsroom)
    assert (row.state, row.sid) == (State.DELIVERED, newsroom.provider.accepted[0].sid)
    newsroom.send()
    assert len(newsroom.provider.sent) == 1


def test_a_list_that_lags_is_looked_at_until_it_shows_the_message(newsroom):
    newsroom.provider.list_lag = 400
    lose(newsroom, taken=True)
    newsroom.bulletin()
    newsroom.send()
    for _ in range(9):
        assert look(newsroom)[Verdict.ACCEPTED] == 0
        newsroom.clock.advance(seconds=44)

    newsroom.clock.advance(seconds=61)
    assert look(newsroom) == {Verdict.ACCEPTED: 1}


def test_what_was_never_taken_goes_out_again_once(newsroom):
    lose(newsroom, taken=False)
    number = newsroom.bulletin()
    newsroom.send()
    settle(newsroom)
    assert states(newsroom) == [State.QUEUED]

    newsroom.provider.answer = accept
    newsroom.send()

    (row,) = rows(newsroom)
    assert (row.state, row.attempt) == (State.ACCEPTED, 2)
    assert newsroom.report(number).bulletin.state == "finished"


def test_one_empty_reading_proves_nothing(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    look(newsroom)
    newsroom.clock.advance(seconds=SETTLE + 1)

    assert look(newsroom) == {Verdict.WAITING: 1}
    newsroom.clock.advance(seconds=2)
    assert look(newsroom) == {}  # too soon after the first to be another one
    assert states(newsroom) == [State.UNKNOWN]


def test_an_empty_list_proves_nothing_before_the_settling_time(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    for _ in range(11):
        look(newsroom)
        newsroom.clock.advance(seconds=54)

    look(newsroom)
    assert states(newsroom) == [State.UNKNOWN]
    assert rows(newsroom)[0].looked is None


def test_a_clock_that_jumps_does_not_shorten_the_settling_time(newsroom):
    """The list is believed by the time that really passed, not by what the clock on the wall says."""
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    passed = 5000.0

    def looks():
        return reconciling.look_up_unknown(newsroom.runtime, clock=lambda: passed)

    looks()
    newsroom.clock.advance(hours=1)
    for _ in range(5):
        passed += 70.0
        looks()

    assert states(newsroom) == [State.UNKNOWN]
    assert rows(newsroom)[0].looked is None


def test_a_clock_that_was_ahead_at_the_hand_over_does_not_hide_the_message(newsroom):
    """The provider dates the message by its own clock, hours before ours says it was sent."""
    lose(newsroom, taken=True)
    newsroom.bulletin()
    newsroom.send()
    newsroom.clock.advance(hours=-3)
    made = newsroom.provider.accepted[0]
    newsroom.provider.accepted[0] = replace(made, created=newsroom.clock.now())

    assert look(newsroom) == {Verdict.ACCEPTED: 1}


def test_a_process_that_has_just_begun_waits_the_settling_time_itself(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    look(newsroom)
    newsroom.clock.advance(seconds=SETTLE + 1)
    newsroom.runtime = replace(newsroom.runtime, memory=Memory())

    assert look(newsroom) == {Verdict.WAITING: 1}
    assert rows(newsroom)[0].looked is None


def test_consent_is_decided_again_before_a_repetition(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    newsroom.text(phone(1), "STOP")
    settle(newsroom)
    newsroom.send()

    (row,) = rows(newsroom)
    assert (row.state, row.reason) == (State.SKIPPED, "left")
    assert len(newsroom.provider.sent) == 1


def test_a_bulletin_that_was_stopped_is_not_repeated(newsroom):
    lose(newsroom, taken=False)
    number = newsroom.bulletin()
    newsroom.send()
    with newsroom.runtime.transaction() as session:
        brakes.stop(session, number, now=newsroom.clock.now())
    settle(newsroom)

    (row,) = rows(newsroom)
    assert (row.state, row.reason) == (State.SKIPPED, "cancelled")


def test_a_bulletin_whose_time_is_over_is_not_repeated(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    look(newsroom)
    newsroom.clock.advance(hours=5)
    settle(newsroom)

    assert states(newsroom) == [State.EXPIRED]
    assert len(newsroom.provider.sent) == 1


def test_a_stop_that_the_provider_knew_of_is_written_down(newsroom):
    """The answer that said so was lost; the list says it, too."""
    lose(newsroom, taken=True, status=ProviderStatus.FAILED, code=21610)
    newsroom.bulletin()
    newsroom.send()

    assert look(newsroom) == {Verdict.REFUSED: 1}

    (row,) = rows(newsroom)
    assert (row.state, row.error_code) == (State.FAILED, 21610)
    assert newsroom.events()[-1] == ("provider_stop", "*")


@pytest.mark.parametrize("code", [30008, None])
def test_what_failed_there_is_not_repeated(newsroom, code):
    """It may have been accepted first: repeating it would be a second accepted request."""
    lose(newsroom, taken=True, status=ProviderStatus.FAILED, code=code)
    newsroom.bulletin()
    newsroom.send()
    settle(newsroom)

    (row,) = rows(newsroom)
    assert (row.state, row.error_code) == (State.FAILED, code)


def test_a_message_whose_words_were_discarded_is_left_to_a_person(newsroom):
    lose(newsroom, taken=True, text="")
    newsroom.bulletin()
    newsroom.send()
    look(newsroom)
    assert states(newsroom) == [State.UNKNOWN]  # a callback may still tell
    settle(newsroom)

    (row,) = rows(newsroom)
    assert (row.state, row.reason) == (State.HELD, "redacted")
    assert "deliveries_held" in noted(newsroom)


@pytest.mark.parametrize(
    "listed", ["Goedemorgen!\r\nDag", "Goedemorgen!\rDag", " Goedemorgen!\nDag\n"]
)
def test_line_ends_and_blanks_that_a_provider_changes_do_not_hide_it(newsroom, listed):
    lose(newsroom, taken=True, text=listed)
    newsroom.bulletin(text="Goedemorgen!\nDag")
    newsroom.send()

    assert look(newsroom) == {Verdict.ACCEPTED: 1}


@pytest.mark.parametrize("text", ["Iets anders", "Goedemorgen", "goedemorgen!", "Dag \u2026"])
def test_other_words_may_be_its_own_and_a_person_decides(newsroom, text):
    """A provider writes links and quotation marks its own way: it may have taken just this one."""
    lose(newsroom, taken=True, text=text)
    newsroom.bulletin()
    newsroom.send()
    settle(newsroom)
    newsroom.send()

    (row,) = rows(newsroom)
    assert (row.state, row.reason) == (State.HELD, "ambiguous")
    assert len(newsroom.provider.sent) == 1


def test_a_line_that_the_provider_puts_before_it_does_not_hide_it(newsroom):
    lose(newsroom, taken=True, text="Sent from your Twilio trial account - Goedemorgen!")
    newsroom.bulletin()
    newsroom.send()

    assert look(newsroom) == {Verdict.ACCEPTED: 1}
    assert rows(newsroom)[0].sid == newsroom.provider.accepted[0].sid


def test_a_list_that_cannot_be_read_proves_nothing(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    newsroom.provider.unreadable = "timeout"
    settle(newsroom)
    assert states(newsroom) == [State.UNKNOWN]
    assert "list_unreadable" in noted(newsroom)

    newsroom.clock.advance(hours=25)
    assert look(newsroom) == {Verdict.HELD: 1}
    assert rows(newsroom)[0].reason == "unreadable"


def test_an_operator_may_leave_everything_to_a_person(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    newsroom.runtime = replace(
        newsroom.runtime,
        settings=replace(
            newsroom.runtime.settings,
            sending=replace(newsroom.runtime.settings.sending, on_uncertain="hold"),
        ),
    )

    assert look(newsroom) == {Verdict.HELD: 1}
    assert states(newsroom) == [State.HELD]


def test_the_same_words_twice_and_both_taken_are_both_known(newsroom):
    lose(newsroom, taken=True)
    for _ in range(2):
        newsroom.bulletin()
    newsroom.send()

    assert look(newsroom) == {Verdict.ACCEPTED: 2}
    assert len({row.sid for row in rows(newsroom)}) == 2


def test_the_same_words_twice_and_one_taken_are_left_to_a_person(newsroom):
    """One of the two was not taken; whichever is repeated, it may be the wrong one."""
    fates = iter([True, False])

    def answer(message):
        if next(fates):
            newsroom.provider.take(message)
        return Unknown(reason="timeout")

    newsroom.provider.answer = answer
    for _ in range(2):
        newsroom.bulletin()
    newsroom.send()
    settle(newsroom)

    assert {(row.state, row.reason) for row in rows(newsroom)} == {("held", "ambiguous")}


def test_a_message_that_is_known_does_not_count_for_another_with_the_same_words(newsroom):
    newsroom.bulletin()
    newsroom.send()
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    settle(newsroom)

    assert states(newsroom) == [State.ACCEPTED, State.QUEUED]


def test_a_message_of_which_only_a_callback_told_does_not_count_either(newsroom):
    """A second id on one delivery is a duplicate of it, and nothing of another one's."""
    newsroom.bulletin()
    newsroom.send()
    (first,) = rows(newsroom)
    twice = newsroom.provider.take(newsroom.provider.sent[0], sid="SM" + "e" * 32)
    token = statuses.callback_token(newsroom.runtime, first.id)
    update = statuses.StatusUpdate(sid=twice.sid, status=ProviderStatus.SENT)
    with newsroom.runtime.transaction() as session:
        statuses.apply(session, newsroom.runtime, token, update)
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    settle(newsroom)

    assert states(newsroom) == [State.ACCEPTED, State.QUEUED]


def test_two_messages_for_one_request_raise_an_alarm(newsroom):
    lose(newsroom, taken=True)
    newsroom.bulletin()
    newsroom.send()
    newsroom.provider.take(newsroom.provider.sent[0], sid="SM" + "e" * 32)

    assert look(newsroom) == {Verdict.ACCEPTED: 1}
    assert "duplicate" in noted(newsroom)


def test_a_callback_that_comes_while_the_list_is_read_wins(newsroom):
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    look(newsroom)
    newsroom.clock.advance(seconds=SETTLE + 1)
    look(newsroom)
    newsroom.clock.advance(seconds=6)
    (row,) = rows(newsroom)
    token = statuses.callback_token(newsroom.runtime, row.id)
    update = statuses.StatusUpdate(sid="SM" + "f" * 32, status=ProviderStatus.DELIVERED)
    reading = newsroom.provider.messages

    async def messages(**asked):
        with newsroom.runtime.transaction() as session:
            statuses.apply(session, newsroom.runtime, token, update)
        async for one in reading(**asked):
            yield one

    newsroom.provider.messages = messages

    assert look(newsroom) == {Verdict.CHANGED: 1}
    assert states(newsroom) == [State.DELIVERED]


def test_a_call_has_an_end_and_the_next_goes_on(newsroom):
    for number in range(2, 62):
        newsroom.text(phone(number), "NRC AAN")
    newsroom.bulletin()
    newsroom.start()
    # All at once: one after the other, the bulletin would hold itself before it came to the last.
    handed = newsroom.hand_over(newsroom.claim())
    for ready, _attempt in handed:
        newsroom.provider.take(letters.compose(newsroom.runtime, ready.claim))
    newsroom.write_down(handed, lambda _ready: Unknown(reason="timeout"))

    assert [look(newsroom)[Verdict.ACCEPTED] for _ in range(3)] == [50, 11, 0]


def test_workers_that_look_at_once_decide_each_delivery_once(newsroom):
    for number in range(2, 22):
        newsroom.text(phone(number), "NRC AAN")
    lose(newsroom, taken=False)
    newsroom.bulletin()
    newsroom.send()
    others = [World(replace(newsroom.runtime, memory=Memory()), newsroom.clock, newsroom.provider)]
    crew = [newsroom, *others]
    for world in crew:
        look(world)
    newsroom.clock.advance(seconds=SETTLE + 1)
    look(newsroom)
    newsroom.clock.advance(seconds=6)
    verdicts = []
    threads = [
        threading.Thread(target=lambda one=world: verdicts.append(look(one))) for world in crew
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(one[Verdict.QUEUED] for one in verdicts) == 21
    assert set(states(newsroom)) == {State.QUEUED}


class Chances:
    """A provider that loses answers by chance, and keeps a journal of what it took."""

    def __init__(self, world, seed) -> None:
        self.world = world
        self.random = random.Random(seed)  # noqa: S311 - the same seed, the same story
        self.journal: list[str] = []
        world.provider.list_lag = self.random.choice([0, 5, 300, 590])
        world.provider.answer = self.answer

    def answer(self, message):
        """Take a message or not, and say so or not."""
        if self.random.random() < 0.6:
            sid = f"SM{len(self.journal):032x}"
            self.world.provider.take(message, sid=sid)
            self.journal.append(message.status_callback.rpartition("/")[2].partition("-")[0])
            if self.random.random() < 0.3:
                return Accepted(sid=sid)
        return Unknown(reason="timeout")

    def wait(self, *some) -> None:
        """Let one of some times pass."""
        self.world.clock.advance(seconds=self.random.choice(some))


@pytest.mark.parametrize("seed", range(8))
def test_nothing_that_was_taken_is_ever_repeated(newsroom, seed):
    """Any mixture of fates, words, lags and outages: never twice, and whatever was lost goes out."""
    for number in range(2, 6):
        newsroom.text(phone(number), "NRC AAN")
    chances = Chances(newsroom, seed)
    for _ in range(3):
        newsroom.bulletin(text=chances.random.choice(["Goedemorgen!", "Goedenavond!"]))
        newsroom.send()
        chances.wait(0, 1, 40)
    for _ in range(40):
        newsroom.provider.unreadable = chances.random.choice([None, None, "timeout"])
        look(newsroom)
        newsroom.send()
        chances.wait(3, 31, 200)
    newsroom.provider.unreadable, newsroom.provider.answer = None, accept
    for _ in range(40):
        look(newsroom)
        newsroom.clock.advance(seconds=61)

    assert len(chances.journal) == len(set(chances.journal))
    for row in rows(newsroom):
        assert row.state in TAKEN | {State.QUEUED, State.HELD, State.EXPIRED}
        taken = str(row.id) in chances.journal
        assert taken == (row.state in TAKEN) or row.reason == "ambiguous"


def watch(world) -> None:
    """Watch the only message there is, by the clock of this world."""
    (row,) = rows(world)
    world.runtime.memory.canary, world.runtime.memory.next_canary = None, 0.0
    settling.sample(world.runtime, delivery_id=row.id, sid=row.sid, clock=lambda: seconds(world))


def test_the_settling_time_grows_with_the_slowest_listing_seen(newsroom):
    newsroom.provider.list_lag = 100
    newsroom.bulletin()
    newsroom.send()
    watch(newsroom)
    for step in (0, 1, 4, 25, 30, 60):
        newsroom.clock.advance(seconds=step)
        settling.measure_settling(newsroom.runtime, clock=lambda: seconds(newsroom))

    with newsroom.runtime.reading() as session:
        assert installation.slowest_listing(session) == 120
        assert settling.settling_time(session, newsroom.runtime) == 1200
    assert newsroom.runtime.memory.canary is None


def test_a_list_that_shows_a_message_at_the_first_look_is_quick_enough(newsroom):
    newsroom.bulletin()
    newsroom.send()
    watch(newsroom)
    newsroom.clock.advance(seconds=90)
    settling.measure_settling(newsroom.runtime, clock=lambda: seconds(newsroom))

    with newsroom.runtime.reading() as session:
        assert settling.settling_time(session, newsroom.runtime) == SETTLE


def test_a_list_that_is_slower_than_believed_raises_an_alarm_and_proves_nothing(newsroom):
    """The assumption behind every repetition is broken, so nothing is repeated."""
    newsroom.provider.list_lag = 1500
    newsroom.bulletin()
    newsroom.send()
    watch(newsroom)
    lose(newsroom, taken=True)
    newsroom.bulletin()
    newsroom.send()
    look(newsroom)
    for _ in range(12):
        newsroom.clock.advance(seconds=100)
        settling.measure_settling(newsroom.runtime, clock=lambda: seconds(newsroom))
        look(newsroom)
    assert states(newsroom) == [State.ACCEPTED, State.UNKNOWN]
    assert "listing_slower_than_settling" in noted(newsroom)

    for _ in range(13):
        newsroom.clock.advance(seconds=100)
        settling.measure_settling(newsroom.runtime, clock=lambda: seconds(newsroom))
        look(newsroom)
    assert states(newsroom) == [State.ACCEPTED, State.ACCEPTED]
    with newsroom.runtime.reading() as session:
        assert installation.slowest_listing(session) >= 1500


def test_an_outage_of_the_list_is_no_slow_list(newsroom):
    newsroom.provider.list_lag = 2
    newsroom.bulletin()
    newsroom.send()
    watch(newsroom)
    for step, reason in ((1, None), (4, "http_503"), (595, "http_503"), (600, None)):
        newsroom.clock.advance(seconds=step)
        newsroom.provider.unreadable = reason
        settling.measure_settling(newsroom.runtime, clock=lambda: seconds(newsroom))

    with newsroom.runtime.reading() as session:
        assert installation.slowest_listing(session) == 1
