"""Status callbacks: merged by rank, once, and proof of acceptance; on both databases."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import select

from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted, ProviderStatus, StatusUpdate, Unknown
from broadcaster.services import statuses
from broadcaster.storage import incidents, unknowns
from broadcaster.storage.models import Delivery, StatusEvent
from tests.world import phone

SID = "SM" + "c" * 32


@pytest.fixture
def sent(world):
    """One bulletin, accepted under a known id."""
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: Accepted(sid=SID)
    world.number = world.bulletin()
    world.send()
    return world


def report(world, status, *, sid=SID, error=None, token=None):
    """Let the provider report a status, as a callback does."""
    token = token or world.provider.sent[0].status_callback.rpartition("/")[2]
    update = StatusUpdate(sid=sid, status=ProviderStatus(status), error_code=error)
    with world.runtime.transaction() as session:
        statuses.apply(session, world.runtime, token, update)


def delivery(world) -> Delivery:
    with world.runtime.reading() as session:
        return session.execute(select(Delivery)).scalar_one()


def noted(world) -> dict[str, int]:
    with world.runtime.reading() as session:
        return {one.kind: one.count for one in incidents.recent(session, 10)}


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "read"])))
def test_any_order_of_callbacks_ends_the_same(sent, order):
    for status in order:
        report(sent, status)

    assert delivery(sent).state == State.READ


def test_the_same_callback_five_times_is_one_event(sent):
    for _ in range(5):
        report(sent, "delivered")

    with sent.runtime.reading() as session:
        assert len(session.execute(select(StatusEvent)).all()) == 1


def test_a_failure_keeps_its_code_for_the_report(sent):
    report(sent, "undelivered", error=30003)

    assert sent.report(sent.number).failed == {30003: 1}


def test_a_callback_proves_that_an_unknown_request_was_accepted(world):
    world.text(phone(1), "NRC AAN")
    world.provider.answer = lambda _message: Unknown(reason="timeout")
    world.bulletin()
    world.send()
    assert delivery(world).state == State.UNKNOWN

    report(world, "sent")

    assert (delivery(world).state, delivery(world).sid) == (State.SENT, SID)


@pytest.mark.parametrize(
    ("status", "state"), [("queued", State.ACCEPTED), ("delivered", State.DELIVERED)]
)
def test_a_callback_before_the_answer_was_stored_counts(world, status, state):
    world.text(phone(1), "NRC AAN")
    world.bulletin()
    world.start()
    handed = world.hand_over(world.claim())

    world.callback(1, status, sid=SID)
    world.write_down(handed, lambda _ready: Accepted(sid=SID))

    assert (delivery(world).state, delivery(world).sid) == (state, SID)
    assert noted(world) == {}


def test_a_second_id_on_one_delivery_raises_an_alarm_and_changes_nothing(sent):
    report(sent, "delivered", sid="SM" + "d" * 32)

    assert noted(sent) == {"duplicate": 1}
    assert (delivery(sent).state, delivery(sent).sid) == (State.ACCEPTED, SID)


@pytest.mark.parametrize("token", ["", "1", "1-", "1-00000000000000000000", "-", "x-y", "9" * 40])
def test_a_callback_for_a_delivery_that_we_never_named_is_counted(sent, token):
    before = delivery(sent).state
    update = StatusUpdate(sid=SID, status=ProviderStatus.DELIVERED)
    with sent.runtime.transaction() as session:
        statuses.apply(session, sent.runtime, token, update)

    assert noted(sent) == {"unknown_delivery": 1}
    assert delivery(sent).state == before


def test_a_stop_reported_by_callback_is_an_opt_out(sent):
    report(sent, "failed", error=21610)

    assert sent.events()[-1] == ("provider_stop", "*")


def test_an_unrecognised_status_is_counted_and_changes_nothing(sent):
    report(sent, "unrecognised")

    assert delivery(sent).state == State.ACCEPTED
    assert noted(sent) == {"unrecognised_status": 1}


@pytest.mark.parametrize("known_as", ["another delivery's", "another one's callback", "compared"])
def test_a_late_callback_of_another_message_proves_nothing(world, known_as):
    """A restored database counts its deliveries anew: a number of then may be somebody else's now."""
    for number in range(2):
        world.text(phone(number), "NRC AAN")
    world.bulletin()
    world.start()
    handed = world.hand_over(world.claim())
    if known_as == "compared":
        with world.runtime.transaction() as session:
            unknowns.explain(session, [SID], unknowns.COMPARED, world.clock.now())
    elif known_as == "another delivery's":
        world.write_down(handed[1:], lambda _ready: Accepted(sid=SID))
    else:
        world.callback(2, "sent", sid=SID)

    world.callback(1, "delivered", sid=SID)
    assert world.states()[0] == State.HANDED_OVER
    assert world.incidents() == {"unknown_delivery": 1}

    world.write_down(handed[:1], lambda _ready: Accepted(sid="SM" + "d" * 32))
    world.callback(1, "delivered", sid="SM" + "d" * 32)
    assert world.states()[0] == State.DELIVERED
