"""A consent record after ISO/IEC TS 27560:2023, readable as JSON-LD in terms of the W3C's DPV.

Fields have the names of the technical specification; the context says what each is in DPV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from broadcaster.core.consents import Happened, Registers, Story, listed, said
from broadcaster.ledger.entry import Event, State

SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"
#: How a state of consent is called in DPV (module consent_status).
STATES = {
    State.GIVEN: "dpv:ConsentGiven",
    State.WITHDRAWN: "dpv:ConsentWithdrawn",
    State.REFUSED: "dpv:ConsentRefused",
    State.EXPIRED: "dpv:ConsentExpired",
    State.TERMINATED: "dpv:ConsentRevoked",
}
_RENEWED = "dpv:RenewedConsentGiven"
_CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "ledger": "urn:broadcaster:ledger:",
    "schema_version": {"@id": "dct:conformsTo", "@type": "@id"},
    "record_id": "dct:identifier",
    "pii_principal_id": "dpv:hasDataSubject",
    "pii_processing": "dpv:hasProcess",
    "privacy_notice": "dpv:hasNotice",
    "language": "dct:language",
    "purpose": "dpv:hasPurpose",
    "purpose_type": "dct:type",
    "lawful_basis": {"@id": "dpv:hasLegalBasis", "@type": "@vocab"},
    "pii_information": "dpv:hasPersonalData",
    "pii_type": "dct:title",
    "pii_controllers": {"@id": "dpv:hasDataController", "@type": "@id"},
    "collection_method": "dpv:hasDataSource",
    "processing_method": "dpv:hasProcessing",
    "storage_locations": "dpv:hasStorageCondition",
    "retention_period": "dpv:hasDuration",
    "processing_locations": "dpv:hasLocation",
    "service": "dpv:hasService",
    "jurisdiction": "dpv:hasJurisdiction",
    "recipient_third_parties": "dpv:hasRecipient",
    "withdrawal_method": "dpv:hasConsentControl",
    "privacy_rights": "dpv:hasRight",
    "authority_party": "dpv:hasAuthority",
    "party_identification": "dpv:hasEntity",
    "party_id": "@id",
    "party_name": "dpv:hasName",
    "party_address": "dpv:hasAddress",
    "party_contact": "dpv:hasContact",
    "party_type": "@type",
    "party_role": "dpv:hasRole",
    "party_email": "ledger:email",
    "party_phone": "ledger:phone",
    "party_url": {"@id": "dct:source", "@type": "@id"},
    "events": "dpv:hasConsentStatus",
    "event_time": {"@id": "dpv:isIndicatedAtTime", "@type": "xsd:dateTime"},
    "validity_duration": "dpv:hasDuration",
    "entity_id": "dpv:isIndicatedBy",
    "event_type": {"@id": "ledger:eventType", "@type": "@vocab"},
    "event_state": "@type",
    "event_method": "dpv:hasIndicationMethod",
    "ledger_event": "ledger:event",
    "ledger_entry": "ledger:entry",
    "text_sha256": "ledger:sha256",
    "text": "dct:description",
    "policy_url": "dct:source",
    "log": "ledger:origin",
}
# What the specification asks for and an operator has left empty; an absent field would be no record.
_NOT_STATED = "not stated"
_CONTROLLER = "#controller"


def record(
    story: Story, subject: str, registers: Registers, notices: Mapping[str, str], log: str
) -> dict[str, object]:
    """Write one person's consent to one list.

    Args:
        story: what happened.
        subject: the random id of the person.
        registers: the records of processing that its entries name.
        notices: texts of the notices that its entries name, by hash.
        log: the name of the ledger.
    """
    newest = story.last.entry
    register = registers.get(newest.config, {})
    # Each list's consent is a record of its own: its first entry's id names it for ever.
    return {
        "@context": _CONTEXT,
        "@type": "dpv:ConsentRecord",
        "schema_version": SCHEMA,
        "record_id": story.first.entry.id,
        "pii_principal_id": subject,
        "pii_processing": [_processing(story, register, notices)],
        "party_identification": [_controller(register), *_recipients(register)],
        "events": _events(story),
        "log": log,
    }


def document(records: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Put all records of a person into one JSON-LD document."""
    graph = [{name: value for name, value in one.items() if name != "@context"} for one in records]
    return {"@context": _CONTEXT, "@graph": graph}


def _processing(
    story: Story, register: Mapping[str, object], notices: Mapping[str, str]
) -> dict[str, object]:
    told = [one.entry.notice for one in story.events if one.entry.notice is not None]
    notice = told[-1] if told else None
    return {
        "privacy_notice": _stated(
            {
                "policy_url": said(register, "privacy_statement", _NOT_STATED),
                "text_sha256": notice.sha256 if notice else None,
                "text": notices.get(notice.sha256) if notice else None,
            }
        ),
        "language": notice.lang if notice else "und",
        "purpose": said(register, "purpose", story.last.entry.purpose),
        "purpose_type": story.last.entry.purpose,
        "lawful_basis": "eu-gdpr:A6-1-a",
        "pii_information": [
            {"pii_type": one, "pii_optional": place > 0}
            for place, one in enumerate(listed(register, "pii"))
        ]
        or [{"pii_type": "telephone number or WhatsApp user id", "pii_optional": False}],
        "pii_controllers": [_CONTROLLER],
        "collection_method": said(register, "collection", story.first.entry.method.value),
        "processing_method": said(register, "processing", "storing and sending"),
        "storage_locations": [said(register, "storage", _NOT_STATED)],
        "retention_period": said(register, "retention", _NOT_STATED),
        "processing_locations": listed(register, "transfers"),
        "service": f"{said(register, 'service', 'broadcast list')}: {story.name}",
        "jurisdiction": said(register, "jurisdiction", _NOT_STATED),
        "recipient_third_parties": [
            _recipient_id(place) for place in range(len(listed(register, "recipients")))
        ],
        "withdrawal_method": said(register, "withdrawal", "text STOP"),
        "privacy_rights": said(register, "rights", _NOT_STATED),
        "authority_party": said(register, "authority", _NOT_STATED),
    }


def _controller(register: Mapping[str, object]) -> dict[str, object]:
    contact = said(register, "contact")
    party = {
        "party_id": _CONTROLLER,
        "party_name": said(register, "controller", _NOT_STATED),
        "party_address": said(register, "address", _NOT_STATED),
        "party_contact": said(register, "dpo") or contact or _NOT_STATED,
        "party_type": "dpv:DataController",
        "party_role": "controller",
        "party_email": contact,
        "party_url": said(register, "privacy_statement"),
        "party_phone": said(register, "phone"),
    }
    return _stated(party)


def _recipients(register: Mapping[str, object]) -> list[dict[str, object]]:
    return [
        {
            "party_id": _recipient_id(place),
            "party_name": one,
            "party_address": _NOT_STATED,
            "party_contact": _NOT_STATED,
            "party_type": "dpv:DataProcessor",
            "party_role": "processor",
        }
        for place, one in enumerate(listed(register, "recipients"))
    ]


def _recipient_id(place: int) -> str:
    return f"#recipient-{place + 1}"


def _stated(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out what may be left out and is empty."""
    return {name: value for name, value in fields.items() if value not in ("", None, [])}


def _events(story: Story) -> list[dict[str, object]]:
    events, standing = [], False
    for one in story.events:
        events.append(_event(one, renewed=standing))
        standing = one.state is State.GIVEN
    return events


def _event(one: Happened, *, renewed: bool) -> dict[str, object]:
    entry = one.entry
    state = _RENEWED if renewed and one.state is State.GIVEN else STATES[one.state]
    return {
        "event_time": _utc(entry.occurred),
        "validity_duration": entry.validity,
        "entity_id": entry.actor,
        "event_type": "dpv:ExplicitlyExpressedConsent"
        if entry.event in {Event.OPT_IN, Event.IMPORT, Event.TERMS_AGREED}
        else "dpv:ExpressedConsent",
        "event_state": state,
        "event_method": f"{entry.method.value}, {entry.channel.value}, rule {entry.rule}",
        "ledger_event": entry.event.value,
        "ledger_entry": one.index,
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
