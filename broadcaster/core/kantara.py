"""A consent receipt after Kantara's specification, version 1.1.0 (2018): what a person agreed to."""

from __future__ import annotations

from collections.abc import Mapping

from broadcaster.core.consents import Happened, Registers, Story, listed, said

VERSION = "KI-CR-v1.1.0"
_NOT_STATED = "not stated"
# Appendix A of the specification: what the service is for.
_CATEGORY = "1 - Core Function"


def receipt(
    story: Story, given: Happened, subject: str, registers: Registers, vkey: str
) -> dict[str, object]:
    """Write the receipt of a consent that stands.

    Args:
        story: what happened.
        given: the event by which it stands.
        subject: the random id of the person.
        registers: the records of processing that its entries name.
        vkey: the public key of the ledger that holds the entry.
    """
    entry = given.entry
    register = registers.get(entry.config, {})
    return {
        "version": VERSION,
        "jurisdiction": said(register, "jurisdiction", _NOT_STATED),
        "consentTimestamp": int(entry.occurred.timestamp()),
        "collectionMethod": f"{entry.method.value}, {entry.channel.value}",
        "consentReceiptID": entry.id,
        "publicKey": vkey,
        "language": entry.notice.lang if entry.notice else "und",
        "piiPrincipalId": subject,
        "piiControllers": [_controller(register)],
        "policyUrl": said(register, "privacy_statement", _NOT_STATED),
        "services": [
            {
                "service": f"{said(register, 'service', 'broadcast list')}: {story.name}",
                "purposes": [_purpose(given, register)],
            }
        ],
        "sensitive": False,
        "spiCat": [],
    }


def _controller(register: Mapping[str, object]) -> dict[str, object]:
    return {
        "piiController": said(register, "controller", _NOT_STATED),
        "onBehalf": False,
        "contact": said(register, "dpo") or said(register, "contact", _NOT_STATED),
        "address": {"streetAddress": said(register, "address", _NOT_STATED)},
        "email": said(register, "contact", _NOT_STATED),
        "phone": said(register, "phone", _NOT_STATED),
        "piiControllerUrl": said(register, "privacy_statement", _NOT_STATED),
    }


def _purpose(given: Happened, register: Mapping[str, object]) -> dict[str, object]:
    recipients = listed(register, "recipients")
    validity = given.entry.validity
    made: dict[str, object] = {
        "purpose": said(register, "purpose", given.entry.purpose),
        "purposeCategory": [_CATEGORY],
        "consentType": "EXPLICIT",
        "piiCategory": listed(register, "pii") or ["telephone number or WhatsApp user id"],
        "primaryPurpose": True,
        "termination": f"{validity}; {said(register, 'withdrawal', 'text STOP')}",
        "thirdPartyDisclosure": bool(recipients),
    }
    if recipients:
        made["thirdPartyName"] = "; ".join(recipients)
    return made
