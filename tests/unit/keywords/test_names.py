"""A list is not named like a command, nor so that it is taken for another list."""

from __future__ import annotations

import pytest

from broadcaster.core.errors import InvalidKeyword
from broadcaster.core.keywords import Intent, Interpreter, check_keyword


@pytest.mark.parametrize(
    "name",
    ["NRC", "SPORT", "WEER", "NIEUWS", "NEWS", "STAD", "HEUTE", "CULTUUR", "DE OCHTEND", "NOS3", "MÉTÉO", "MÜNCHEN", "112-NIEUWS", "KLIMAAT", "HOY", "VILLE"],
)  # fmt: skip
def test_ordinary_names_are_accepted(vocabulary, name):
    check_keyword(vocabulary, name, ())
    result = Interpreter(vocabulary, [name]).interpret(f"{name} AAN")
    assert (result.intent, result.lists) == (Intent.opt_in_list, (name,))
    result = Interpreter(vocabulary, [name]).interpret(f"{name} UIT")
    assert (result.intent, result.lists) == (Intent.opt_out_list, (name,))


@pytest.mark.parametrize(
    "name",
    ["", "   ", "123", "!!", "x" * 31, "STOP", "stop", "S.T.O.P", "\uff33\uff34\uff2f\uff30", "\u0405\u0422\u041e\u0420", "ST0P", "UIT", "AAN", "ON", "AUS", "BAJA", "ARRÊT", "arret", "HELP", "AKKOORD", "JA", "OUI", "START", "ALLES", "ALL", "PLEASE", "AUB", "STOP ALLES", "OPT OUT", "OPTOUT", "NRC UIT", "STOP NRC", "BERICHTEN", "A\u200bB"],
)  # fmt: skip
def test_names_that_are_commands_or_no_words_are_refused(vocabulary, name):
    with pytest.raises(InvalidKeyword):
        check_keyword(vocabulary, name, ())


@pytest.mark.parametrize(
    ("name", "other"),
    [("nrc", "NRC"), ("N.R.C.", "NRC"), ("\u039dR\u0421", "NRC"), ("SPORTS", "SPORT"), ("SPROT", "SPORT"), ("NRCUIT", "NRC"), ("NRC", "NRCUIT"), ("STOPNRC", "NRC"), ("DEOCHTEND", "DE OCHTEND"), ("MUENCHEN", "MÜNCHEN"), ("METEO", "MÉTÉO"), ("N0S", "NOS"), ("SP0RT", "SPORT"), ("NRCAAN", "NRC")],
)  # fmt: skip
def test_names_that_could_be_taken_for_another_list_are_refused(vocabulary, name, other):
    with pytest.raises(InvalidKeyword, match=other):
        check_keyword(vocabulary, name, ["KLIMAAT", other])


@pytest.mark.parametrize(("name", "other"), [("NOS", "NRC"), ("RTL", "RTV"), ("STAD", "SPORT")])
def test_short_names_may_differ_in_one_letter(vocabulary, name, other):
    check_keyword(vocabulary, name, [other])


def test_a_list_with_a_reserved_name_never_takes_the_word_away(vocabulary):
    assert Interpreter(vocabulary, ["STOP"]).interpret("STOP").intent is Intent.opt_out_all
