"""We stay silent exactly where Twilio has already answered a stop."""

from __future__ import annotations

import pytest

from broadcaster.core.address import Address
from broadcaster.core.messages import InboundMessage, OptOutType
from broadcaster.providers.twilio.carrier import answers_stop_itself, lifts_block_itself


def message(body, *, prefix="", kind=None, button=None):
    return InboundMessage(
        sid="SM" + "1b" * 16,
        sender=Address.parse(prefix + "+31600000099"),
        author=Address.parse(prefix + "+31600000001"),
        body=body,
        button=button,
        opt_out_type=kind,
    )


@pytest.mark.parametrize(
    "word", ["STOP", "Unsubscribe", "eNd", " quit\n", "stopall", "REVOKE", "optout", "Cancel"]
)
def test_twilio_answers_its_own_words_on_sms_and_only_there(word):
    assert answers_stop_itself(message(word))
    assert not lifts_block_itself(message(word))
    assert not answers_stop_itself(message(word, prefix="whatsapp:"))


@pytest.mark.parametrize(
    "words", ["STOP.", "Stop please", "stop all", "OPT OUT", "UIT", "AFMELDEN", "\u017ftop", ""]
)
def test_what_twilio_does_not_match_we_answer(words):
    assert not answers_stop_itself(message(words))


@pytest.mark.parametrize("word", ["START", "yes", " Unstop "])
def test_twilio_lifts_its_block_at_three_words_on_sms(word):
    assert lifts_block_itself(message(word))
    assert not answers_stop_itself(message(word))
    assert not lifts_block_itself(message(word, prefix="whatsapp:"))


def test_the_words_on_a_list_do_not_lift_the_block():
    assert not lifts_block_itself(message("NRC AAN"))


@pytest.mark.parametrize("prefix", ["", "whatsapp:"])
def test_what_twilio_says_it_did_counts_on_every_channel(prefix):
    assert answers_stop_itself(message("hou op", prefix=prefix, kind=OptOutType.STOP))
    assert lifts_block_itself(message("begin", prefix=prefix, kind=OptOutType.START))
    assert not answers_stop_itself(message("hulp", prefix=prefix, kind=OptOutType.HELP))
    assert not lifts_block_itself(message("hulp", prefix=prefix, kind=OptOutType.HELP))


def test_a_button_is_no_text_for_the_carrier():
    assert not answers_stop_itself(message("Nee, dank je", button="STOP"))
