"""What the provider's list says of a request whose answer was lost, whatever else is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.address import Address
from broadcaster.core.lookup import CLOCK_SLACK, Finding, Request, earliest, find, words
from broadcaster.core.messages import Direction, Listed, ProviderStatus

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OURS, OTHER = Address.parse("+15550100100"), Address.parse("+15550100101")
PERSON = Address.parse("+15550100001")

TRIAL = "Sent from your Twilio trial account - "
texts = st.sampled_from(["Goedemorgen!", "Goedenavond!", "Goedemorgen! Lees https://a.example/b"])
# What a provider makes of a text that it takes.
alterations = st.sampled_from(
    [
        str,
        str,
        lambda text: TRIAL + text,
        lambda text: text.replace("!", "."),
        lambda text: text.replace("https://a.example/b", "https://twil.io/x"),
        lambda text: f"{text}\nReply STOP to unsubscribe",
    ]
)
minutes = st.integers(0, 600)
statuses = st.sampled_from(
    [ProviderStatus.QUEUED, ProviderStatus.DELIVERED, ProviderStatus.UNDELIVERED]
)


def request(number=1, text="Goedemorgen!", minute=0, sender=OURS) -> Request:
    handed = NOON + timedelta(minutes=minute)
    return Request(delivery_id=number, sender=sender, text=text, since=earliest(handed, handed))


def listed(number=1, text="Goedemorgen!", minute=0, **changes) -> Listed:
    made = Listed(
        sid=f"SM{number:032x}",
        sender=OURS,
        recipient=PERSON,
        text=text,
        status=ProviderStatus.QUEUED,
        created=NOON + timedelta(minutes=minute),
        direction=Direction.OUTBOUND_API,
    )
    return replace(made, **changes)


@st.composite
def stories(draw):
    """Requests of one person, which of them were taken, and the list that the provider shows."""
    requests = [
        request(number, draw(texts), draw(minutes)) for number in range(1, draw(st.integers(1, 5)))
    ]
    taken, shown = set(), []
    for one in requests:
        if not draw(st.booleans()):
            continue
        taken.add(one.delivery_id)
        made = one.since + CLOCK_SLACK + timedelta(seconds=draw(st.integers(0, 500)))
        text = draw(alterations)(one.text)
        shown.append(listed(one.delivery_id, text, created=made, status=draw(statuses)))
    known = {one.sid for one in shown if draw(st.booleans())}
    noise = draw(st.integers(0, 2))
    shown += [
        listed(100 + number, "Welkom", draw(minutes), direction=Direction.OUTBOUND_REPLY)
        for number in range(noise)
    ]
    return requests, taken, draw(st.permutations(shown)), known


@given(stories())
def test_what_was_taken_and_is_shown_never_looks_absent(story):
    """Else it would be sent a second time."""
    requests, taken, shown, known = story
    open_ended = [one for one in requests if f"SM{one.delivery_id:032x}" not in known]
    for one in open_ended:
        rivals = [other for other in open_ended if other is not one]
        found = find(one, rivals, shown, known)
        if one.delivery_id in taken:
            assert found.finding in {Finding.TAKEN, Finding.UNCLEAR}


@given(stories())
def test_one_after_the_other_nothing_that_was_taken_ever_looks_absent(story):
    """As it is done: what one request was given is known when the next is looked up."""
    requests, taken, shown, known = story
    undecided = [one for one in requests if f"SM{one.delivery_id:032x}" not in known]
    given_away = set(known)
    for one in list(undecided):
        rivals = [other for other in undecided if other is not one]
        found = find(one, rivals, shown, given_away)
        if one.delivery_id in taken:
            assert found.finding in {Finding.TAKEN, Finding.UNCLEAR}
        if found.message is not None:
            given_away.add(found.message.sid)
            undecided.remove(one)


@given(stories())
def test_what_was_not_taken_is_called_taken_only_for_another_with_the_same_words(story):
    """Nobody is left out: each message speaks for one request."""
    requests, taken, shown, known = story
    open_ended = [one for one in requests if f"SM{one.delivery_id:032x}" not in known]
    sids = []
    for one in open_ended:
        rivals = [other for other in open_ended if other is not one]
        found = find(one, rivals, shown, known)
        if found.finding is Finding.TAKEN:
            assert found.message is not None
            assert one.text in found.message.text
            sids.append(found.message.sid)
            assert one.delivery_id in taken
    assert len(sids) == len(set(sids))


def test_two_of_the_same_moment_are_given_one_message_each():
    requests, shown = [request(1), request(2)], [listed(1), listed(2)]
    found = [find(one, [other], shown, ()) for one, other in (requests, requests[::-1])]
    assert {one.message.sid for one in found} == {one.sid for one in shown}


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Goedenavond!", "status": ProviderStatus.FAILED},
        {"sender": OTHER},
        {"direction": Direction.OUTBOUND_REPLY},
        {"direction": Direction.INBOUND},
        {"created": NOON - CLOCK_SLACK - timedelta(seconds=1)},
        {"text": "", "media": 1},
    ],
)
def test_what_cannot_be_it_is_not_it(changes):
    assert find(request(), [], [listed(**changes)], ()).finding is Finding.ABSENT


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({}, Finding.TAKEN),
        ({"sender": None}, Finding.TAKEN),
        ({"created": NOON - timedelta(hours=5)}, Finding.TAKEN),
        ({"text": " Goedemorgen!\r\n"}, Finding.TAKEN),
        ({"status": ProviderStatus.UNRECOGNISED}, Finding.TAKEN),
        ({"status": ProviderStatus.UNDELIVERED}, Finding.TAKEN),
        ({"status": ProviderStatus.FAILED}, Finding.REFUSED),
        ({"status": ProviderStatus.CANCELED}, Finding.REFUSED),
        ({"text": f"{TRIAL}Goedemorgen!"}, Finding.TAKEN),
        ({"text": "Goedemorgen!\nReply STOP to unsubscribe"}, Finding.TAKEN),
        ({"text": "Goedemorgen"}, Finding.UNCLEAR),
        ({"text": "Goedenavond!"}, Finding.UNCLEAR),
        ({"text": "Goedenavond!", "sender": OTHER}, Finding.ABSENT),
        ({"text": "Goedenavond!", "direction": Direction.OUTBOUND_REPLY}, Finding.ABSENT),
        ({"text": ""}, Finding.HIDDEN),
        ({"text": "", "status": ProviderStatus.FAILED}, Finding.ABSENT),
    ],
)
def test_what_may_be_it_counts(changes, finding):
    assert find(request(), [], [listed(**changes)], ()).finding is finding


def test_a_message_that_is_known_counts_for_nothing_else():
    assert find(request(), [], [listed()], {listed().sid}).finding is Finding.ABSENT


def test_of_a_refused_and_a_taken_one_the_taken_one_counts():
    shown = [listed(1, status=ProviderStatus.FAILED), listed(2)]

    assert find(request(), [], shown, ()).message == shown[1]


def test_a_request_of_days_ago_makes_nothing_unclear():
    """Nobody will ever say what became of it; today's message is today's."""
    old = request(2, minute=-3 * 24 * 60)

    assert find(request(), [old], [listed()], ()).finding is Finding.TAKEN


def test_more_messages_than_requests_are_said():
    assert find(request(), [], [listed(1), listed(2)], ()).spare == (listed(2).sid,)


def test_a_message_with_the_words_of_another_request_is_of_that_one():
    other = request(2, "Goedenavond!")

    assert find(request(), [other], [listed(2, "Goedenavond!")], ()).finding is Finding.ABSENT


def test_another_request_explains_one_message_and_no_second():
    shown = [listed(2, "Goedenavond!"), listed(3, "Goedenavond!")]

    found = find(request(), [request(2, "Goedenavond!")], shown, ())
    assert found.finding is Finding.UNCLEAR


@pytest.mark.parametrize("text", ["Goedemorgen! Nieuws", "Goedenavond!"])
def test_a_message_with_other_words_that_may_be_of_either_is_given_to_none(text):
    """Whoever got it, the other would be sent again: it may have been that one."""
    requests, shown = [request(1), request(2, text)], [listed(2, f"{TRIAL}{text}")]
    for one, other in (requests, requests[::-1]):
        assert find(one, [other], shown, ()).finding is Finding.UNCLEAR


def test_a_message_of_long_before_another_request_is_not_of_that_one():
    later = request(2, "Goedenavond!", minute=12 * 60)

    assert find(request(), [later], [listed(1, f"{TRIAL}Goedemorgen!")], ()).message is not None


def test_the_words_of_a_text_do_not_depend_on_how_it_is_written_down():
    assert words("Cafe\u0301\r\nmenu\n") == words(" Caf\u00e9\nmenu")
