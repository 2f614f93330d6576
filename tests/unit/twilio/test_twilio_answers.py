"""The answer is well-formed TwiML whatever its words, and silence is an empty response."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.providers.twilio.answers import render_answer

ANYTHING = st.text(st.characters(exclude_categories=()))


def words_of(twiml):
    """What Twilio would send."""
    response = ET.fromstring(twiml.encode())  # noqa: S314 - our own XML
    assert response.tag == "Response"
    return [(verb.tag, verb.text) for verb in response]


@pytest.mark.parametrize("silent", [(), ("",), ("\x00\x07", ""), ("\ud800",)])
def test_no_words_are_no_message(silent):
    assert words_of(render_answer(silent)) == []


def test_markup_in_the_words_is_words():
    text = "<b>NRC</b> & \"vrienden\"\nstuur 'UIT' ✓ 😀"
    assert words_of(render_answer([text])) == [("Message", text)]


@given(ANYTHING)
def test_what_xml_can_carry_arrives_and_the_rest_is_left_out(text):
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(
        character
        for character in lines
        if character in "\t\n"
        or (character >= " " and not re.match("[\ud800-\udfff\ufffe\uffff]", character))
    )
    assert words_of(render_answer([text])) == ([("Message", kept)] if kept else [])


def test_each_text_is_a_message_of_its_own():
    assert words_of(render_answer(["een", "twee"])) == [("Message", "een"), ("Message", "twee")]
