"""Two corpora of labelled texts: what must be right is right, what should be nearly all."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from broadcaster.core.keywords import Interpreter

VECTORS = Path(__file__).parents[2] / "vectors"
CORPUS_LISTS = ("NRC", "SPORT", "KLIMAAT")


class Case(NamedTuple):
    text: str
    lists: tuple[str, ...]
    expected: str
    tier: str
    named: str | None
    acceptable: str


def read_cases(name):
    with (VECTORS / name).open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    return [
        Case(
            text=row["text"],
            lists=tuple(row["lists"].split("|")) if "lists" in row else CORPUS_LISTS,
            expected=row["expected"],
            tier=row["note"].split(";")[0],
            named=found[1].strip()
            if (found := re.search(r"lists?=([^;]+)", row["note"]))
            else None,
            acceptable=row["note"].partition("also acceptable:")[2],
        )
        for row in rows
    ]


CORPUS = read_cases("inbound_corpus.csv")
MORE = read_cases("keywords_more.csv")
ALL = CORPUS + MORE


def is_right(case, result):
    if result.intent.value != case.expected:
        return False
    return case.named is None or ",".join(result.lists) == case.named


@pytest.fixture(scope="module")
def interpret(vocabulary):
    interpreters = {}

    def interpret(case):
        if case.lists not in interpreters:
            interpreters[case.lists] = Interpreter(vocabulary, case.lists)
        return interpreters[case.lists].interpret(case.text)

    return interpret


MUST = [case for case in ALL if case.tier == "must"]


@pytest.mark.parametrize(
    "case", MUST, ids=[f"{number}-{case.text[:40]!a}" for number, case in enumerate(MUST)]
)
def test_a_text_that_must_be_understood_is_understood(interpret, case):
    result = interpret(case)
    assert is_right(case, result), result


@pytest.mark.parametrize("cases", [CORPUS, MORE], ids=["corpus", "more"])
def test_of_the_texts_that_should_be_understood_99_percent_are(interpret, cases):
    should = [case for case in cases if case.tier == "should"]
    missed = [(case, interpret(case)) for case in should if not is_right(case, interpret(case))]
    assert len(missed) <= len(should) / 100, missed


def test_every_ambiguous_text_gets_one_of_its_acceptable_readings(interpret):
    missed = [
        (case.text, result.intent.value)
        for case in CORPUS
        if case.tier == "hard"
        and not is_right(case, result := interpret(case))
        and result.intent.value not in case.acceptable
    ]
    assert missed == []


@pytest.mark.parametrize(
    "names",
    [
        ("WEER", "NIEUWS", "STAD"),
        ("NEWS", "CULTUUR", "DE OCHTEND"),
        ("HEUTE", "NOS3", "MÜNCHEN"),
        ("ECONOMÍA", "HOY", "MORGEN"),
        ("UPDATE", "TODAY", "FILM"),
    ],
    ids=" ".join,
)
def test_other_names_of_lists_do_not_change_what_is_understood(vocabulary, names):
    interpreter = Interpreter(vocabulary, names)
    missed = defaultdict(list)
    for case in CORPUS:
        text = renamed(case.text, names)
        result = interpreter.interpret(text)
        # These texts contain one of the new names, or the old name in a form not replaced.
        about_the_name = {"WEER AAN", "WEER UIT", "stop het nieuws"} & {case.text}
        spelt = re.search("N.R.C.|[Ｎ]", case.text)  # noqa: RUF001 - full-width on purpose
        wish = text.startswith("Ik wil graag ")
        if about_the_name or spelt or wish:
            continue
        if result.intent.value != case.expected and result.intent.value not in case.acceptable:
            missed[case.tier].append((text, case.expected, result))
    assert not missed


def renamed(text, names):
    for old, new in zip(CORPUS_LISTS, names, strict=True):
        text = re.sub(
            old,
            lambda found, new=new: new if found[0].isupper() else new.lower(),
            text,
            flags=re.IGNORECASE,
        )
    return text


def test_every_result_names_a_rule_and_the_version_of_the_rules(interpret, vocabulary):
    results = [interpret(case) for case in ALL]
    assert all(result.rule and result.version == vocabulary.version for result in results)
    assert re.fullmatch(r"\d{4}\.\d\d\+[0-9a-f]{8}", vocabulary.version)
