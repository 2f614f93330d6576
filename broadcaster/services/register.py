"""The record of processing (GDPR art. 30): what it says, which one is in force, which ones were.

Every entry of the ledger names by its hash the record that was in force when it was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from broadcaster.ledger import canonical
from broadcaster.ledger.entry import ConsentEntry, DocumentKind, document_hash, parse
from broadcaster.settings import Organisation
from broadcaster.storage import ledger

Record = Mapping[str, object]

# What each field is called where people read it, in the order of GDPR art. 30(1).
_TITLES = {
    "controller": "Controller",
    "contact": "Contact",
    "phone": "Telephone",
    "address": "Address",
    "representative": "Representative in the Union",
    "dpo": "Data protection officer",
    "service": "Service",
    "purpose": "Purpose",
    "basis": "Legal basis",
    "data_subjects": "Categories of people",
    "pii": "Categories of personal data",
    "sensitive": "Special categories of data",
    "collection": "How data is collected",
    "processing": "What is done with it",
    "recipients": "Recipients",
    "transfers": "Transfers outside the Union",
    "storage": "Where data is kept",
    "retention": "How long",
    "security": "Security",
    "withdrawal": "How consent is withdrawn",
    "rights": "Rights",
    "privacy_statement": "Privacy statement",
    "authority": "Supervisory authority",
    "jurisdiction": "Jurisdiction",
}
_NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """A record as the ledger holds it.

    Args:
        sha256: the hash by which entries name it.
        entry: the index of the entry that logged it.
        since: when that was.
        in_force: whether the newest entry of the ledger names it.
        record: what it says.
    """

    sha256: str
    entry: int
    since: datetime
    in_force: bool
    record: Record


def record(organisation: Organisation) -> dict[str, object]:
    """Return what the record of processing says under these settings.

    GDPR art. 30(1) asks for it, and ISO/IEC TS 27560 wants consent records to name it.
    """
    return {
        "controller": organisation.name,
        "contact": organisation.contact,
        "phone": organisation.phone,
        "address": organisation.address,
        "dpo": organisation.dpo,
        "representative": organisation.representative,
        "authority": organisation.authority,
        "jurisdiction": organisation.jurisdiction,
        "service": "broadcast lists by text message and WhatsApp",
        "data_subjects": [
            "subscribers: people who asked for bulletins",
            "people who texted us otherwise",
        ],
        "pii": ["telephone number or WhatsApp user id", "texts sent to us", "profile name"],
        "sensitive": "none is asked for; what people write by themselves may hold some",
        "privacy_statement": organisation.privacy_url,
        "purpose": "news bulletins that the subscriber asked for",
        "purpose_type": "news-bulletin",
        "basis": "GDPR-6-1-a",
        "collection": "from the people themselves, who text us or have agreed elsewhere",
        "processing": "storing, sending bulletins, answering texts, proving consent",
        "recipients": list(organisation.recipients),
        "transfers": list(organisation.transfers),
        "retention": organisation.retention,
        "storage": organisation.storage,
        "security": organisation.security,
        "rights": "access, rectification, erasure, restriction, portability, objection, and "
        "withdrawal at any time, which does not touch what was lawful before",
        "withdrawal": "text STOP, or the keyword with the word for off in nl, en, de, fr or es",
    }


def history(session: Session) -> list[Filed]:
    """Return every record that the ledger holds, the newest first."""
    found = list(ledger.documents(session, DocumentKind.CONFIG.value))
    named = _named_last(session)
    return [
        Filed(
            sha256=one.sha256,
            entry=one.entry,
            since=ledger.leaves(session, one.entry, one.entry + 1)[0].recorded,
            in_force=one.sha256 == (named or found[-1].sha256),
            record=json.loads(one.text),
        )
        for one in reversed(found)
    ]


def is_outdated(organisation: Organisation, filed: Sequence[Filed]) -> bool:
    """Tell whether the settings say something else than the record in force."""
    text = canonical.encode(record(organisation)).decode()
    return document_hash(text) not in {one.sha256 for one in filed if one.in_force}


def described(filed: Filed) -> dict[str, object]:
    """Return a record with what the ledger says about it, for a file."""
    return {
        "sha256": filed.sha256,
        "entry": filed.entry,
        "since": filed.since.isoformat(),
        "in_force": filed.in_force,
        "record": dict(filed.record),
    }


def as_markdown(filed: Filed) -> str:
    """Write a record for people: a table, in the order of GDPR art. 30(1)."""
    lines = [
        "# Record of processing activities (GDPR art. 30)",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [
        f"| {title} | {_cell(filed.record[name])} |"
        for name, title in _TITLES.items()
        if name in filed.record
    ]
    logged = f"Logged on {filed.since:%Y-%m-%d %H:%M} UTC as entry {filed.entry} of the ledger;"
    lines += [
        "",
        f"{logged} entries name it by the SHA-256 of its text:",
        "",
        f"`{filed.sha256}`",
        "",
    ]
    return "\n".join(lines)


def rows(filed: Filed) -> list[tuple[str, str]]:
    """Return title and text of each field, for a terminal."""
    return [
        (title, _text(filed.record[name]))
        for name, title in _TITLES.items()
        if name in filed.record
    ]


def _named_last(session: Session) -> str | None:
    """Return the hash that the newest entry about a person names, looking back a little."""
    size = ledger.frontier(session).size
    # Documents stand between them; an import logs at most a few in a row.
    for row in reversed(ledger.leaves(session, max(0, size - 200), size)):
        entry = parse(row.leaf)
        if isinstance(entry, ConsentEntry):
            return entry.config
    return None


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(str(one) for one in value) or _NONE
    return str(value) or _NONE


def _cell(value: object) -> str:
    """Write a cell of a table; what an operator typed cannot end it."""
    parts = value if isinstance(value, list) else [value]
    escaped = [str(one).replace("\\", "\\\\").replace("|", "\\|") for one in parts if str(one)]
    return "<br>".join(one.replace("<", "&lt;") for one in escaped) or _NONE
