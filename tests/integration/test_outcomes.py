"""What became of a request, and what follows from it; on both databases."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted, Deferred, Refused, Unknown
from broadcaster.core.remedy import Remedy
from broadcaster.services import outcomes, tending
from broadcaster.services.outcomes import Result
from broadcaster.storage import audience, deliveries, pacing, unknowns
from broadcaster.storage import lists as stored_lists
from broadcaster.storage.models import Delivery, Subscriber
from tests.world import phone

FIRST, SECOND = "SM" + "1" * 32, "SM" + "2" * 32
ANNA, BRAM = phone(0), phone(1)


@pytest.fixture
def begun(world):
    """A bulletin to two people whose requests are being made."""
    for author in (ANNA, BRAM):
        world.text(author, "NRC AAN")
    world.number = world.bulletin()
    world.start()
    world.handed = world.hand_over(world.claim())
    return world


def answered(world, answer):
    """Let the first request be answered."""
    world.write_down(world.handed[:1], lambda _ready: answer)


def given_up(world):
    """Let so much time pass that the worker counts as lost."""
    world.clock.advance(minutes=5)
    tending.release_lapsed(world.runtime)


def first(world) -> Delivery:
    return world.deliveries()[0]


def is_standing(world, **later) -> bool:
    with world.runtime.reading() as session:
        return pacing.is_standing(
            session, first(world).sender_id, world.clock.now() + timedelta(**later)
        )


# What each remedy makes of a delivery, of its bulletin and of its sender.
REMEDIES = [
    (Remedy.RETRY, 20429, State.QUEUED, BulletinState.SENDING),
    (Remedy.LOOK_UP, 20500, State.UNKNOWN, BulletinState.SENDING),
    (Remedy.SLOW_DOWN, 63018, State.QUEUED, BulletinState.SENDING),
    (Remedy.TRY_LATER, 30008, State.QUEUED, BulletinState.SENDING),
    (Remedy.UNREACHABLE, 30003, State.FAILED, BulletinState.SENDING),
    (Remedy.NOT_NOW, 63049, State.FAILED, BulletinState.SENDING),
    (Remedy.OPT_OUT, 21610, State.FAILED, BulletinState.SENDING),
    (Remedy.SUSPEND, 21211, State.FAILED, BulletinState.SENDING),
    (Remedy.NOT_THIS_ONE, 63032, State.FAILED, BulletinState.SENDING),
    (Remedy.STOP_BULLETIN, 21617, State.QUEUED, BulletinState.HELD),
    (Remedy.STOP_SENDER, 20003, State.QUEUED, BulletinState.HELD),
    (Remedy.FAIL, 99999, State.FAILED, BulletinState.SENDING),
]


@pytest.mark.parametrize(("remedy", "code", "state", "bulletin"), REMEDIES, ids=str)
def test_each_remedy(begun, remedy, code, state, bulletin):
    assert begun.provider.remedy(code) is remedy
    answered(begun, Refused(code=code))

    assert begun.states() == [state, State.HANDED_OVER]
    assert begun.bulletin_state(begun.number)[0] == bulletin
    kept = first(begun).error_code
    assert kept == (code if state is State.FAILED else None)


def test_every_remedy_is_among_them():
    assert {one[0] for one in REMEDIES} == set(Remedy)


def test_too_many_requests_go_back_and_the_sender_waits_a_little(begun):
    answered(begun, Deferred(retry_after=1.0))

    assert begun.states() == [State.QUEUED, State.HANDED_OVER]
    assert is_standing(begun, seconds=0.08)
    assert not is_standing(begun, seconds=0.12)


def test_a_request_that_did_not_begin_makes_nobody_wait(begun):
    answered(begun, Deferred(retry_after=0.0))
    assert not is_standing(begun)

    begun.handed = begun.hand_over(begun.claim())
    answered(begun, None)

    assert begun.states() == [State.QUEUED, State.HANDED_OVER]
    assert not is_standing(begun)


def test_a_full_queue_at_the_provider_takes_a_minute(begun):
    answered(begun, Refused(code=63018))

    assert is_standing(begun, seconds=59)
    assert not is_standing(begun, seconds=70)


def test_a_fault_of_the_provider_is_tried_three_times_further_and_further_apart(begun):
    fault = Refused(code=30008)
    waits = []
    for _ in range(2):
        answered(begun, fault)
        assert begun.states()[0] == State.QUEUED
        waits.append(first(begun).not_before - begun.clock.now())
        assert begun.claim() == []
        begun.clock.advance(seconds=waits[-1].total_seconds())
        begun.handed = begun.hand_over(begun.claim())
    answered(begun, fault)

    assert waits[0] < waits[1]
    assert (first(begun).state, first(begun).error_code) == (State.FAILED, 30008)


def test_a_code_that_leaves_it_open_is_looked_up(begun):
    answered(begun, Refused(code=20503))

    assert (first(begun).state, first(begun).reason) == (State.UNKNOWN, "code_20503")


def test_a_refusal_to_everybody_holds_the_bulletin_and_says_why(begun):
    answered(begun, Refused(code=21617))

    report = begun.report(begun.number)
    assert report.bulletin.state == BulletinState.HELD
    assert report.bulletin.held_reason == HeldReason.REFUSED
    assert report.bulletin.held_code == 21617
    assert not is_standing(begun)
    assert begun.incidents() == {"bulletin_refused": 1}


def test_a_refused_sender_stands_still_for_every_bulletin(begun):
    begun.text(ANNA, "SPORT AAN")
    begun.bulletin("SPORT")
    begun.start()
    answered(begun, Refused(code=20003))

    assert is_standing(begun, hours=24)
    assert begun.claim() == []
    assert begun.incidents() == {"bulletin_refused": 1, "sender_refused": 1}


def test_the_providers_stop_is_a_ledger_entry_and_takes_everything_back(begun):
    begun.text(ANNA, "SPORT AAN")
    begun.clock.advance(seconds=1)
    begun.bulletin("SPORT")
    begun.start()
    second = begun.hand_over(begun.claim())
    begun.bulletin("SPORT", text="Nog iets")
    begun.start()
    answered(begun, Deferred(retry_after=0.0))  # she waits for three things now
    begun.write_down(second, lambda _ready: Refused(code=63033))

    assert begun.events()[-1] == ("provider_stop", "*")
    assert begun.states() == [
        *(State.SKIPPED, State.HANDED_OVER),
        *(State.FAILED, State.SKIPPED),
    ]


def test_a_dead_address_is_suspended_until_its_person_writes(begun):
    begun.bulletin(text="Nog iets")
    begun.start()
    answered(begun, Refused(code=30005))

    # What else waited for her is taken back, and she is counted out.
    assert begun.states() == [State.FAILED, State.HANDED_OVER, State.SKIPPED, State.QUEUED]
    assert begun.deliveries()[2].reason == "suspended"
    assert reachable(begun) == 1
    assert begun.events()[-1] == ("opt_in", "nrc")

    third = begun.bulletin(text="Nog een")
    begun.send()
    assert begun.report(third).skipped == {"suspended": 1}

    begun.text(ANNA, "Ik ben er weer")
    assert reachable(begun) == 2
    fourth = begun.bulletin(text="En nog een")
    begun.send()
    assert begun.report(fourth).by_state == {State.ACCEPTED: 2}


def reachable(world) -> int:
    with world.runtime.reading() as session:
        item = stored_lists.by_keyword(session, "NRC")
        counted = audience.reachable(session, item.id)
    return sum(people for (_channel, lost), people in counted.items() if not lost)


def test_an_address_that_is_suspended_between_start_and_claim_is_left_out(world):
    world.text(ANNA, "NRC AAN")
    number = world.bulletin()
    world.start()
    with world.runtime.transaction() as session:
        # Behind the back of the service that would have taken the delivery back.
        session.execute(select(Subscriber)).scalar_one().suspended_at = world.clock.now()
    world.send()

    assert world.provider.sent == []
    assert world.report(number).skipped == {"suspended": 1}


def test_a_dead_address_that_a_callback_reports_is_suspended_as_well(begun):
    answered(begun, Accepted(sid=FIRST))
    begun.callback(1, "undelivered", sid=FIRST, error=30005)

    assert begun.states()[0] == State.UNDELIVERED
    assert reachable(begun) == 1


@pytest.mark.parametrize(
    ("code", "reason", "standing"),
    [(21617, HeldReason.REFUSED, False), (63041, HeldReason.REFUSED, False), (63018, None, True)],
)
def test_a_callback_may_stop_or_slow_down_what_follows(begun, code, reason, standing):
    answered(begun, Accepted(sid=FIRST))
    begun.callback(1, "failed", sid=FIRST, error=code)

    assert begun.bulletin_state(begun.number)[1] == reason
    assert is_standing(begun) is standing


def test_a_second_id_raises_the_alarm(begun):
    """P3: one delivery under two ids was accepted twice."""
    begun.callback(1, "sent", sid=FIRST)
    answered(begun, Accepted(sid=SECOND))

    assert begun.incidents() == {"duplicate": 1}
    assert (first(begun).state, first(begun).sid) == (State.SENT, FIRST)


def test_a_callback_under_another_id_raises_the_alarm(begun):
    answered(begun, Accepted(sid=FIRST))
    begun.callback(1, "delivered", sid=SECOND)

    assert begun.incidents() == {"duplicate": 1}
    assert (first(begun).state, first(begun).sid) == (State.ACCEPTED, FIRST)


def test_the_answer_of_a_worker_that_was_given_up_counts(begun):
    given_up(begun)
    assert begun.states() == [State.UNKNOWN, State.UNKNOWN]

    answered(begun, Accepted(sid=FIRST))
    begun.write_down(begun.handed[1:], lambda _ready: Refused(code=30003))

    assert begun.states() == [State.ACCEPTED, State.FAILED]
    assert first(begun).reason is None
    assert begun.deliveries()[1].error_code == 30003
    assert begun.incidents() == {}


@pytest.mark.parametrize("answer", [Unknown(reason="timeout"), Deferred(retry_after=0.0), None])
def test_a_late_answer_that_proves_nothing_leaves_it_to_be_looked_up(begun, answer):
    given_up(begun)
    answered(begun, answer)

    assert (first(begun).state, first(begun).reason) == (State.UNKNOWN, "worker_lost")


def looked_up_and_sent_again(world):
    """Let the first delivery be given up, not be found at the provider, and go out once more."""
    looked_up(world, 1)
    return world.hand_over(world.claim())


def looked_up(world, *numbers):
    """Let deliveries be given up, and not be found at the provider."""
    given_up(world)
    with world.runtime.transaction() as session:
        for number in numbers:
            delivery = deliveries.lock(session, number)
            unknowns.send_again(session, delivery, world.clock.now())


def test_a_late_acceptance_of_an_earlier_attempt_raises_the_alarm(begun):
    again = looked_up_and_sent_again(begun)
    answered(begun, Accepted(sid=FIRST))
    # The second request is under way: there is no taking it back.
    assert begun.incidents() == {"duplicate": 1}
    begun.write_down(again, lambda _ready: Accepted(sid=SECOND))

    assert begun.incidents() == {"duplicate": 2}
    assert (first(begun).state, first(begun).sid) == (State.ACCEPTED, FIRST)
    assert first(begun).attempt == 2


@pytest.mark.parametrize("answer", [Refused(code=30003), Unknown(reason="x"), None])
def test_a_late_answer_of_an_earlier_attempt_decides_nothing_of_the_later(begun, answer):
    again = looked_up_and_sent_again(begun)
    answered(begun, answer)
    assert first(begun).state == State.HANDED_OVER

    begun.write_down(again, lambda _ready: Accepted(sid=SECOND))
    assert (first(begun).state, first(begun).sid) == (State.ACCEPTED, SECOND)


def test_a_callback_during_a_second_attempt_proves_the_first_and_the_second_is_a_duplicate(begun):
    again = looked_up_and_sent_again(begun)
    begun.callback(1, "sent", sid=FIRST)
    assert first(begun).state == State.SENT

    begun.write_down(again, lambda _ready: Accepted(sid=SECOND))

    assert (first(begun).state, first(begun).sid) == (State.SENT, FIRST)
    assert begun.incidents() == {"duplicate": 1}


def test_a_callback_between_two_attempts_prevents_the_second(begun):
    """P3: what was proved to be accepted meanwhile is not handed over again."""
    given_up(begun)
    begun.callback(1, "sent", sid=FIRST)
    assert begun.claim() == []

    begun.callback(2, "delivered", sid=SECOND)
    tending.tend(begun.runtime)
    assert begun.report(begun.number).bulletin.state == BulletinState.FINISHED


def test_a_callback_takes_a_claim_out_of_its_workers_hands(begun):
    looked_up(begun, 1, 2)
    claimed = begun.claim()
    begun.callback(1, "sent", sid=FIRST)

    assert [ready.claim.delivery_id for ready, _ in begun.hand_over(claimed)] == [2]


def test_writing_the_same_outcomes_down_twice_changes_nothing(begun):
    """A database that goes away at the commit may have kept it."""
    answers = iter([Accepted(sid=FIRST), Refused(code=30003)] * 2)
    results = [Result(ready.claim, attempt, next(answers)) for ready, attempt in begun.handed]
    outcomes.write_down(begun.runtime, results)
    counted = begun.report(begun.number).by_state
    outcomes.write_down(begun.runtime, results)

    assert begun.report(begun.number).by_state == counted == {State.ACCEPTED: 1, State.FAILED: 1}
    assert begun.incidents() == {}


def test_a_callback_for_what_was_never_handed_over_is_an_alarm_and_no_proof(world):
    world.text(ANNA, "NRC AAN")
    world.bulletin()
    world.start()
    world.callback(1, "delivered")

    assert world.states() == [State.QUEUED]
    assert world.incidents() == {"status_without_request": 1}


def test_a_callback_for_somebody_who_was_left_out_after_a_hand_over_is_an_alarm(begun):
    answered(begun, Deferred(retry_after=0.0))
    begun.text(ANNA, "STOP")
    assert begun.states()[0] == State.SKIPPED

    begun.callback(1, "sent", sid=FIRST)

    assert begun.states()[0] == State.SENT
    assert begun.incidents() == {"skipped_but_sent": 1}


callbacks = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("queued", "sending", "sent", "partially_delivered", "delivered", "read"),
                *("undelivered", "failed", "canceled"),
            ]
        ),
        st.sampled_from([None, 30003, 30007, 30008]),
    ),
    min_size=1,
    max_size=5,
)


def sid_of(delivery_id) -> str:
    return f"SM{delivery_id:032x}"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reports=callbacks,
    started=st.sampled_from(["handed over", "unknown", "accepted", "failed"]),
    random=st.randoms(use_true_random=False),
)
def test_any_order_and_repetition_of_callbacks_ends_the_same(world, reports, started, random):
    """Two people get the same reports, each in an order of their own, some of them twice."""
    world.anew(2)
    handed = world.hand_over(world.claim())
    if started == "unknown":
        given_up(world)
    elif started != "handed over":
        refused = Refused(code=30003) if started == "failed" else None
        world.write_down(
            handed, lambda ready: refused or Accepted(sid=sid_of(ready.claim.delivery_id))
        )
    shuffled = [*reports, *random.choices(reports, k=2)]
    random.shuffle(shuffled)
    for delivery, order in zip(world.deliveries(), (reports, shuffled), strict=True):
        for status, error in order:
            world.callback(delivery.id, status, sid=sid_of(delivery.id), error=error)

    one, other = world.deliveries()
    assert (one.state, one.error_code) == (other.state, other.error_code)
    assert (one.sid, other.sid) == (sid_of(one.id), sid_of(other.id))
    world.check_tallies()


@pytest.mark.parametrize(
    "order",
    list(itertools.permutations([("failed", 30003), ("undelivered", 30007), ("canceled", None)])),
)
def test_two_words_for_one_state_leave_the_same_code_in_any_order(begun, order):
    answered(begun, Accepted(sid=FIRST))
    for status, code in order:
        begun.callback(1, status, sid=FIRST, error=code)

    assert (first(begun).state, first(begun).error_code) == (State.UNDELIVERED, 30007)


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("handed_over", "state = 'claimed'"),
        ("handed_over", "attempt = attempt + 1"),
        ("handed_over", "state = 'queued', reason = 'x'"),
        ("handed_over", "state = 'accepted'"),
        ("accepted", "state = 'queued'"),
        ("accepted", "state = 'unknown'"),
        ("accepted", f"sid = '{SECOND}'"),
    ],
)
def test_the_guard_of_all_these_tests_sees_illegal_moves(begun, before, change):
    if before == "accepted":
        answered(begun, Accepted(sid=FIRST))
    assert first(begun).state == before

    with pytest.raises(DBAPIError, match="illegal move"), begun.runtime.transaction() as session:
        session.execute(text(f"UPDATE deliveries SET {change} WHERE id = 1"))  # noqa: S608 - ours
