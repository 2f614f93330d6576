"""A missed text is read from the list as strictly as from its webhook."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.address import Address
from broadcaster.core.errors import InvalidAddress, InvalidInput, MalformedWebhook
from broadcaster.core.messages import Direction, Listed, ProviderStatus
from broadcaster.providers.twilio.entries import inbound_of, parse_entry
from broadcaster.providers.twilio.webhooks import parse_inbound

ACCOUNT = "AC" + "0a" * 16
SID = "SM" + "1b" * 16
CREATED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENTRY = {
    "account_sid": ACCOUNT,
    "body": "NRC UIT",
    "date_created": "Tue, 24 Nov 2026 12:00:00 +0000",
    "direction": "inbound",
    "error_code": None,
    "from": "whatsapp:+15550100001",
    "num_media": "1",
    "sid": SID,
    "status": "received",
    "to": "whatsapp:+15550100099",
}
LISTED = Listed(
    sid=SID,
    sender=Address.parse("whatsapp:+15550100001"),
    recipient=Address.parse("whatsapp:+15550100099"),
    text="NRC UIT",
    status=ProviderStatus.RECEIVED,
    created=CREATED,
    direction=Direction.INBOUND,
    media=1,
)


def inbound(**changes):
    return inbound_of(replace(LISTED, **changes), account_sid=ACCOUNT)


def test_an_entry_becomes_what_its_webhook_would_have_said():
    listed = parse_entry(ENTRY, account_sid=ACCOUNT)
    assert listed == LISTED
    message = inbound_of(listed, account_sid=ACCOUNT)
    assert (message.sid, message.words, message.media) == (SID, "NRC UIT", 1)
    assert (message.sender, message.author) == (LISTED.recipient, LISTED.sender)
    assert message.parameters == {
        "MessageSid": SID,
        "AccountSid": ACCOUNT,
        "From": "whatsapp:+15550100001",
        "To": "whatsapp:+15550100099",
        "Body": "NRC UIT",
        "NumMedia": "1",
        "DateCreated": "2026-11-24T12:00:00+00:00",
    }
    assert parse_inbound(message.parameters, account_sid=ACCOUNT) == message


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": Direction.OUTBOUND_API},
        {"direction": Direction.OUTBOUND_REPLY},
        {"recipient": None},
        {"recipient": Address.parse("+15550100099")},  # one message travels on one channel
        {"sender": None},  # on WhatsApp somebody wrote whom the list does not name
        {"text": "STOP\x00"},
        {"text": "\ud800"},
        {"text": "x" * 65_537},
        {"media": 11},
        {"sid": "SM1"},
    ],
    ids=lambda changes: next(iter(changes)) + str(next(iter(changes.values())))[:20],
)
def test_an_entry_that_no_webhook_could_have_been_is_refused(changes):
    with pytest.raises(MalformedWebhook):
        inbound(**changes)


def test_an_author_who_cannot_be_answered_is_told_apart():
    """A short code, or a name such as BANK."""
    with pytest.raises(InvalidAddress):
        inbound(sender=None, recipient=Address.parse("+15550100099"))


def test_nobody_reads_a_number_in_its_picture():
    assert "5550100001" not in repr(LISTED)
    assert "NRC UIT" not in repr(LISTED)


@given(st.text(st.characters(exclude_categories=()), max_size=50), st.integers(0, 20))
def test_whatever_was_written_the_answer_is_a_message_or_a_refusal(text, media):
    try:
        message = inbound(text=text, media=media)
    except InvalidInput:
        return
    assert (message.body, message.media) == (text, media)


@given(
    st.dictionaries(
        st.sampled_from([*ENTRY]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
            ),
            max_leaves=3,
        ),
    )
)
def test_whatever_the_fields_hold_an_entry_is_read_or_has_no_form(changes):
    try:
        listed = parse_entry(ENTRY | changes, account_sid=ACCOUNT)
    except ValueError:
        return
    assert listed.created.tzinfo is UTC
    assert listed.sid == changes.get("sid", SID)
