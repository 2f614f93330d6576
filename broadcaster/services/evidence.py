"""The evidence of one person's consent: entries with proofs, words, notices, answers, and messages.

`broadcaster.ledger.pack` says what the pack is made of, and verifies it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from broadcaster.core.errors import DatabaseMismatch, NotFound
from broadcaster.core.folding import Person, fold
from broadcaster.core.sealing import open_address, open_text
from broadcaster.ledger import canonical
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, Event, parse
from broadcaster.ledger.fields import format_moment
from broadcaster.ledger.merkle import inclusion_path
from broadcaster.ledger.pack import PACK_VERSION
from broadcaster.runtime import Runtime
from broadcaster.services import allowing, audit
from broadcaster.services.history import Placed
from broadcaster.storage import evidence, frozen, ledger, replay, tiles
from broadcaster.storage.frozen import Sent
from broadcaster.storage.models import Inbound, Subscriber

Entries = list[tuple[int, bytes, ConsentEntry]]


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack: JSON values, and what pages need to know beside them.

    Args:
        value: what is written to a file, and what pages show.
        is_erased: whether the ledger says that the person was erased.
    """

    value: dict[str, Any]
    is_erased: bool

    def to_bytes(self) -> bytes:
        """Give the pack as it is written to a file."""
        return json.dumps(self.value, ensure_ascii=False, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Private:
    """What can be opened of a person: nothing once they are erased.

    Args:
        key: their key, bare.
        address: where they are reached, as the provider writes it.
        masked: the same with its middle hidden.
        parts: the private part of each entry.
    """

    key: bytes | None = None
    address: str | None = None
    masked: str | None = None
    parts: Mapping[int, dict[str, Any]]


def gather(
    runtime: Runtime, subject: str, *, is_full: bool, delivery: int | None, now: datetime
) -> Pack:
    """Gather the evidence of a person, or of one message to them.

    Args:
        runtime: the parts.
        subject: whose.
        is_full: with number, words, private parts and key; else the number is masked, and the
            others are left out.
        delivery: only that message, and the entries about its list.
        now: the present moment.

    Raises:
        NotFound: the ledger has no entry of that subject.
        LedgerError: an entry cannot be read.
        LedgerBroken: the log is no extension of what was signed.
        DatabaseMismatch: the person's key was wrapped by another master key.
    """
    with runtime.reading() as session:
        entries = _entries(session, subject)
        if not entries:
            message = "The ledger knows nobody by that token."
            raise NotFound(message)
        person = evidence.person(session, subject)
        messages = _messages(session, person, delivery)
        standing = fold((index, entry) for index, _leaf, entry in entries)
        is_erased = any(entry.event is Event.ERASED for _index, _leaf, entry in entries)
        if delivery is not None:
            entries = _about(entries, {one["list"] for one in messages})
        private = _open(runtime, session, person, entries)
        texts = _texts(session, person, private, is_full=is_full)
        documents = evidence.documents(session, sorted(_named(entries)))
    note, size = _checkpoint(runtime, max(index for index, *_ in entries))
    with runtime.reading() as session:
        proofs = _Proofs(session, size)
        value = {
            "v": PACK_VERSION,
            "about": _about_us(runtime, now, is_full=is_full),
            "subject": subject,
            "channel": entries[-1][2].channel.value,
            "address": private.address if is_full else private.masked,
            "is_erased": is_erased,
            "lists": _lists(standing),
            "entries": [
                proofs.of(index, leaf, private.parts.get(index) if is_full else None)
                for index, leaf, _entry in entries
            ],
            "documents": [proofs.of(index, leaf, None) for index, leaf in documents],
            "texts": texts,
            "messages": messages,
            "complete": delivery is None,
            "checkpoint": note,
            "vkey": runtime.signer.key.to_text(),
            "key": private.key.hex() if is_full and private.key else None,
        }
    return Pack(value, is_erased)


class _Proofs:
    """Entries as a pack holds them, each with the proof that it is in the log."""

    def __init__(self, session: Session, size: int) -> None:
        self._subtrees = tiles.subtrees(session)
        self._size = size

    def of(self, index: int, leaf: bytes, private: Mapping[str, Any] | None) -> dict[str, Any]:
        """Give one entry with its proof."""
        proof = inclusion_path(index, self._size, self._subtrees)
        return {
            "index": index,
            "leaf": leaf.decode(),
            "proof": [base64.b64encode(item).decode() for item in proof],
            "private": private,
        }


def _entries(session: Session, subject: str) -> Entries:
    found: Entries = []
    for _subject, index, leaf in replay.entries(session, [subject]):
        entry = parse(leaf)
        if isinstance(entry, ConsentEntry):
            found.append((index, leaf, entry))
    return found


def _about(entries: Entries, lists: Collection[str]) -> Entries:
    return [one for one in entries if one[2].list in {*lists, ALL_LISTS}]


def _named(entries: Entries) -> set[str]:
    """Return the hashes of all documents that entries name."""
    named = {entry.config for _index, _leaf, entry in entries}
    for _index, _leaf, entry in entries:
        named |= {one.sha256 for one in (entry.notice, entry.terms) if one is not None}
    return named


def _open(
    runtime: Runtime, session: Session, person: Subscriber | None, entries: Entries
) -> _Private:
    if person is None or not person.key_wrapped or not person.address_sealed:
        return _Private(parts={})
    try:
        key = runtime.keyring.unwrap(person.key_wrapped)
        address = open_address(key, person.channel, person.address_sealed)
    except InvalidTag:
        message = "This person's key cannot be opened: the master key is another one than it was."
        raise DatabaseMismatch(message) from None
    wanted = {index for index, *_ in entries}
    parts = {
        index: canonical.parse(open_text(key, sealed).encode())
        for index, sealed in evidence.sealed(session, person.id).items()
        if index in wanted
    }
    return _Private(key=key, address=address.wire, masked=address.masked, parts=parts)


def _texts(
    session: Session, person: Subscriber | None, private: _Private, *, is_full: bool
) -> list[dict[str, Any]]:
    """Return the texts behind the entries, and what was answered; other texts are nobody's business."""
    if person is None or private.key is None:
        return []
    causes: dict[str, list[int]] = {}
    for index, part in sorted(private.parts.items()):
        if isinstance(sid := part.get("sid"), str):
            causes.setdefault(sid, []).append(index)
    return [
        _text(one, private.key, causes[one.sid], is_full=is_full)
        for one in evidence.texts(session, person.id, list(causes))
    ]


def _text(one: Inbound, key: bytes, entries: Sequence[int], *, is_full: bool) -> dict[str, Any]:
    return {
        "sid": one.sid,
        "received": format_moment(one.received),
        "words": open_text(key, one.sealed) if is_full and one.sealed else None,
        "intent": one.intent,
        "rule": one.rule,
        "answers": json.loads(one.answers or "[]"),
        "entries": list(entries),
    }


def _messages(
    session: Session, person: Subscriber | None, delivery: int | None
) -> list[dict[str, Any]]:
    if person is None:
        return []
    sent = [
        one
        for one in frozen.of_person(session, person.id)
        if delivery is None or one.id == delivery
    ]
    bulletins = frozen.with_lists(session, sorted({one.bulletin_id for one in sent}))
    placed = allowing.of_subjects(session, [person.subject])[person.subject]
    return [_message(session, one, bulletins, placed) for one in sent]


def _message(
    session: Session, one: Sent, bulletins: Mapping[int, Any], placed: Iterable[Placed]
) -> dict[str, Any]:
    bulletin, item = bulletins[one.bulletin_id]
    return {
        "bulletin": one.bulletin_id,
        "list": item.slug,
        "text": bulletin.text,
        "delivery": one.id,
        "sid": one.sid,
        "entry": one.entry if allowing.was_handed_over(one) else None,
        "fault": allowing.judge(one, list(placed), item.slug),
        "handed": one.handed and format_moment(one.handed),
        "state": one.state,
        "reason": one.reason,
        "error_code": one.error_code,
        "statuses": [
            {
                "status": status.status,
                "error_code": status.error_code or None,
                "received": format_moment(status.received),
            }
            for status in frozen.statuses(session, one.id)
        ],
    }


def _lists(person: Person) -> list[dict[str, Any]]:
    return [
        {
            "list": name,
            "state": "in" if one.is_in else "out",
            "entry": one.entry,
            "since": format_moment(one.since),
        }
        for name, one in sorted(person.lists.items())
    ]


def _about_us(runtime: Runtime, now: datetime, *, is_full: bool) -> dict[str, Any]:
    organisation = runtime.settings.organisation
    return {
        "organisation": organisation.name,
        "contact": organisation.contact,
        "made": format_moment(now),
        "is_masked": not is_full,
        "verify": "python -m broadcaster.ledger verify FILE --vkey KEY",
    }


def _checkpoint(runtime: Runtime, index: int) -> tuple[str, int]:
    """Return the newest checkpoint and its size; sign one if an entry is newer than all."""
    with runtime.reading() as session:
        latest = ledger.latest_checkpoint(session)
    if latest is None or latest.size <= index:
        note = runtime.run(lambda session: audit.checkpoint(session, runtime))[1]
    else:
        note = latest.note.encode()
    return note.decode(), open_checkpoint(note, runtime.signer.key).size
