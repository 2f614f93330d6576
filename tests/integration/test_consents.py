"""A person's consent in the forms of standards: complete, and what the ledger says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.services import consents, history
from tests.integration.importing import WORDING, Importer, row
from tests.world import phone

VECTORS = Path(__file__).parents[1] / "vectors"
ISO = Draft202012Validator(json.loads((VECTORS / "consent_27560.schema.json").read_text()))
KANTARA = Draft202012Validator(json.loads((VECTORS / "consent_kantara.schema.json").read_text()))
GIVEN = {"dpv:ConsentGiven", "dpv:RenewedConsentGiven"}


def told(world, token):
    with world.runtime.reading() as session:
        found = consents.of_person(session, token)
    iso = json.loads(json.dumps(consents.as_iso27560(found, world.runtime)))
    kantara = json.loads(json.dumps(consents.as_kantara(found, world.runtime)))
    assert [error.message for error in ISO.iter_errors(iso)] == []
    assert [error.message for error in KANTARA.iter_errors(kantara)] == []
    return iso["@graph"], kantara


def test_a_consent_names_who_what_when_and_how(world):
    world.text(phone(1), "NRC AAN")
    (entry,) = world.entries()

    (record,), (receipt,) = told(world, entry.subject)

    (event,) = record["events"]
    (process,) = record["pii_processing"]
    assert record["record_id"] == receipt["consentReceiptID"] == entry.id
    assert event["event_time"] == "2026-11-24T06:00:00Z"
    assert (event["event_state"], event["entity_id"]) == ("dpv:ConsentGiven", "subject")
    assert event["event_type"] == "dpv:ExplicitlyExpressedConsent"
    assert process["privacy_notice"]["text_sha256"] == entry.notice.sha256
    assert "Het nieuws van de ochtend." in process["privacy_notice"]["text"]
    assert process["language"] == receipt["language"] == "nl"
    assert record["party_identification"][0]["party_name"] == "De Testkrant"
    assert receipt["consentTimestamp"] == int(entry.occurred.timestamp())
    assert receipt["services"][0]["purposes"][0]["thirdPartyName"] == "Twilio; Meta (WhatsApp)"
    assert receipt["publicKey"] == world.runtime.signer.key.to_text()


def test_states_are_told_in_the_words_of_dpv(world):
    for text in ("NRC AAN", "SPORT AAN", "NRC UIT", "NRC AAN", "STOP"):
        world.clock.advance(seconds=1)
        world.text(phone(1), text)

    records, receipts = told(world, world.entries()[0].subject)

    states = {
        one["pii_processing"][0]["service"].rpartition(": ")[2]: [
            event["event_state"].removeprefix("dpv:Consent") for event in one["events"]
        ]
        for one in records
    }
    assert states == {
        "nrc": ["Given", "Withdrawn", "Given", "Withdrawn"],
        "sport": ["Given", "Withdrawn"],
    }
    assert receipts == []


def test_an_imported_consent_names_the_words_of_then(world, tmp_path):
    Importer(world, tmp_path).run([row(1)])
    (entry,) = world.entries()

    (record,), (receipt,) = told(world, entry.subject)

    assert record["pii_processing"][0]["privacy_notice"]["text"] == WORDING
    assert record["events"][0]["event_time"] == "2026-03-03T13:00:00Z"
    assert receipt["collectionMethod"] == "import, sms"


def test_no_token_and_nobodys_token_are_told_apart(world):
    with world.runtime.reading() as session:
        with pytest.raises(InvalidInput):
            consents.of_person(session, "+15550100001")
        with pytest.raises(NotFound):
            consents.of_person(session, "0" * 32)


@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    texts=st.lists(
        st.sampled_from(["NRC AAN", "NRC UIT", "SPORT AAN", "STOP", "START"]), max_size=8
    )
)
def test_whatever_people_text_the_records_agree_with_the_ledger(world, texts):
    for text in ("NRC AAN", *texts):
        world.clock.advance(seconds=1)
        world.text(phone(1), text)
    subject = world.entries()[0].subject

    records, receipts = told(world, subject)

    by_list = {one["pii_processing"][0]["service"].rpartition(": ")[2]: one for one in records}
    on = {name for name, one in by_list.items() if one["events"][-1]["event_state"] in GIVEN}
    assert on == {
        name
        for name in by_list
        if subject in history.consenting(world.runtime, name, world.clock.now())
    }
    assert len(receipts) == len(on)
