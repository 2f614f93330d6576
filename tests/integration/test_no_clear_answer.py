"""A provider that answers nonsense is asked more slowly, and then not at all; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted, Refused, Unknown
from broadcaster.services import brakes, tending
from broadcaster.storage import pacing
from broadcaster.storage.models import Bulletin
from tests.world import World, make_runtime, phone, populate

SENDER = 1
GARBAGE = Unknown(reason="garbage")


def join(world, people):
    for number in range(people):
        world.text(phone(number), "NRC AAN")


@pytest.fixture
def begun(world):
    """A bulletin to many that is going out."""
    join(world, 60)
    world.number = world.bulletin()
    world.start()
    return world


def accept(ready):
    return Accepted(sid=f"SM{ready.claim.delivery_id:032x}")


def answer(world, *answers):
    """Let so many requests be made, and be answered like this."""
    world.clock.advance(minutes=1)
    handed = world.hand_over(world.claim(limit=len(answers)))
    assert len(handed) == len(answers)
    each = dict(zip((ready.claim.delivery_id for ready, _ in handed), answers, strict=True))

    def one(ready):
        said = each[ready.claim.delivery_id]
        return said(ready) if callable(said) else said

    world.write_down(handed, one)


def standing(world) -> tuple[str, str | None]:
    tending.tend(world.runtime)
    return world.bulletin_state(world.number)


def is_paused(world, **later) -> bool:
    with world.runtime.reading() as session:
        return pacing.is_standing(session, SENDER, world.clock.now() + timedelta(**later))


def go_on(world):
    world.runtime.run(
        lambda session: brakes.go_on(session, world.runtime, world.number, now=world.clock.now())
    )


GOES_OUT = (BulletinState.SENDING, None)
HOLDS = (BulletinState.HELD, HeldReason.UNCERTAIN)


# The pace


@pytest.mark.parametrize("said", [GARBAGE, Refused(code=20500)], ids=["garbage", "500"])
def test_mostly_nonsense_makes_the_sender_wait_longer_each_time(begun, said):
    answer(begun, said, said, accept)
    assert is_paused(begun, seconds=0.08)
    assert not is_paused(begun, seconds=0.12)

    answer(begun, said, said, said)
    assert is_paused(begun, seconds=0.17)
    answer(begun, said)
    assert is_paused(begun, seconds=0.35)


def test_nonsense_now_and_then_makes_nobody_wait(begun):
    answer(begun, GARBAGE, accept)
    answer(begun, GARBAGE, accept, accept)

    assert not is_paused(begun)


def test_what_was_never_asked_says_nothing_about_the_answers(begun):
    answer(begun, GARBAGE, None, None)

    assert is_paused(begun)


# The brake


def test_a_bulletin_holds_itself_when_the_provider_answers_nonsense(begun):
    answer(begun, *[GARBAGE] * 19)
    assert standing(begun) == GOES_OUT

    begun.clock.advance(minutes=1)
    claimed = begun.claim(limit=5)
    begun.write_down(begun.hand_over(claimed[:1]), lambda _ready: GARBAGE)

    assert standing(begun) == HOLDS
    assert begun.hand_over(claimed[1:]) == []
    assert begun.incidents() == {"bulletin_uncertain": 1}
    assert begun.report(begun.number).waiting == 40


def test_a_provider_that_answers_everything_with_nonsense_is_soon_left_alone(world):
    join(world, 120)
    world.number = world.bulletin()
    world.provider.answer = lambda _message: GARBAGE
    for _ in range(10):
        world.send()
        world.clock.advance(minutes=1)

    assert standing(world) == HOLDS
    assert len(world.provider.sent) < 120
    assert len(set(world.recipients())) == len(world.provider.sent)


def test_a_hiccup_holds_nothing(begun):
    answer(begun, *[GARBAGE] * 19)
    answer(begun, *[accept] * 20)

    assert standing(begun) == GOES_OUT


def test_few_among_many_hold_nothing(world):
    join(world, 100)
    world.number = world.bulletin()
    world.start()
    answer(world, *[accept] * 61)
    answer(world, *[GARBAGE] * 20)
    # Twenty of 81 are less than 25 %; those who wait do not count.
    assert standing(world) == GOES_OUT

    answer(world, GARBAGE)
    assert standing(world) == HOLDS


def test_what_was_looked_up_and_found_counts_no_more(begun):
    answer(begun, *[GARBAGE] * 19)
    for one in begun.deliveries():
        if one.state == State.UNKNOWN:
            begun.callback(one.id, "delivered")
    answer(begun, *[GARBAGE] * 19)

    assert standing(begun) == GOES_OUT


def test_what_our_own_worker_left_behind_says_nothing_about_the_provider(begun):
    begun.hand_over(begun.claim(limit=50))
    begun.clock.advance(minutes=5)

    assert standing(begun) == GOES_OUT
    assert begun.states().count(State.UNKNOWN) == 50


def test_where_a_person_decides_it_holds_too(database_url, tmp_path, clock, provider):
    hold = {"BROADCASTER_SENDING__ON_UNCERTAIN": "hold"}
    for runtime in make_runtime(database_url, tmp_path / "home", clock, provider, **hold):
        populate(runtime)
        world = World(runtime, clock, provider)
        join(world, 30)
        world.number = world.bulletin()
        world.start()
        answer(world, *[GARBAGE] * 20)

        assert world.states().count(State.HELD) == 20
        assert standing(world) == HOLDS


def test_where_the_operator_wants_it_nothing_holds(database_url, tmp_path, clock, provider):
    never = {"BROADCASTER_SENDING__FAILURE_PERCENT": "0"}
    for runtime in make_runtime(database_url, tmp_path / "home", clock, provider, **never):
        populate(runtime)
        world = World(runtime, clock, provider)
        join(world, 30)
        world.number = world.bulletin()
        world.start()
        answer(world, *[GARBAGE] * 25)

        assert standing(world) == GOES_OUT


# Going on


def test_what_a_person_has_seen_does_not_hold_it_again(begun):
    answer(begun, *[GARBAGE] * 20)
    assert standing(begun) == HOLDS

    go_on(begun)
    assert not is_paused(begun)
    answer(begun, *[GARBAGE] * 19)
    assert standing(begun) == GOES_OUT

    answer(begun, GARBAGE)
    assert standing(begun) == HOLDS


def test_what_was_cleared_up_since_excuses_nothing_new(begun):
    answer(begun, *[GARBAGE] * 20)
    assert standing(begun) == HOLDS
    go_on(begun)
    for one in begun.deliveries():
        if one.state == State.UNKNOWN:
            begun.callback(one.id, "delivered")
    assert standing(begun) == GOES_OUT
    with begun.runtime.reading() as session:
        assert session.get_one(Bulletin, begun.number).uncertain_excused == 0

    answer(begun, *[GARBAGE] * 20)
    assert standing(begun) == HOLDS
