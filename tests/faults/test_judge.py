"""The judge turns red for each broken promise, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcaster.cli.faults.evidence import (
    Bulletin,
    Consent,
    Evidence,
    Journal,
    Member,
    Request,
    Said,
    keep,
    read_journal,
)
from broadcaster.cli.faults.judge import Offence, busiest_second, early, judge
from broadcaster.cli.faults.plan import JOIN
from broadcaster.core.delivery import State
from broadcaster.sandbox.journal import Journal as WrittenJournal

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
TEXT = "Goedemorgen"
SENDER = "whatsapp:+15550109990"
ANNA, BRAM = "whatsapp:+15550100001", "whatsapp:+15550100002"


def at(seconds):
    return START + timedelta(seconds=seconds)


def said(phone, body, seconds, *, answered=True):
    return Said(
        sent=at(seconds), answered=at(seconds + 0.1) if answered else None, phone=phone, body=body
    )


def request(phone, seconds, delivery, *, accepted=True, body=TEXT, sid=None):
    return Request(
        arrived=at(seconds),
        sender=SENDER,
        to=phone,
        body=body,
        callback=f"http://127.0.0.1/webhooks/twilio/status/{delivery}-proof",
        sid=sid or f"SM{delivery}",
        accepted=accepted,
    )


def member(phone, delivery, state=State.ACCEPTED, **changes):
    made = Member(
        delivery=delivery,
        bulletin=1,
        phone=phone,
        subject=f"subject of {phone}",
        state=state,
        reason=None,
        entry=delivery,
        intended=at(0.5),
        sid=f"SM{delivery}",
    )
    return replace(made, **changes)


def evidence(**changes):
    """A round in which everything is right: both joined, both got it, both are recorded."""
    right = Evidence(
        journal=Journal(
            requests=(request(ANNA, 1, 1), request(BRAM, 1, 2)),
            texts=(said(ANNA, JOIN, -9), said(BRAM, JOIN, -8)),
        ),
        bulletins=[
            Bulletin(
                number=1,
                text=TEXT,
                state="finished",
                audience=2,
                started=START,
                shown={State.ACCEPTED: 2},
            )
        ],
        members=[member(ANNA, 1), member(BRAM, 2)],
        consents={
            n: Consent(index=n, subject=f"subject of {phone}", given=True, recorded=at(-8))
            for n, phone in ((1, ANNA), (2, BRAM))
        },
    )
    return replace(right, **changes)


def with_journal(requests=(), texts=()):
    right = evidence()
    return replace(
        right,
        journal=Journal(
            requests=(*right.journal.requests, *requests),
            texts=tuple(sorted((*right.journal.texts, *texts), key=lambda one: one.sent)),
        ),
    )


def with_bram(state, **changes):
    """Bram stands somewhere else, and the pages count him there."""
    right = evidence()
    [bulletin] = right.bulletins
    shown = {State.ACCEPTED: 1}
    shown[state] = shown.get(state, 0) + 1
    return replace(
        right,
        bulletins=[replace(bulletin, shown=shown)],
        members=[right.members[0], member(BRAM, 2, state, **changes)],
    )


def without_request_for_bram(found):
    [anna, _bram] = found.journal.requests
    return replace(found, journal=replace(found.journal, requests=(anna,)))


def offences(found):
    return {finding.offence for finding in judge(found)}


def test_a_round_in_which_everything_is_right_is_not_red():
    assert judge(evidence()) == []


def test_a_second_acceptance_is_a_duplicate():
    found = with_journal([request(BRAM, 2, 2, sid="SM9")])

    assert offences(found) == {Offence.DUPLICATE}
    assert [one.offence for one in early(found.journal, [TEXT])] == [Offence.DUPLICATE]


def test_a_second_request_that_was_not_accepted_is_none():
    assert judge(with_journal([request(BRAM, 0.5, 2, accepted=False)])) == []


def test_two_bulletins_with_different_texts_are_no_duplicates():
    assert early(with_journal([request(BRAM, 2, 7, body="Nog iets")]).journal, [TEXT]) == []


@pytest.mark.parametrize("word", ["STOP", "NRC UIT", "Stop maar, dank je"])
def test_what_arrives_after_an_answered_stop_was_sent_against_a_persons_will(word):
    found = with_journal(texts=[said(BRAM, word, 0.5)])

    assert offences(found) == {Offence.AFTER_STOP}
    assert [one.offence for one in early(found.journal, [TEXT])] == [Offence.AFTER_STOP]


def test_even_if_the_provider_did_not_accept_it():
    found = with_journal(
        requests=[request(BRAM, 3, 2, accepted=False)], texts=[said(BRAM, "STOP", 2)]
    )

    assert offences(found) == {Offence.AFTER_STOP}


@pytest.mark.parametrize(
    "texts",
    [
        [said(BRAM, "STOP", 2)],
        [said(BRAM, "STOP", 0.95)],
        [said(BRAM, "STOP", 0.5, answered=False)],
        [said(BRAM, "STOP", 0.5), said(BRAM, JOIN, 0.8)],
        [said(ANNA, "Dank je", 0.5)],
    ],
    ids=["after it", "answered after it", "never answered", "came back", "no stop"],
)
def test_what_arrives_in_time_is_right(texts):
    assert judge(with_journal(texts=texts)) == []


def test_a_second_stop_does_not_excuse_what_follows_the_first():
    texts = [said(BRAM, "STOP", 0.2), said(BRAM, "STOP", 0.8, answered=False)]

    assert offences(with_journal(texts=texts)) == {Offence.AFTER_STOP}


def test_a_stop_that_the_list_showed_before_the_start_must_have_been_heard():
    found = with_journal(texts=[said(BRAM, "STOP", -3, answered=False)])

    assert offences(found) == {Offence.UNHEARD}
    assert judge(replace(found, list_lag=2.5)) == []


@pytest.mark.parametrize("state", [State.QUEUED, State.CLAIMED])
def test_a_bulletin_cannot_be_finished_while_somebody_has_no_outcome(state):
    found = without_request_for_bram(with_bram(state, sid=None))

    assert offences(found) == {Offence.NO_OUTCOME, Offence.LEFT_OUT}


def test_a_bulletin_is_not_held_without_a_cause_but_then_its_people_may_wait():
    found = without_request_for_bram(with_bram(State.QUEUED, sid=None))
    [bulletin] = found.bulletins
    held = replace(bulletin, state="held", held_for="standstill")

    assert [str(one.where) for one in judge(replace(found, bulletins=[held]))] == [
        "bulletin 1, standstill"
    ]


def test_a_bulletin_that_never_started_has_no_outcome():
    late = Bulletin(number=2, text="x", state="scheduled", audience=None, started=None, shown={})
    found = evidence()

    assert offences(replace(found, bulletins=[*found.bulletins, late])) == {Offence.NO_OUTCOME}


@pytest.mark.parametrize("state", [State.SKIPPED, State.FAILED])
def test_who_joined_and_never_left_is_not_left_out(state):
    found = without_request_for_bram(with_bram(state, sid=None))

    assert offences(found) == {Offence.LEFT_OUT}


def test_who_has_no_row_at_all_is_left_out_too():
    found = without_request_for_bram(evidence())
    [bulletin] = found.bulletins
    found = replace(
        found,
        bulletins=[replace(bulletin, audience=1, shown={State.ACCEPTED: 1})],
        members=found.members[:1],
    )

    assert offences(found) == {Offence.LEFT_OUT}


@pytest.mark.parametrize(
    "changes", [{"state": State.FAILED}, {"state": State.ACCEPTED, "sid": None}]
)
def test_what_was_accepted_is_recorded_with_its_id(changes):
    assert Offence.UNRECORDED in offences(with_bram(**changes))


def test_what_was_accepted_may_be_held_for_a_person_to_decide():
    assert judge(with_bram(State.HELD, sid=None)) == []


def test_what_is_recorded_was_accepted():
    assert offences(without_request_for_bram(evidence())) == {Offence.INVENTED}


@pytest.mark.parametrize(
    "entry", [None, 1, 9], ids=["none", "somebody else's", "one that is not there"]
)
def test_what_was_sent_names_an_opt_in_of_that_person(entry):
    assert offences(with_bram(State.ACCEPTED, entry=entry)) == {Offence.NO_PERMISSION}


@pytest.mark.parametrize(("seconds", "red"), [(0.4, True), (0.6, False)])
def test_the_opt_in_was_the_newest_word_at_the_intent(seconds, red):
    found = evidence()
    left = Consent(index=3, subject=f"subject of {BRAM}", given=False, recorded=at(seconds))
    found = replace(found, consents={**found.consents, 3: left})

    assert offences(found) == ({Offence.NO_PERMISSION} if red else set())


def test_what_was_sent_carries_the_number_of_its_delivery():
    found = evidence()
    [anna, bram] = found.journal.requests
    wrong = replace(bram, callback="http://127.0.0.1/webhooks/twilio/status/1-proof")
    found = replace(found, journal=replace(found.journal, requests=(anna, wrong)))

    assert offences(found) == {Offence.NO_PERMISSION}


@pytest.mark.parametrize(
    "changes", [{"shown": {State.ACCEPTED: 1}}, {"audience": 3}, {"shown": {State.SENT: 2}}]
)
def test_the_counts_that_are_shown_are_the_true_ones(changes):
    found = evidence()
    [bulletin] = found.bulletins

    assert offences(replace(found, bulletins=[replace(bulletin, **changes)])) == {Offence.WRONG_SUM}


def test_a_ledger_that_does_not_verify_and_a_process_that_died_are_offences():
    found = evidence(ledger_fault="the step root failed", died=["product-0 ended with 1"])

    assert offences(found) == {Offence.LEDGER, Offence.DIED}


def test_where_it_happened_is_said_without_a_number_or_a_text(tmp_path):
    found = with_journal([request(BRAM, 2, 2, sid="SM9")])
    [finding] = judge(found)
    keep(found, tmp_path / "evidence.json")

    assert finding.where == "bulletin 1, delivery 2"
    assert (tmp_path / "evidence.json").stat().st_size


@pytest.mark.parametrize(
    ("moments", "most"),
    [
        ([], 0),
        ([0, 0.5, 1.0], 2),
        ([0, 0.5, 0.999], 3),
        ([0, 0.9, 1.8, 1.85], 3),
    ],
)
def test_the_busiest_second_is_any_second(moments, most):
    requests = tuple(request(ANNA, moment, 1) for moment in moments)
    refused = request(ANNA, 0.1, 1, accepted=False)
    foreign = replace(request(ANNA, 0.1, 1), sender="+15550109991")

    assert busiest_second(Journal(requests=(*requests, refused, foreign)), SENDER) == most


def test_the_journal_is_read_from_its_file_but_for_a_line_that_is_being_written(tmp_path):
    path = tmp_path / "journal.jsonl"
    written = WrittenJournal(path)
    fields = {"to": ANNA, "from": SENDER, "body": TEXT}
    written.record("create", "accepted", time=at(2), answered_at=at(3), sid="SM1", **fields)
    written.record("create", "failed", time=at(1), answered_at=None, **fields)
    texted = {"from": ANNA, "to": SENDER, "body": "STOP"}
    written.record("inbound", "answered", time=at(4), answered_at=at(5), http_status=200, **texted)
    written.record("inbound", "failed", time=at(6), answered_at=at(7), http_status=500, **texted)
    written.close()
    with path.open("ab") as file:
        file.write(b'{"kind": "crea')

    found = read_journal(path)

    assert [(one.arrived, one.accepted, one.sid) for one in found.requests] == [
        (at(1), False, None),
        (at(2), True, "SM1"),
    ]
    assert [(one.sent, one.answered) for one in found.texts] == [(at(4), at(5)), (at(6), None)]
