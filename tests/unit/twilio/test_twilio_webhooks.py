"""Webhooks are read strictly: every field we act on has one form, every other is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import InvalidAddress, InvalidInput, MalformedWebhook
from broadcaster.core.messages import OptOutType, ProviderStatus
from broadcaster.providers.twilio.webhooks import parse_inbound, parse_status

ACCOUNT = "AC" + "0a" * 16
SID = "SM" + "1b" * 16
INBOUND = {
    "MessageSid": SID,
    "AccountSid": ACCOUNT,
    "From": "whatsapp:+31600000001",
    "To": "whatsapp:+31600000099",
    "Body": "NRC AAN",
    "NumMedia": "0",
    "ProfileName": "Anna",
}
STATUS = {"MessageSid": SID, "AccountSid": ACCOUNT, "MessageStatus": "delivered"}
ANYTHING = st.text(st.characters(exclude_categories=()))


def inbound(**changes):
    """An honest message with some fields changed, or left out where the change is None."""
    merged = INBOUND | changes
    fields = {name: value for name, value in merged.items() if value is not None}
    return parse_inbound(fields, account_sid=ACCOUNT)


def status(**changes):
    merged = STATUS | changes
    fields = {name: value for name, value in merged.items() if value is not None}
    return parse_status(fields, account_sid=ACCOUNT)


def test_an_honest_message_is_read_and_all_its_fields_are_kept():
    message = inbound(SomethingNew="x")
    assert message.sid == SID
    assert message.author == Address(Channel.WHATSAPP, "+31600000001")
    assert message.sender == Address(Channel.WHATSAPP, "+31600000099")
    assert message.body == message.words == "NRC AAN"
    assert (message.button, message.opt_out_type, message.media) == (None, None, 0)
    assert message.parameters == INBOUND | {"SomethingNew": "x"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("MessageSid", None),
        ("MessageSid", ""),
        ("MessageSid", "SM" + "1B" * 16),
        ("MessageSid", "XX" + "1b" * 16),
        ("MessageSid", SID + "\n"),
        ("MessageSid", "SM" + "\u0661" * 32),
        ("AccountSid", None),
        ("AccountSid", "AC" + "0b" * 16),
        ("To", None),
        ("To", "whatsapp:0600000001"),
        ("To", "+31600000099"),  # one message travels on one channel
        ("From", None),
        ("From", "whatsapp:"),
        ("Body", None),
        ("Body", "x" * 65_537),
        ("Body", "STOP\x00"),
        ("Body", "\ud800"),
        ("ProfileName", "\udfff"),
        ("NumMedia", "11"),
        ("NumMedia", "-1"),
        ("NumMedia", "\u0661"),
        ("NumMedia", "1\n"),
        ("NumMedia", ""),
    ],
)
def test_a_message_without_the_strict_form_is_refused(field, value):
    with pytest.raises(MalformedWebhook):
        inbound(**{field: value})


def test_a_field_that_was_cut_elsewhere_is_no_body():
    """The signature is the same for Body=STOP NEWS and for BodySTOP= NEWS."""
    with pytest.raises(MalformedWebhook, match="Body"):
        inbound(Body=None, BodySTOP=" NEWS")


def test_a_foreign_field_cannot_replace_one_of_ours():
    """Twilio's names are read, never the names of our own attributes."""
    message = inbound(message_sid="x", body="STOP", account_sid="y", author="+31600000002")
    assert (message.sid, message.body, message.author.value) == (SID, "NRC AAN", "+31600000001")


def test_a_picture_may_come_without_words():
    message = inbound(Body=None, NumMedia="10")
    assert (message.body, message.media) == ("", 10)


@pytest.mark.parametrize(
    "author",
    ["BANK", "+1555", "15551234567", "+0155501000", "+3160000000000000", "+٣١٦٠٠٠٠٠٠٠١", "rcs:x"],
)
def test_an_author_who_cannot_be_answered_is_told_apart(author):
    with pytest.raises(InvalidAddress):
        inbound(From=author, To="+31600000099")


def test_a_person_on_whatsapp_may_have_no_number():
    by_address = inbound(From="whatsapp:NL.abc123", ExternalUserId="NL.abc123")
    by_field = inbound(From=None, ExternalUserId="NL.abc123")
    assert by_address.author == by_field.author == Address(Channel.WHATSAPP, "NL.abc123")


def test_a_user_id_is_nobody_on_sms():
    with pytest.raises(MalformedWebhook, match="From"):
        inbound(From=None, To="+31600000099", ExternalUserId="NL.abc123")


def test_a_button_says_more_than_its_title():
    message = inbound(Body="Ja, graag", ButtonText="Ja, graag", ButtonPayload="NRC AAN")
    assert (message.button, message.words) == ("NRC AAN", "Ja, graag\nNRC AAN")
    assert inbound(ButtonPayload="").button is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("STOP", OptOutType.STOP),
        ("START", OptOutType.START),
        ("HELP", OptOutType.HELP),
        ("BOGUS", None),
        ("stop", None),
        ("", None),
    ],
)
def test_an_unknown_kind_of_opt_out_leaves_the_words_to_decide(text, expected):
    assert inbound(OptOutType=text).opt_out_type is expected


def test_no_refusal_repeats_a_number_or_words():
    with pytest.raises(InvalidInput) as caught:
        inbound(MessageSid="+31600000001", NumMedia="geheim")
    assert caught.value.__cause__ is None
    assert "31600000001" not in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert "MessageSid, NumMedia" in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from([*INBOUND, "ExternalUserId", "OptOutType", "ButtonPayload"]), ANYTHING
    )
)
def test_whatever_the_fields_hold_the_answer_is_a_message_or_a_refusal(changes):
    try:
        message = inbound(**changes)
    except InvalidInput:
        return
    assert message.sid == SID
    assert message.body == changes.get("Body", "NRC AAN")


@pytest.mark.parametrize("known", [*ProviderStatus])
def test_every_state_that_twilio_names_is_read(known):
    update = status(MessageStatus=known.value)
    assert (update.sid, update.status, update.error_code) == (SID, known, None)


def test_a_state_that_twilio_invents_later_is_unrecognised():
    assert status(MessageStatus="teleported").status is ProviderStatus.UNRECOGNISED


@pytest.mark.parametrize(
    ("text", "expected"), [(None, None), ("", None), ("0", None), ("30003", 30003)]
)
def test_an_error_code_is_a_number_or_none(text, expected):
    assert status(ErrorCode=text).error_code == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("MessageSid", None),
        ("MessageSid", "SM1"),
        ("AccountSid", "AC" + "0b" * 16),
        ("MessageStatus", None),
        ("ErrorCode", "x"),
        ("ErrorCode", "-1"),
        ("ErrorCode", "1234567"),
        ("ErrorCode", "\u0661"),
    ],
)
def test_a_status_without_the_strict_form_is_refused(field, value):
    with pytest.raises(MalformedWebhook, match=field):
        status(**{field: value})
