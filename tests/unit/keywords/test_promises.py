"""What holds for every text: a stop is heard, nobody is subscribed by accident, nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from broadcaster.core.keywords import Intent, Interpreter
from broadcaster.core.keywords.normalise import EXAMINED

LISTS = ("NRC", "WEER", "DE OCHTEND")
STOP_WORDS = st.sampled_from(
    [
        "STOP",
        "STOPPEN",
        "AFMELDEN",
        "UITSCHRIJVEN",
        "UNSUBSCRIBE",
        "CANCEL",
        "OPTOUT",
        "ABMELDEN",
        "STOPP",
        "ARRÊT",
        "DÉSABONNER",
        "BAJA",
        "PARAR",
        "CANCELAR",
        "UIT",
        "AUS",
        "END",
        "QUIT",
        "REVOKE",
        "KÜNDIGEN",
    ]
)
POLITE = st.sampled_from(
    ["", "aub", "please", "bitte", "svp", "por favor", "graag", "merci", "thx"]
)
AROUND = st.text(
    st.sampled_from(" .!*_~\"'()[]#-…«»“”\n\t\u200b\u200e\ufeff\u00a0🙏😡👋‼️"), max_size=8
)
ON = st.sampled_from(["AAN", "ON", "AN", "START", "aan", "ALTA"])


@pytest.fixture(scope="module")
def interpreter(vocabulary):
    return Interpreter(vocabulary, LISTS)


@given(
    word=STOP_WORDS,
    before=AROUND,
    after=AROUND,
    polite=POLITE,
    case=st.sampled_from([str.upper, str.lower, str.title, str.swapcase]),
)
def test_a_stop_word_is_heard_whatever_surrounds_it(
    interpreter, *, word, before, after, polite, case
):
    text = f"{before}{case(word)}{after} {polite}"
    assert interpreter.interpret(text).intent is Intent.opt_out_all


@given(
    word=STOP_WORDS,
    at=st.integers(0, 12),
    hidden=st.sampled_from("\u200b\u200d\u2060\xad\ufeff\x00"),
)
def test_invisible_characters_inside_a_stop_word_do_not_hide_it(interpreter, word, at, hidden):
    text = word[:at] + hidden + word[at:]
    assert interpreter.interpret(text).intent is Intent.opt_out_all


@given(text=st.text())
def test_any_text_is_interpreted_without_an_error(interpreter, text):
    assert interpreter.interpret(text).intent in Intent


@given(text=st.text(st.characters(categories=("Cs", "Cc", "Mn", "Lo", "So")), max_size=50))
def test_odd_characters_are_interpreted_without_an_error(interpreter, text):
    assert interpreter.interpret(text).intent in Intent


@given(word=st.text(st.characters(categories=("Ll",), max_codepoint=0x24F), min_size=4), on=ON)
def test_an_unknown_word_beside_list_and_on_word_never_subscribes(interpreter, word, on):
    assume(not interpreter._lexicon.vocabulary.known & set(word.casefold().split()))
    for text in (f"NRC {on} {word}", f"{word} NRC {on}", f"NRC {word} {on}", f"{on} {word} NRC"):
        found = interpreter.interpret(text)
        assert found.intent is not Intent.opt_in_list, text


@pytest.mark.parametrize(
    "text",
    [
        "NRC niet aan",
        "Geen NRC aan",
        "do not start NRC",
        "NRC nicht an",
        "ne pas activer NRC",
        "no alta NRC",
        "NRC AAN?",
        "NRC aan of niet",
        "Ik wil NRC",
        "NRC",
        "AAN",
        "ja",
        "START",
        "ALLES AAN",
        "zet NRC nooit aan",
        "mijn buurman wil NRC aan",
        "NRC AAN voor mijn moeder",
        "NRC staat aan",
    ],
)
def test_what_is_not_exactly_list_and_on_subscribes_nobody(interpreter, text):
    assert interpreter.interpret(text).intent is not Intent.opt_in_list


@pytest.mark.parametrize(
    "filling", ["x", "\n", " ", "\u200b", "\u0301", "\ud800", "ab ", "> ", "\0"]
)
def test_a_stop_at_either_end_of_a_very_long_text_is_seen(interpreter, filling):
    long = filling * (100_000 // len(filling))
    for text in (f"STOP\n\n{long}", f"{long}\nSTOP"):
        assert interpreter.interpret(text).intent is Intent.opt_out_all
    assert len(long) > EXAMINED


@pytest.mark.parametrize(
    "word", ["top", "shop", "stap", "step", "haus", "uis", "huis", "stok", "atoll"]
)
def test_short_ordinary_words_are_no_misspelt_stop(interpreter, word):
    assert interpreter.interpret(word).intent is Intent.none


@pytest.mark.parametrize(
    ("text", "also"),
    [
        ("STOP en stuur me mijn gegevens", (Intent.data_access_request,)),
        ("Stop and send me my data", (Intent.data_access_request,)),
    ],
)
def test_a_stop_with_a_wish_to_know_queues_both(interpreter, text, also):
    result = interpreter.interpret(text)
    assert (result.intent, result.also) == (Intent.opt_out_all, also)


@pytest.mark.parametrize(
    ("text", "off", "on"),
    [
        ("NRC UIT WEER AAN", ("NRC",), ("WEER",)),
        ("NRC AAN, DE OCHTEND UIT", ("DE OCHTEND",), ("NRC",)),
        ("STOP NRC START DE OCHTEND", ("NRC",), ("DE OCHTEND",)),
        ("NRC AAN UIT", ("NRC",), ()),
        ("STOP NRC EN DE OCHTEND", ("NRC", "DE OCHTEND"), ()),
        ("deochtenduit", ("DE OCHTEND",), ()),
    ],
)
def test_several_lists_in_one_text_each_get_what_was_said_of_them(interpreter, text, off, on):
    result = interpreter.interpret(text)
    assert result.intent is Intent.opt_out_list
    assert (result.lists, result.also_in) == (off, on)


@pytest.mark.parametrize(
    ("text", "lang"),
    [("uitschrijven", "nl"), ("unsubscribe", "en"), ("abbestellen", "de"), ("désabonner", "fr"), ("darme de baja", "es"), ("STOP", None)],
)  # fmt: skip
def test_the_language_of_the_word_is_told_where_only_one_has_it(interpreter, text, lang):
    assert interpreter.interpret(text).lang == lang


@pytest.mark.parametrize(
    "text",
    ["Te veel berichten", "Ich finde das zu viele Nachrichten", "Abgemeldet von wem und wozu"],
)
def test_what_may_be_a_stop_but_is_not_sure_is_put_before_a_person(interpreter, text):
    result = interpreter.interpret(text)
    assert (result.intent, result.unsure) == (Intent.none, True)


def test_a_text_seen_before_is_understood_as_it_was_at_first(vocabulary):
    texts = ("STOP", "nrc uit", "NRC AAN", "Weer en nrc mogen uit", "hallo", "STOP\n" + "x" * 50)
    used = Interpreter(vocabulary, LISTS)
    first = [used.interpret(text) for text in texts]
    for lists in (LISTS, ("SPORT",)):
        other = Interpreter(vocabulary, lists)
        assert ([other.interpret(text) for text in texts] == first) == (lists == LISTS)
    assert [used.interpret(text) for text in texts] == first


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("ik vroeg toch stop", Intent.opt_out_all),
        ("Hou er nou maar mee op", Intent.opt_out_all),
        ("enough with these texts already", Intent.opt_out_all),
        ("I unsubscribed two weeks ago and still get these", Intent.opt_out_all),
        ("Kündige den SMS-Dienst", Intent.opt_out_all),
        ("Abmelden und alle Daten löschen", Intent.erasure_request),
        ("stop y borren mis datos", Intent.erasure_request),
        ("NRC start-up: weer een faillissement", Intent.none),
        ("they plan to cancel the concert", Intent.none),
        ("Opt out of which law?", Intent.none),
    ],
)
def test_what_is_said_in_other_words_is_understood(interpreter, text, intent):
    assert interpreter.interpret(text).intent is intent


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("Weer mag eraf", ("WEER",)),
        ("weer en nrc mogen uit", ("NRC", "WEER")),
        ("NRC houden, de rest mag weg", ("WEER", "DE OCHTEND")),
    ],
)
def test_lists_said_in_a_sentence_go_off_and_no_others(interpreter, text, off):
    result = interpreter.interpret(text)
    assert (result.intent, set(result.lists)) == (Intent.opt_out_list, set(off))
