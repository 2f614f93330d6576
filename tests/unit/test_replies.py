"""Answers: complete in every language, and what law and carriers ask is in them."""

from __future__ import annotations

import pytest

from broadcaster import resources
from broadcaster.core.errors import InvalidInput
from broadcaster.core.notice import LANGUAGES
from broadcaster.core.replies import Reply, load_replies

SHIPPED = resources.directory("config") / "replies"
VALUES = {
    "organisation": "De Testkrant",
    "contact": "redactie@testkrant.example",
    "privacy_url": "https://news.example.org/privacy",
    "commands": "NRC AAN",
    "list": "NRC Ochtend",
    "lists": "NRC Ochtend",
    "keyword": "NRC",
    "what": "Nieuws.",
    "frequency": "Dagelijks",
    "hours": "7 uur",
}


def test_there_are_answers_in_every_language_of_a_notice():
    assert set(load_replies(SHIPPED).texts) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reply", Reply)
def test_every_answer_fits_one_message_and_leaves_no_brace(reply, language):
    text = load_replies(SHIPPED).write(reply, language, VALUES)

    assert 0 < len(text) <= 1600
    assert "{" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_confirmation_of_a_stop_advertises_nothing(language):
    text = load_replies(SHIPPED).texts[language]["stopped"]

    for placeholder in ("{commands}", "{list}", "{privacy_url}", "http"):
        assert placeholder not in text


def test_values_are_taken_literally():
    text = load_replies(SHIPPED).write(Reply.STOPPED, "en", {**VALUES, "organisation": "{contact}"})

    assert "{contact}" in text


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('stopped = "{organisation} {nonsense}"', "unknown placeholder"),
        ('stopped = "bye"', "must say"),
        ('stopped = ""', "is empty"),
        ('nonsense = "x"', "unknown 'nonsense'"),
    ],
)
def test_a_faulty_file_is_refused_with_its_fault(tmp_path, line, fault):
    name = line.partition(" ")[0]
    kept = [
        one
        for one in (SHIPPED / "en.toml").read_text().splitlines()
        if not one.startswith(f"{name} =")
    ]
    (tmp_path / "en.toml").write_text("\n".join([*kept, line]))

    with pytest.raises(InvalidInput, match=fault):
        load_replies(tmp_path)


def test_english_must_be_there(tmp_path):
    with pytest.raises(InvalidInput, match=r"no en\.toml"):
        load_replies(tmp_path)
