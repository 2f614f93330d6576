"""The fake that our tests and yours stand on lists what a real provider would."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from broadcaster.core.address import Address
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.messages import (
    Direction,
    Listed,
    OutboundMessage,
    ProviderStatus,
    Refused,
    Unknown,
)
from broadcaster.testing import START, FakeProvider, FixedClock

SENDER, ANNA, BERT = (Address.parse(f"+155501{number:05}") for number in (99, 1, 2))


def message(token, recipient=ANNA):
    return OutboundMessage(
        sender=SENDER,
        recipient=recipient,
        text="Dag",
        status_callback=f"https://news.example.org/webhooks/twilio/status/{token}-ab",
    )


def send(provider, *messages):
    async def story():
        async with provider.connect() as connection:
            return [await connection.send(one, begin_within=1.0) for one in messages]

    return asyncio.run(story())


def read(provider, *, since=START, **wanted):
    async def story():
        async with provider.connect() as connection:
            return [one async for one in connection.messages(since=since, **wanted)]

    return asyncio.run(story())


def texted(clock, token):
    return Listed(
        sid=f"SM{token:032x}",
        sender=ANNA,
        recipient=SENDER,
        text="STOP",
        status=ProviderStatus.RECEIVED,
        created=clock.now(),
        direction=Direction.INBOUND,
    )


def test_what_was_accepted_is_listed_newest_first_and_can_be_picked_out():
    clock = FixedClock()
    provider = FakeProvider(clock=clock)
    (first,) = send(provider, message(1))
    clock.advance(seconds=1.5)
    (second,) = send(provider, message(2, BERT))
    assert [one.sid for one in read(provider)] == [second.sid, first.sid]
    assert [one.created for one in read(provider)] == [START + timedelta(seconds=1), START]
    assert [one.sid for one in read(provider, to=ANNA)] == [first.sid]
    assert [one.sid for one in read(provider, since=clock.now())] == [second.sid]
    assert read(provider, sender=BERT) == []


def test_what_was_refused_is_not_listed():
    provider = FakeProvider(lambda _: Refused(code=21211))
    send(provider, message(1))
    assert read(provider) == []


def test_what_was_accepted_and_lost_is_listed_all_the_same():
    provider = FakeProvider()

    def lose(one):
        provider.take(one)
        return Unknown(reason="timeout")

    provider.answer = lose
    assert send(provider, message(7)) == [Unknown(reason="timeout")]
    (listed,) = read(provider)
    assert (listed.recipient, listed.text, listed.sid) == (ANNA, "Dag", f"SM{7:032x}")


def test_the_list_can_lag_and_can_be_unreadable():
    clock = FixedClock()
    provider = FakeProvider(clock=clock)
    provider.list_lag = 60.0
    send(provider, message(1))
    assert read(provider) == []
    clock.advance(seconds=60)
    assert len(read(provider)) == 1
    provider.unreadable = "timeout"
    with pytest.raises(ListUnreadable, match="timeout"):
        read(provider)


def test_what_people_texted_is_listed_and_read():
    clock = FixedClock()
    provider = FakeProvider(clock=clock)
    provider.inbound.append(texted(clock, 3))
    (listed,) = read(provider, to=SENDER)
    inbound = provider.inbound_of(listed)
    assert (inbound.author, inbound.sender, inbound.body) == (ANNA, SENDER, "STOP")
    assert provider.answers_stop_itself(inbound)
