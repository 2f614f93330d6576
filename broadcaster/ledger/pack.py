"""An evidence pack: everything about one person's consent in one JSON file, and its verification.

The entries and the documents they name are proven by the log. The private parts are bound to the
entries by commitments, which the subject's key in the pack opens: whoever gets key and private parts
knows who it is about and what they wrote. What a pack says of messages is the word of who made it;
that each names an entry which allowed it is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint
from broadcaster.ledger.entry import (
    ConsentEntry,
    DocumentEntry,
    Entry,
    State,
    evidence_commitment,
    parse,
)
from broadcaster.ledger.errors import MalformedKey, PackError
from broadcaster.ledger.fields import parse_moment
from broadcaster.ledger.keys import NoteKey, decode_base64, parse_vkey
from broadcaster.ledger.merkle import leaf_hash
from broadcaster.ledger.proof import verify_inclusion
from broadcaster.ledger.report import Report, carry_out

PACK_VERSION = "broadcaster/evidence/1"
MAX_PACK_BYTES = 256 * 1024 * 1024
"""A pack is read into memory; one of 10,000 entries has some 40 MB."""
_LONGEST_PROOF = 63
_KEY_DIGITS = 64


@dataclass(frozen=True, slots=True)
class _Proven:
    """A leaf of the pack: where it stands in the log, what it says, and its proof."""

    index: int
    leaf: bytes
    proof: Sequence[bytes]
    private: Mapping[str, object] | None


def verify_pack(data: bytes, vkey: NoteKey | None = None) -> Report:
    """Verify an evidence pack.

    Args:
        data: The pack.
        vkey: The log's key, got from somewhere else than the pack.

    Returns:
        The steps: pack, key, checkpoint, entries, history, documents, private parts, messages.
    """
    return _Verification(data, vkey).run()


class _Verification:
    """One run. Each step leaves behind what later steps need."""

    _pack: dict[str, Any]
    _key: NoteKey
    _head: Checkpoint
    _consents: dict[int, ConsentEntry]
    _private: dict[int, Mapping[str, object]]

    def __init__(self, data: bytes, vkey: NoteKey | None) -> None:
        self._data = data
        self._trusted = vkey

    def run(self) -> Report:
        checks: list[tuple[str, Callable[[], str]]] = [
            ("pack", self._read),
            ("key", self._check_key),
            ("checkpoint", self._check_checkpoint),
            ("entries", self._check_entries),
            ("history", self._check_history),
            ("documents", self._check_documents),
            ("private parts", self._check_private_parts),
            ("messages", self._check_messages),
        ]
        return carry_out(checks)

    def _read(self) -> str:
        self._pack = _parse(self._data)
        whole = "everything" if self._pack["complete"] else "one message"
        return f"about {whole} of subject {self._pack['subject']}"

    def _check_key(self) -> str:
        self._key = parse_vkey(self._pack["vkey"])
        if self._trusted is None:
            return (
                "taken from the pack itself, so this shows that the pack is consistent, not who "
                f"signed it; compare its fingerprint with the log's: {self._key.fingerprint}"
            )
        if self._trusted != self._key:
            message = (
                f"the pack's key ({self._key.fingerprint}) is not the one given "
                f"({self._trusted.fingerprint})"
            )
            raise MalformedKey(message)
        return f"the one given, fingerprint {self._key.fingerprint}"

    def _check_checkpoint(self) -> str:
        note = self._pack["checkpoint"].encode("utf-8", "surrogatepass")
        self._head = open_checkpoint(note, self._key)
        return f"signed by '{self._head.origin}', size {self._head.size}"

    def _check_entries(self) -> str:
        self._consents, self._private = {}, {}
        last = -1
        for one in map(_proven, self._pack["entries"]):
            if one.index <= last:
                message = f"entry {one.index} is out of order"
                raise PackError(message)
            last = one.index
            entry = self._prove(one)
            if not isinstance(entry, ConsentEntry) or entry.subject != self._pack["subject"]:
                message = f"entry {one.index} is not of this subject"
                raise PackError(message)
            self._consents[one.index] = entry
            if one.private is not None:
                self._private[one.index] = one.private
        return f"{len(self._consents)} entries, each of this subject and in the log that was signed"

    def _check_history(self) -> str:
        if not self._pack["complete"]:
            return "not asked for: the pack is about one message"
        before: int | None = None
        for index, entry in self._consents.items():
            if entry.prev != before:
                message = f"entry {index} names another entry before it than the pack has"
                raise PackError(message)
            before = index
        return "each entry names the one before it, from the first on; newer ones the pack cannot rule out"

    def _check_documents(self) -> str:
        logged: set[str] = set()
        for one in map(_proven, self._pack["documents"]):
            entry = self._prove(one)
            if not isinstance(entry, DocumentEntry):
                message = f"entry {one.index} is no document"
                raise PackError(message)
            logged.add(entry.sha256)
        for index, consent in self._consents.items():
            named = {consent.config}
            named |= {one.sha256 for one in (consent.notice, consent.terms) if one is not None}
            if missing := named - logged:
                message = (
                    f"entry {index} names the document {min(missing)}, which is not in the pack"
                )
                raise PackError(message)
        return f"{len(logged)}, each in the log, and every one that an entry names is among them"

    def _check_private_parts(self) -> str:
        if self._pack["key"] is None:
            if self._private:
                message = "there are private parts, and no key that binds them to their entries"
                raise PackError(message)
            return "none in it, and no key: what people wrote was masked, or has been erased"
        key = bytes.fromhex(self._pack["key"])
        for index, private in self._private.items():
            if evidence_commitment(key, private) != self._consents[index].evidence:
                message = f"the private part of entry {index} is not what the entry commits to"
                raise PackError(message)
        self._check_texts()
        left = len(self._consents) - len(self._private)
        return f"{len(self._private)}, each what its entry commits to" + (
            f"; of {left} entries there is none" if left else ""
        )

    def _check_texts(self) -> None:
        # No set: a private part may hold anything that JSON can.
        wrote = [
            (one.get("sid"), one.get("body"), one.get("button")) for one in self._private.values()
        ]
        for text in self._pack["texts"]:
            sid, words = _field(text, "sid", str), text.get("words")
            if words is not None and not any(
                sid == known and words in (body, button) for known, body, button in wrote
            ):
                message = "the words of a text are not those that an entry commits to"
                raise PackError(message)

    def _check_messages(self) -> str:
        count = 0
        for one in self._pack["messages"]:
            index, handed = _field(one, "entry", int, None), _field(one, "handed", str, None)
            if index is None:
                continue
            entry = self._consents.get(index)
            if entry is None or entry.state is not State.GIVEN or entry.list != one.get("list"):
                message = (
                    f"a message names entry {index}, which does not put this person on its list"
                )
                raise PackError(message)
            if handed is not None and entry.recorded > parse_moment("handed", handed):
                message = f"a message was handed over before entry {index}, which is to allow it"
                raise PackError(message)
            count += 1
        return f"{count} name an entry that put this person on their list; that they were sent is the maker's word"

    def _prove(self, one: _Proven) -> Entry:
        hashed = leaf_hash(one.leaf)
        verify_inclusion(one.index, self._head.size, hashed, one.proof, self._head.root)
        return parse(one.leaf)


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_PACK_BYTES:
        message = f"a pack has at most {MAX_PACK_BYTES:,} bytes"
        raise PackError(message)
    try:
        value = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        message = "a pack is JSON in UTF-8"
        raise PackError(message) from None
    if not isinstance(value, dict) or value.get("v") != PACK_VERSION:
        message = f"a pack is a JSON object whose 'v' is '{PACK_VERSION}'"
        raise PackError(message)
    for name in ("vkey", "checkpoint", "subject"):
        _field(value, name, str)
    for name in ("entries", "documents", "texts", "messages"):
        if not all(isinstance(item, dict) for item in _field(value, name, list)):
            message = f"'{name}' of a pack is a list of objects"
            raise PackError(message)
    _field(value, "complete", bool)
    key = _field(value, "key", str, None)
    if key is not None and (len(key) != _KEY_DIGITS or set(key) - set("0123456789abcdef")):
        message = f"'key' of a pack has {_KEY_DIGITS} hex digits"
        raise PackError(message)
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        message = "a key is named twice"
        raise PackError(message)
    return value


def _proven(value: dict[str, Any]) -> _Proven:
    proof = [
        decode_base64(item) if isinstance(item, str) else None
        for item in _field(value, "proof", list)
    ]
    found = [item for item in proof if item is not None]
    if len(found) != len(proof) or len(found) > _LONGEST_PROOF:
        message = "a proof is a list of at most 63 hashes in base64"
        raise PackError(message)
    try:
        leaf = _field(value, "leaf", str).encode("utf-8")
    except UnicodeEncodeError:
        message = "a leaf holds a lone surrogate, which is no character"
        raise PackError(message) from None
    private = _field(value, "private", dict, None)
    return _Proven(_field(value, "index", int), leaf, found, private)


def _field(value: Mapping[str, Any], name: str, kind: type, default: object = ...) -> Any:  # noqa: ANN401 - of the kind asked for
    found = value.get(name, default if default is not ... else None)
    if (found is None and default is None) or type(found) is kind:
        return found
    message = f"'{name}' in a pack is missing or of the wrong kind"
    raise PackError(message)
