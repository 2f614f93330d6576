"""What a text costs as SMS agrees with Twilio's own calculator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core import segments
from broadcaster.core.segments import Encoding

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "sms_segments.json").read_text("utf-8")
)["cases"]
TEXTS = st.text(
    alphabet=st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("aé€[\r\n👍🏽\u200d👩👧🇳🇱\u0301\ufe0f각ᄀ")
    ),
    max_size=400,
)


@pytest.mark.parametrize("case", VECTORS, ids=range(len(VECTORS)))
def test_encoding_and_segments_are_those_of_twilios_calculator(case):
    counted = segments.count(case["text"])

    assert (counted.encoding, counted.segments) == (case["encoding"], case["segments"])


@given(text=TEXTS)
def test_graphemes_put_together_are_the_text(text):
    assert "".join(segments.graphemes(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("👨‍👩‍👧x", ["👨‍👩‍👧", "x"]),
        ("🇳🇱🇧🇪🇩", ["🇳🇱", "🇧🇪", "🇩"]),
        ("👍🏽👍", ["👍🏽", "👍"]),
        ("e\u0301a", ["e\u0301", "a"]),
        ("\u1100\u1161\u11a8\u1100", ["\u1100\u1161\u11a8", "\u1100"]),
        ("\r\n", ["\r", "\n"]),
        ("❤\ufe0f!", ["❤\ufe0f", "!"]),
        ("", []),
    ],
)
def test_what_a_reader_sees_as_one_character_is_one_grapheme(text, expected):
    assert list(segments.graphemes(text)) == expected


@given(text=TEXTS)
def test_gsm_holds_exactly_when_nothing_offends(text):
    counted = segments.count(text)

    assert (counted.encoding is Encoding.GSM_7) == (not counted.offenders)
    assert sum(one.count for one in counted.offenders) == sum(
        text.count(one.letter) for one in counted.offenders
    )


@given(text=TEXTS)
def test_respelling_leaves_only_letters_that_have_no_cheaper_spelling(text):
    left = segments.count(segments.respell(text)).offenders

    assert all(one.spelling is None for one in left)


@pytest.mark.parametrize(
    ("text", "encoding", "count", "units", "remaining"),
    [
        ("", "GSM-7", 1, 0, 160),
        ("a" * 160, "GSM-7", 1, 160, 0),
        ("a" * 161, "GSM-7", 2, 161, 145),
        ("€" * 80, "GSM-7", 1, 160, 0),
        ("a" * 152 + "€" * 5, "GSM-7", 2, 162, 143),
        ("ë" * 70, "UCS-2", 1, 70, 0),
        ("ë" * 71, "UCS-2", 2, 71, 63),
        ("👍" * 36, "UCS-2", 2, 72, 61),
    ],
)
def test_room_that_is_left_is_told(text, encoding, count, units, remaining):
    counted = segments.count(text)

    told = (counted.encoding, counted.segments, counted.units, counted.remaining)
    assert told == (encoding, count, units, remaining)


@pytest.mark.parametrize(
    ("letter", "spelling"),
    [
        ("ë", "e"),
        ("ï", "i"),
        ("ê", "e"),
        ("ç", "c"),
        ("á", "a"),
        ("í", "i"),
        ("ó", "o"),
        ("ú", "u"),
        ("ĳ", "ij"),
        ("\u2019", "'"),
        ("\u201c", '"'),
        ("…", "..."),
        ("\u2013", "-"),
        ("\xa0", " "),
        ("`", "'"),
        ("👍", None),
        ("你", None),
    ],
)
def test_an_offending_letter_is_named_with_its_cheaper_spelling(letter, spelling):
    (offender,) = segments.count(f"x{letter}y{letter}").offenders

    assert (offender.letter, offender.count, offender.spelling) == (letter, 2, spelling)


def test_respelling_makes_a_dutch_text_cheap_again():
    text = "De ministers van Financi\u00ebn zeggen: \u2018wij besluiten morgen\u2019\u2026"

    assert segments.respell(text) == "De ministers van Financien zeggen: 'wij besluiten morgen'..."
    assert segments.count(segments.respell(text)).encoding is Encoding.GSM_7


@pytest.mark.parametrize(
    ("text", "too_long"),
    [("a" * 1600, False), ("a" * 1601, True), ("👍" * 800, False), ("👍" * 1600, True)],
)
def test_the_limit_counts_in_the_providers_units(text, too_long):
    assert segments.count(text).is_too_long is too_long
