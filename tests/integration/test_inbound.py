"""From a text to the ledger, on both databases."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from broadcaster.core.errors import InvalidInput
from broadcaster.core.sealing import open_text
from broadcaster.ledger import canonical
from broadcaster.ledger.entry import evidence_commitment, parse
from broadcaster.storage import inbound as stored
from broadcaster.storage import ledger, lists
from broadcaster.storage.models import BroadcastList, Evidence, Inbound, Subscriber, Subscription
from tests.world import SMS, TOLD, phone

ANNA = phone(1)
BILAL = phone(2, whatsapp=False)


def test_joining_is_confirmed_with_who_what_when_and_how_to_leave(world):
    answer = world.text(ANNA, "NRC AAN")

    for part in (
        "De Testkrant",
        "NRC Ochtend",
        "Hooguit één bericht per dag",
        "tussen 7 en 9",
        "NRC UIT",
        "https://news.example.org/privacy",
    ):
        assert part in answer
    assert world.events() == [("opt_in", "nrc")]


def test_the_entry_names_the_notice_that_was_shown(world):
    world.text(ANNA, "NRC AAN")

    (entry,) = world.entries()
    assert (entry.notice.id, entry.notice.version, entry.notice.lang) == ("nrc", 1, "nl")
    assert TOLD["nl"].what.rstrip(".") in _document(world, entry.notice.sha256)
    assert "De Testkrant" in _document(world, entry.config)


def test_an_entry_commits_to_evidence_that_only_the_subjects_key_opens(world):
    world.text(ANNA, "NRC AAN")

    (entry,) = world.entries()
    with world.runtime.reading() as session:
        subscriber = session.execute(select(Subscriber)).scalar_one()
        sealed = session.execute(select(Evidence.sealed)).scalar_one()
    key = world.runtime.keyring.unwrap(subscriber.key_wrapped)
    private = canonical.parse(open_text(key, sealed).encode())
    assert private["body"] == "NRC AAN"
    assert private["address"] == ANNA
    assert evidence_commitment(key, private) == entry.evidence


def test_no_number_or_text_stands_in_the_database_in_the_clear(world):
    world.text(ANNA, "NRC AAN")
    world.text(ANNA, "een heel bijzondere vraag")

    with world.runtime.reading() as session:
        for model in (Subscriber, Inbound, Evidence, Subscription):
            for row in session.execute(select(model)).scalars():
                shown = " ".join(repr(value) for value in vars(row).values())
                assert "5550100001" not in shown
                assert "bijzondere" not in shown


def test_the_same_message_again_has_no_effect_and_the_same_answer(world):
    first = world.text(ANNA, "NRC AAN", sid="SM" + "a" * 32)
    world.clock.advance(days=365)
    again = world.text(ANNA, "NRC AAN", sid="SM" + "a" * 32)

    assert again == first
    assert world.events() == [("opt_in", "nrc")]


def test_twenty_deliveries_at_once_make_one_entry_and_one_answer(world):
    answers = []
    barrier = threading.Barrier(20)

    def deliver():
        barrier.wait()
        answers.append(world.text(ANNA, "NRC AAN", sid="SM" + "b" * 32))

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 20
    assert len(set(answers)) == 1
    assert world.events() == [("opt_in", "nrc")]


def test_twenty_new_people_at_once_are_all_in_the_ledger(world):
    barrier = threading.Barrier(20)
    failures = []

    def join(number):
        barrier.wait()
        try:
            world.text(phone(number), "NRC AAN")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
            failures.append(error)

    threads = [threading.Thread(target=join, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert world.events() == [("opt_in", "nrc")] * 20
    assert len({entry.subject for entry in world.entries()}) == 20


def test_joining_twice_under_the_same_notice_is_one_entry(world):
    world.text(ANNA, "NRC AAN")
    answer = world.text(ANNA, "nrc aan")

    assert "al" in answer
    assert world.events() == [("opt_in", "nrc")]


def test_leaving_one_list_keeps_the_other(world):
    world.text(ANNA, "NRC AAN")
    world.text(ANNA, "SPORT AAN")
    answer = world.text(ANNA, "NRC UIT")

    assert "NRC Ochtend" in answer
    assert world.events() == [("opt_in", "nrc"), ("opt_in", "sport"), ("opt_out", "nrc")]
    assert _states(world) == {"NRC": "out", "SPORT": "in"}


def test_stop_ends_everything_with_one_confirmation_and_no_advertisement(world):
    world.text(ANNA, "NRC AAN")
    world.text(ANNA, "SPORT AAN")
    answer = world.text(ANNA, "STOP")

    assert "afgemeld" in answer
    assert "NRC" not in answer
    assert "SPORT" not in answer
    assert world.events()[-1] == ("opt_out_all", "*")
    assert _states(world) == {"NRC": "out", "SPORT": "out"}


def test_a_stranger_who_stops_is_recorded_and_answered(world):
    answer = world.text(phone(77), "stop")

    assert "afgemeld" in answer
    assert world.events() == [("opt_out_all", "*")]


def test_a_stranger_gets_help(world):
    assert "redactie@testkrant.example" in world.text(phone(77), "HELP")
    assert world.events() == []


def test_start_lifts_the_stop_and_joins_no_list(world):
    world.text(ANNA, "NRC AAN")
    world.text(ANNA, "STOP")
    answer = world.text(ANNA, "START")

    assert "NRC AAN" in answer
    assert world.events()[-1] == ("restart", "*")
    assert _states(world) == {"NRC": "out"}


def test_a_stopped_person_is_not_reactivated_by_other_words(world):
    world.text(ANNA, "NRC AAN")
    world.text(ANNA, "STOP")
    world.text(ANNA, "wat een mooi stuk over NRC vandaag")

    assert _states(world) == {"NRC": "out"}


def test_each_entry_points_at_the_same_persons_last_one(world):
    world.text(ANNA, "NRC AAN")
    world.text(BILAL, "NRC AAN")
    world.text(ANNA, "STOP")

    anna, bilal, stopped = world.entries()
    assert anna.prev is None
    assert bilal.prev is None
    assert stopped.subject == anna.subject
    with world.runtime.reading() as session:
        (before,) = ledger.leaves(session, stopped.prev, stopped.prev + 1)
    assert parse(before.leaf) == anna


def test_consent_on_whatsapp_is_not_consent_on_sms(world):
    world.text("whatsapp:+15550100001", "NRC AAN")
    world.text("+15550100001", "SPORT AAN")

    assert len({entry.subject for entry in world.entries()}) == 2


def test_a_closed_or_unknown_list_cannot_be_joined(world):
    with world.runtime.transaction() as session:
        lists.by_keyword(session, "SPORT").is_open = False
    answer = world.text(ANNA, "SPORT AAN")

    assert "NRC AAN" in answer
    assert world.events() == []


def test_twilios_own_stop_on_sms_is_recorded_and_not_answered_twice(world):
    world.text(BILAL, "NRC AAN")
    answer = world.text(BILAL, "STOP")

    assert answer is None
    assert world.events()[-1] == ("opt_out_all", "*")


def test_a_stop_that_twilio_does_not_know_is_confirmed_by_us(world):
    world.text(BILAL, "NRC AAN")

    assert "afgemeld" in world.text(BILAL, "Stop maar, dank je")


def test_twilios_block_outlives_an_opt_in_until_start(world):
    world.text(BILAL, "STOP")
    answer = world.text(BILAL, "NRC AAN")

    assert answer is None
    assert world.events()[-1] == ("opt_in", "nrc")
    assert _nobody_reachable(world)
    assert "NRC AAN" in world.text(BILAL, "START")
    assert not _nobody_reachable(world)


def test_yes_lifts_twilios_block_but_never_subscribes(world):
    world.text(BILAL, "STOP")
    world.text(BILAL, "YES")

    assert ("opt_in", "nrc") not in world.events()
    assert ("provider_start", "*") in world.events()
    assert _states(world) == {}


def test_an_opt_out_that_only_twilio_recognised_counts(world):
    world.text(BILAL, "NRC AAN")
    world.text(BILAL, "genoeg is genoeg", opt_out_type="STOP")

    assert world.events()[-1] == ("opt_out_all", "*")
    assert world.entries()[-1].method.value == "provider_keyword"


def test_a_buttons_payload_decides_before_its_title(world):
    world.text(ANNA, "Ja, graag", button="NRC AAN")

    (entry,) = world.entries()
    assert (entry.event.value, entry.method.value) == ("opt_in", "button")


def test_guidance_is_given_once_an_hour(world):
    assert "NRC AAN" in world.text(ANNA, "wat een mooie dag")
    assert world.text(ANNA, "en nog eens") is None
    world.clock.advance(hours=1)
    assert "NRC AAN" in world.text(ANNA, "en weer")
    assert world.events() == []


def test_a_question_waits_for_a_person(world):
    world.text(ANNA, "mag ik jullie redacteur spreken over gisteren")

    with world.runtime.reading() as session:
        (row,) = stored.waiting(session, 10)
    assert row.review == "question"


def test_erasure_stops_at_once_and_waits_for_a_person(world):
    world.text(ANNA, "NRC AAN")
    answer = world.text(ANNA, "verwijder mijn gegevens")

    assert "wissen" in answer
    assert world.events()[-1] == ("opt_out_all", "*")
    with world.runtime.reading() as session:
        assert [row.review for row in stored.waiting(session, 10)] == ["erasure"]


def test_our_own_number_is_never_answered(world):
    assert world.text(SMS, "NRC AAN", to=SMS) is None
    assert world.events() == []


def test_the_answer_is_in_the_language_of_the_text(world):
    assert "you now receive" in world.text(ANNA, "NRC ON")
    assert "Sie" in world.text(ANNA, "NRC AUS")


@pytest.mark.parametrize("body", ["", "   ", "😂😂", "."])
def test_a_text_without_words_changes_nothing_and_waits_for_nobody(world, body):
    world.text(ANNA, body)

    assert world.events() == []
    with world.runtime.reading() as session:
        assert stored.count_waiting(session) == 0


def _states(world) -> dict[str, str]:
    with world.runtime.reading() as session:
        rows = session.execute(
            select(BroadcastList.keyword, Subscription.state).join(
                Subscription, Subscription.list_id == BroadcastList.id
            )
        ).all()
    return dict(rows)


def _nobody_reachable(world) -> bool:
    try:
        world.bulletin()
    except InvalidInput:
        return True
    return False


def _document(world, sha256: str) -> str:
    with world.runtime.reading() as session:
        return ledger.document(session, sha256).text


def test_a_stop_on_a_button_with_a_payload_of_its_own_is_heard(world):
    world.text(ANNA, "NRC AAN")
    world.text(ANNA, "Stop", button="flow-17-b")

    assert world.events()[-1] == ("opt_out_all", "*")


def test_start_does_not_tell_a_subscriber_that_they_are_on_no_list(world):
    world.text(ANNA, "NRC AAN")
    answer = world.text(ANNA, "START")

    assert "pas weer" not in answer
    assert world.events() == [("opt_in", "nrc")]


def test_help_that_the_operator_wrote_at_twilio_is_not_given_twice(world):
    assert world.text(BILAL, "HELP", opt_out_type="HELP") is None


def test_leaving_suggests_only_a_list_that_can_be_joined_again(world):
    world.text(ANNA, "SPORT AAN")
    with world.runtime.transaction() as session:
        lists.by_keyword(session, "SPORT").is_open = False
    answer = world.text(ANNA, "SPORT UIT")

    assert "SPORT AAN" not in answer


def test_the_rule_of_an_entry_is_what_decided(world):
    world.text(BILAL, "NRC AAN", opt_out_type="STOP")

    (entry,) = world.entries()
    assert entry.event.value == "opt_out_all"
    assert entry.rule.startswith("provider-stop@")
    assert entry.method.value == "provider_keyword"


def test_joining_several_lists_is_confirmed_in_messages_that_fit(world):
    handled = world.receive(ANNA, "NRC AAN SPORT AAN")

    assert len(handled.answers) == 2
    assert all(len(text) <= 1600 for text in handled.answers)


def test_a_list_is_found_whatever_the_case_of_its_letters(world):
    with world.runtime.transaction() as session:
        lists.by_keyword(session, "SPORT").keyword = "ÖKO"
    with world.runtime.reading() as session:
        assert lists.by_keyword(session, "öko").keyword == "ÖKO"
