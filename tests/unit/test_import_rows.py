"""Which rows of an import prove that a person agreed, and why the others do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.importing import SENTENCES, Claim, Limits, Medium, Refusal, check

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LIMITS = Limits(oldest=NOW - timedelta(days=1826), newest=NOW)
GOOD = {
    "number": "+15550100001",
    "when": "2026-03-03T14:00:00+01:00",
    "medium": "website",
    "wording": "Ja, ik wil het nieuws van de ochtend ontvangen.",
    "source": "https://example.org/form#1",
    "ip": "203.0.113.9",
    "form": "footer",
}


def read(**changes):
    return check(list((GOOD | changes).values()), LIMITS)


def test_a_row_that_states_everything_is_read():
    assert read() == Claim(
        "+15550100001",
        datetime(2026, 3, 3, 13, tzinfo=UTC),
        Medium.WEBSITE,
        GOOD["wording"],
        GOOD["source"],
        "203.0.113.9",
        "footer",
    )


@pytest.mark.parametrize(
    "number",
    [
        "+1 555 010-0001",
        "'+15550100001",
        " +15550100001 ",
        "+1.555.010.0001",
        "whatsapp:+15550100001",
    ],
)
def test_numbers_are_read_as_people_and_spreadsheets_write_them(number):
    assert read(number=number).number == "+15550100001"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"number": ""}, Refusal.NUMBER),
        ({"number": "0612345678"}, Refusal.NUMBER),
        ({"number": "1.5550E+10"}, Refusal.NUMBER),
        ({"number": "+31 (0)6 12345678"}, Refusal.NUMBER),
        ({"number": "+" + "\u0661" * 11}, Refusal.NUMBER),
        ({"number": "+1" * 10_000}, Refusal.NUMBER),
        ({"when": ""}, Refusal.MOMENT_MISSING),
        ({"when": "last spring"}, Refusal.MOMENT_UNCLEAR),
        ({"when": "03-04-2026 14:00"}, Refusal.MOMENT_UNCLEAR),
        ({"when": "2026-03-03T14:00:00"}, Refusal.MOMENT_UNCLEAR),
        ({"when": "2026-03-03"}, Refusal.MOMENT_UNCLEAR),
        ({"when": "2026-02-30T14:00:00Z"}, Refusal.MOMENT_UNCLEAR),
        ({"when": "0001-01-01T00:00:00+14:00"}, Refusal.MOMENT_UNCLEAR),
        ({"when": "2026-11-30T13:00:01+01:00"}, Refusal.FUTURE),
        ({"when": "2019-01-01T00:00:00Z"}, Refusal.TOO_OLD),
        ({"medium": ""}, Refusal.MEDIUM),
        ({"medium": "pigeon"}, Refusal.MEDIUM),
        ({"wording": ""}, Refusal.WORDING_MISSING),
        ({"wording": " \n "}, Refusal.WORDING_MISSING),
        ({"wording": "ok"}, Refusal.WORDING_SHORT),
        ({"wording": "x" * 4_001}, Refusal.TOO_LONG),
        ({"wording": "Ja, ik wil het nieuws.\x1b[2J"}, Refusal.CONTROL),
        ({"wording": "Stuur nieuws naar +1 555 010 0001!"}, Refusal.WORDING_PERSONAL),
        ({"wording": "sha256:abc"}, Refusal.WORDING_UNKNOWN),
        ({"source": ""}, Refusal.SOURCE),
        ({"source": "x" * 301}, Refusal.TOO_LONG),
        ({"form": "a\x07b"}, Refusal.CONTROL),
        ({"ip": "300.1.1.1"}, Refusal.IP),
        ({"ip": "x" * 1_000}, Refusal.IP),
    ],
)
def test_a_row_without_proof_is_refused_with_its_reason(changes, refusal):
    assert read(**changes) is refusal


def test_how_and_where_may_be_written_otherwise():
    assert read(medium=" Paper ").medium is Medium.PAPER
    assert read(ip="2001:db8::1").ip == "2001:db8::1"
    assert (read(ip="", form="").ip, read(ip="", form="").form) == (None, None)
    assert read(wording=f"sha256:{'AB' * 32}").wording == f"sha256:{'ab' * 32}"
    assert read(source="=1+1", form="=cmd|' /C calc'!A0").source == "=1+1"


def test_any_age_is_allowed_where_the_setting_says_so():
    row = list((GOOD | {"when": "1995-01-01T00:00:00Z"}).values())

    assert isinstance(check(row, Limits(oldest=None, newest=NOW)), Claim)


def test_every_reason_has_its_sentence():
    assert set(SENTENCES) == set(Refusal)
    assert all(len(reason.value) <= 24 for reason in Refusal)


@given(st.lists(st.text(max_size=40), min_size=7, max_size=7))
def test_whatever_a_row_holds_it_is_read_or_refused(cells):
    assert isinstance(check(cells, LIMITS), Claim | Refusal)
