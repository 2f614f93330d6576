"""A person's consent in the forms of standards, from the ledger alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from broadcaster.core import iso27560, kantara
from broadcaster.core.consents import Registers, Story, tell
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.ledger.entry import ConsentEntry, parse
from broadcaster.runtime import Runtime
from broadcaster.storage import ledger, replay

_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the ledger says of a person's consent.

    Args:
        subject: the random id of the person.
        stories: one for each list.
        registers: the records of processing that entries name, by hash.
        notices: the texts that entries name, by hash.
    """

    subject: str
    stories: Sequence[Story]
    registers: Registers
    notices: dict[str, str]


def of_person(session: Session, token: str) -> Told:
    """Return what the ledger says of a person's consent.

    Raises:
        InvalidInput: that is no token.
        NotFound: no entry is about that person.
    """
    if not _TOKEN.fullmatch(token):
        message = "A token has 32 hex digits; the ledger's entries name each person by one."
        raise InvalidInput(message)
    rows = [(index, parse(leaf)) for _subject, index, leaf in replay.entries(session, [token])]
    entries = [(index, entry) for index, entry in rows if isinstance(entry, ConsentEntry)]
    if not entries:
        message = "No entry of the ledger is about a person with this token."
        raise NotFound(message)
    return Told(
        subject=token,
        stories=tell(entries),
        registers={
            sha256: json.loads(text)
            for sha256, text in _texts(session, {entry.config for _index, entry in entries}).items()
        },
        notices=_texts(
            session, {entry.notice.sha256 for _index, entry in entries if entry.notice is not None}
        ),
    )


def as_iso27560(told: Told, runtime: Runtime) -> dict[str, object]:
    """Write consent records after ISO/IEC TS 27560, one for each list."""
    return iso27560.document(
        [
            iso27560.record(story, told.subject, told.registers, told.notices, runtime.signer.name)
            for story in told.stories
        ]
    )


def as_kantara(told: Told, runtime: Runtime) -> list[dict[str, object]]:
    """Write Kantara consent receipts, one for each list that the person is on now."""
    vkey = runtime.signer.key.to_text()
    return [
        kantara.receipt(story, story.given, told.subject, told.registers, vkey)
        for story in told.stories
        if story.given is not None
    ]


def _texts(session: Session, hashes: set[str]) -> dict[str, str]:
    found = {sha256: ledger.document(session, sha256) for sha256 in sorted(hashes)}
    return {sha256: one.text for sha256, one in found.items() if one is not None}
