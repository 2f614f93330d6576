"""Addresses: strict to read, masked wherever they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import InvalidAddress

numbers = st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z")


@given(numbers, st.sampled_from(["", "whatsapp:"]))
def test_what_is_read_is_written_the_same(number, prefix):
    assert Address.parse(prefix + number).wire == prefix + number


@given(numbers)
def test_an_address_never_prints_its_number(number):
    address = Address.parse(number)

    for shown in (repr(address), str(address), f"{address}", address.masked):
        assert number not in shown


@given(st.text())
def test_reading_refuses_without_repeating_what_was_typed(text):
    fixed = "That is no phone number in international form, such as +31612345678."
    try:
        outcome = Address.parse(text).wire
    except InvalidAddress as error:
        outcome = str(error)

    assert outcome in {text, fixed}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+1555",
        "15550100001",
        "+05550100001",
        "+1555010000100000",
        "+٣١٦٠٠٠٠٠٠٠٠",
        "+15550100001\n",
        " +15550100001",
        "BANK",
        "whatsapp:",
        "whatsapp:15550100001",
        "WhatsApp:+15550100001",
        "whatsapp:nl.abc",
    ],
)
def test_other_forms_are_refused(text):
    with pytest.raises(InvalidAddress):
        Address.parse(text)


def test_a_business_scoped_id_is_an_address_on_whatsapp():
    assert Address.parse("whatsapp:NL.abc123") == Address(Channel.WHATSAPP, "NL.abc123")
