"""Reading the product's answers: what is a message, what is an error, and nothing dangerous."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.sandbox import twiml
from broadcaster.sandbox.twiml import InvalidTwiML, Reply

ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<Response><Message>&b;</Message></Response>"""
EXTERNAL = b"""<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>
<Response><Message>&e;</Message></Response>"""


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        ("", []),
        ("<Response/>", []),
        ("<Response><Message>Hello</Message></Response>", ["Hello"]),
        ("<Response><Message><Body>Hello</Body></Message></Response>", ["Hello"]),
        ("<Response><Message>One</Message><Message>Two</Message></Response>", ["One", "Two"]),
        ("<Response><Sms>Old</Sms></Response>", ["Old"]),
        ("<Response><Message> a &lt; b &amp; c </Message></Response>", ["a < b & c"]),
        ("<Response><Message>é 👍</Message></Response>", ["é 👍"]),
        ("<Response><Message>\nline\nline\n</Message></Response>", ["line\nline"]),
        (
            "<Response><Message><Body>See</Body><Media>/a.png</Media></Message></Response>",
            ["See"],
        ),
        ("<Response><Redirect>/x</Redirect><Message>Yes</Message></Response>", ["Yes"]),
    ],
)
def test_messages_are_read_in_order(document, texts):
    assert [reply.body for reply in twiml.read(document.encode(), "text/xml")] == texts


def test_a_status_callback_of_a_reply_is_kept():
    document = b'<Response><Message statusCallback="https://example.org/s">Hi</Message></Response>'
    assert twiml.read(document, "application/xml") == [
        Reply(body="Hi", status_callback="https://example.org/s")
    ]


def test_plain_text_is_one_message():
    assert twiml.read(b"Hello <there>", "text/plain") == [Reply(body="Hello <there>")]


@pytest.mark.parametrize(
    ("content", "content_type", "code"),
    [
        (b"<Response><Message>", "text/xml", 12100),
        (b"<Other/>", "text/xml", 12100),
        (b"Internal Server Error", "text/html", 12100),
        (b"\xff\xfe", "text/plain", 12100),
        (b"<Response>\x00</Response>", "text/xml", 12100),
        (ENTITIES, "text/xml", 12100),
        (EXTERNAL, "text/xml", 12100),
        (b"{}", "application/json", 12300),
        (b"<Response>" + b" " * 65536 + b"</Response>", "text/xml", 11750),
    ],
)
def test_what_is_no_twiml_has_twilios_error(content, content_type, code):
    with pytest.raises(InvalidTwiML) as caught:
        twiml.read(content, content_type)
    assert caught.value.code == code


@given(st.binary(max_size=400), st.sampled_from(["text/xml", "text/plain", "text/html", "a/b"]))
def test_no_answer_makes_the_reader_fail_in_another_way(content, content_type):
    codes = {None}
    try:
        replies = twiml.read(content, content_type)
    except InvalidTwiML as error:
        replies, codes = [], {error.code}
    assert codes <= {None, 11750, 12100, 12300}
    assert all(isinstance(reply, Reply) for reply in replies)
