"""What the log holds: consent entries, and the documents they refer to.

A leaf is the canonical JSON of an entry. It carries no direct identifier of a person: the subject
is a random number, and what the person wrote is only committed to (`evidence_commitment`), so that
erasing the key and the private part later leaves every root and proof as it was.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from broadcaster.ledger import canonical
from broadcaster.ledger.errors import CanonicalError, EntryError
from broadcaster.ledger.fields import (
    LANGUAGE,
    NAME,
    REASON,
    SHA256,
    SUBJECT,
    UUID4,
    VALIDITY,
    check_form,
    check_integer,
    check_moment,
    format_moment,
    parse_moment,
)
from broadcaster.ledger.words import Channel, DocumentKind, Event, Method, State

__all__ = [
    "ALL_LISTS",
    "CONSENT_VERSION",
    "DOCUMENT_VERSION",
    "EVIDENCE_KEY_BYTES",
    "MAX_LEAF_BYTES",
    "Channel",
    "ConsentEntry",
    "DocumentEntry",
    "DocumentKind",
    "Entry",
    "Event",
    "Method",
    "NoticeReference",
    "State",
    "TermsReference",
    "commit_to",
    "document_hash",
    "evidence_commitment",
    "parse",
]

CONSENT_VERSION = "broadcaster/consent/1"
DOCUMENT_VERSION = "broadcaster/document/1"
MAX_LEAF_BYTES = 65_535
"""The length prefix of a leaf in C2SP tlog-tiles has two bytes."""
ALL_LISTS = "*"
EVIDENCE_KEY_BYTES = 32
_EVIDENCE_DOMAIN = b"broadcaster/evidence/1\x00"
EVENTS_WITH_REASON = frozenset({Event.IMPORT, Event.ADMIN_OPT_OUT, Event.CORRECTION})
METHODS_WITH_REASON = frozenset({Method.ADMIN, Method.IMPORT})
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeReference:
    """The exact text a person was shown: which notice, which version, in which language."""

    id: str
    version: int
    sha256: str
    lang: str

    def __post_init__(self) -> None:
        check_form("notice.id", self.id, NAME)
        check_integer("notice.version", self.version, least=1)
        check_form("notice.sha256", self.sha256, SHA256)
        check_form("notice.lang", self.lang, LANGUAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsReference:
    """The terms a person agreed to or refused."""

    version: int
    sha256: str

    def __post_init__(self) -> None:
        check_integer("terms.version", self.version, least=1)
        check_form("terms.sha256", self.sha256, SHA256)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEntry:
    """One event in the history of a person's consent.

    Attributes:
        id: Random UUIDv4 of this record.
        subject: Random 128-bit id of the person, 32 hex digits.
        event: What happened.
        state: How consent stands for this list after it.
        list: Stable id of the list, or "*" for all.
        purpose: For example "news-bulletin".
        basis: Legal basis, for example "GDPR-6-1-a".
        channel: Where it happened.
        method: How the person let us know.
        rule: Id and version of the rule that decided, also where that is a procedure of people.
        occurred: When the person acted, by the provider's clock.
        recorded: When we wrote it.
        validity: ISO 8601 duration, or "until-withdrawn".
        notice: The text the person was shown, if any.
        terms: The terms concerned, if any.
        config: SHA-256 of the register entry in force.
        actor: "subject", "provider", "system", "operator" (some imports say "cli"), or the id of a
            user, "user-1".
        reason: Why; required where people act for the person. Must not identify anyone.
        prev: Index of this subject's previous entry.
        evidence: What `evidence_commitment` gave.

    Raises:
        EntryError: a field has not the form it must have.
    """

    id: str
    subject: str
    event: Event
    state: State
    list: str
    purpose: str
    basis: str
    channel: Channel
    method: Method
    rule: str
    occurred: datetime
    recorded: datetime
    validity: str
    notice: NoticeReference | None
    terms: TermsReference | None
    config: str
    actor: str
    reason: str | None
    prev: int | None
    evidence: str

    def __post_init__(self) -> None:
        check_form("id", self.id, UUID4)
        check_form("subject", self.subject, SUBJECT)
        for name in ("list", "purpose", "basis", "rule", "actor"):
            check_form(name, getattr(self, name), NAME)
        check_moment("occurred", self.occurred)
        check_moment("recorded", self.recorded)
        check_form("validity", self.validity, VALIDITY)
        check_form("config", self.config, SHA256)
        check_form("evidence", self.evidence, SHA256)
        if self.prev is not None:
            check_integer("prev", self.prev, least=0)
        self._check_reason()

    def _check_reason(self) -> None:
        needed = self.event in EVENTS_WITH_REASON or self.method in METHODS_WITH_REASON
        if self.reason is not None or needed:
            check_form("reason", self.reason, REASON)

    def to_bytes(self) -> bytes:
        """Give the leaf.

        Raises:
            EntryError: it would be longer than 65,535 bytes, or holds what JSON cannot.
        """
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        value |= {
            "v": CONSENT_VERSION,
            "occurred": format_moment(self.occurred),
            "recorded": format_moment(self.recorded),
            "notice": self.notice and _reference(self.notice),
            "terms": self.terms and _reference(self.terms),
        }
        return _leaf(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry:
    """A notice, terms or the register of processing, logged once with its full text.

    Attributes:
        id: Random UUIDv4 of this record.
        kind: What it is.
        sha256: SHA-256 of the text in UTF-8.
        text: The text.
        recorded: When we wrote it.

    Raises:
        EntryError: a field has not the form it must have, or the hash is not the text's.
    """

    id: str
    kind: DocumentKind
    sha256: str
    text: str
    recorded: datetime

    def __post_init__(self) -> None:
        check_form("id", self.id, UUID4)
        check_form("sha256", self.sha256, SHA256)
        check_moment("recorded", self.recorded)
        if document_hash(self.text) != self.sha256:
            message = "the field 'sha256' is not the hash of the text"
            raise EntryError(message)

    def to_bytes(self) -> bytes:
        """Give the leaf.

        Raises:
            EntryError: it would be longer than 65,535 bytes.
        """
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        value |= {"v": DOCUMENT_VERSION, "recorded": format_moment(self.recorded)}
        return _leaf(value)


Entry = ConsentEntry | DocumentEntry


def parse(leaf: bytes) -> Entry:
    """Read a leaf, and refuse everything that `to_bytes` would not have written.

    Raises:
        EntryError: it is too long, of an unknown version, or a field is missing, unknown, of the
            wrong type or of the wrong form.
        CanonicalError: it is not canonical JSON.
    """
    _check_leaf_length(leaf)
    value = canonical.parse(leaf)
    if not isinstance(value, dict):
        message = "an entry is a JSON object"
        raise EntryError(message)
    version = value.pop("v", None)
    if version == CONSENT_VERSION:
        return _consent_entry(value)
    if version == DOCUMENT_VERSION:
        return _document_entry(value)
    message = "the entry is of a version unknown here; a newer verifier may know it"
    raise EntryError(message)


def document_hash(text: str) -> str:
    """Give the hash by which entries name a document: SHA-256 of its UTF-8 bytes, in hex.

    Raises:
        EntryError: the text holds a lone surrogate, which is no character.
    """
    try:
        return hashlib.sha256(text.encode("utf-8")).hexdigest()
    except UnicodeEncodeError as error:
        message = "the text holds a lone surrogate, which is no character"
        raise EntryError(message) from error


def evidence_commitment(key: bytes, private: Mapping[str, object]) -> str:
    """Commit to the private part of an entry, so that it can be shown later or erased for ever.

    Args:
        key: The subject's own key, 32 random bytes. Without it nobody can try out phone numbers.
        private: Address, words and ids that must not be in the log, as JSON values.

    Returns:
        Hex HMAC-SHA-256 over "broadcaster/evidence/1", a zero byte, and the canonical JSON.

    Raises:
        EntryError: the key is too short.
        CanonicalError: the private part is not JSON.
    """
    if len(key) != EVIDENCE_KEY_BYTES:
        message = f"the key of a subject has {EVIDENCE_KEY_BYTES} bytes"
        raise EntryError(message)
    return commit_to(key, canonical.encode(private))


def commit_to(key: bytes, private: bytes) -> str:
    """Commit to a private part that is canonical JSON already.

    Args:
        key: The subject's own key, 32 random bytes.
        private: The canonical bytes.
    """
    return hmac.digest(key, _EVIDENCE_DOMAIN + private, "sha256").hex()


def _reference(value: NoticeReference | TermsReference) -> dict[str, object]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _leaf(value: Mapping[str, object]) -> bytes:
    try:
        leaf = canonical.encode(value)
    except CanonicalError as error:
        message = f"the entry cannot be written: {error}"
        raise EntryError(message) from error
    _check_leaf_length(leaf)
    return leaf


def _check_leaf_length(leaf: bytes) -> None:
    if len(leaf) > MAX_LEAF_BYTES:
        message = f"an entry has at most {MAX_LEAF_BYTES:,} bytes, not {len(leaf):,}"
        raise EntryError(message)


def _check_names(what: str, value: object, kind: type) -> dict[str, Any]:
    expected = {field.name for field in fields(kind)}
    if not isinstance(value, dict) or value.keys() != expected:
        message = f"{what} must have exactly these fields: {', '.join(sorted(expected))}"
        raise EntryError(message)
    return value


def _member(name: str, value: object, kind: type[_Word]) -> _Word:
    try:
        return kind(str(value))
    except ValueError as error:
        message = f"the field '{name}' has a value unknown here"
        raise EntryError(message) from error


def _consent_entry(value: dict[str, Any]) -> ConsentEntry:
    _check_names("a consent entry", value, ConsentEntry)
    notice, terms = value["notice"], value["terms"]
    value |= {
        "event": _member("event", value["event"], Event),
        "state": _member("state", value["state"], State),
        "channel": _member("channel", value["channel"], Channel),
        "method": _member("method", value["method"], Method),
        "occurred": parse_moment("occurred", value["occurred"]),
        "recorded": parse_moment("recorded", value["recorded"]),
    }
    if notice is not None:
        value["notice"] = NoticeReference(**_check_names("a notice", notice, NoticeReference))
    if terms is not None:
        value["terms"] = TermsReference(**_check_names("terms", terms, TermsReference))
    return ConsentEntry(**value)


def _document_entry(value: dict[str, Any]) -> DocumentEntry:
    _check_names("a document entry", value, DocumentEntry)
    if not isinstance(value["text"], str):
        message = "the field 'text' must be a string"
        raise EntryError(message)
    value |= {
        "kind": _member("kind", value["kind"], DocumentKind),
        "recorded": parse_moment("recorded", value["recorded"]),
    }
    return DocumentEntry(**value)
