"""What the judge looks at: the provider's journal, read from its file, and plain records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from broadcaster.core.delivery import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to send, as the provider saw it.

    Args:
        arrived: when it came in.
        sender: from which of our numbers.
        to: for whom.
        body: the text.
        callback: where its statuses go, which names the delivery.
        sid: the id it got, if it was taken.
        accepted: whether it was taken.
        spoilt: whether the provider did something wrong with it, taken or not.
    """

    arrived: datetime
    sender: str
    to: str
    body: str
    callback: str
    sid: str | None
    accepted: bool
    spoilt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A text of a person, and when the product had answered it; None when it did not."""

    sent: datetime
    answered: datetime | None
    phone: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Everything the provider saw, in the order in which it happened."""

    requests: tuple[Request, ...] = ()
    texts: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a bulletin's audience, as the product's database has it.

    Args:
        delivery: its number.
        bulletin: whose audience.
        phone: the address.
        subject: the person's id in the ledger.
        state: where the product says it stands.
        reason: why, if it says so.
        entry: the ledger entry that it names as permission.
        intended: when the last attempt was decided, if there was one.
        sid: the provider's id, if known.
    """

    delivery: int
    bulletin: int
    phone: str
    subject: str
    state: State
    reason: str | None
    entry: int | None
    intended: datetime | None
    sid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulletin:
    """A bulletin, as the product's database has it.

    Args:
        number: its number.
        text: what it says; no other bulletin of the round says the same.
        state: where it stands.
        audience: how many people there were when it started.
        started: when it did.
        shown: how many deliveries the product's pages count in each state.
        held_for: why it was held, if it was.
    """

    number: int
    text: str
    state: str
    audience: int | None
    started: datetime | None
    shown: Mapping[State, int]
    held_for: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """An entry of the ledger: whose, whether it gives consent to the list, and since when."""

    index: int
    subject: str
    given: bool
    recorded: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything about a round that a verdict needs.

    Args:
        journal: what the provider saw.
        bulletins: what was to go out.
        members: the audiences.
        consents: the ledger, by index.
        ledger_fault: what the ledger's verifier says, if it is not content.
        died: the processes that ended by themselves.
        list_lag: seconds by which the provider's list was late.
    """

    journal: Journal
    bulletins: Sequence[Bulletin]
    members: Sequence[Member]
    consents: Mapping[int, Consent]
    ledger_fault: str | None = None
    died: Sequence[str] = ()
    list_lag: float = 0.0


def keep(evidence: Evidence, path: Path) -> None:
    """Write the evidence to a file, for whoever looks into a broken promise."""
    path.write_text(json.dumps(asdict(evidence), default=str, indent=1), encoding="utf-8")


def read_journal(path: Path) -> Journal:
    """Read the provider's journal; a line that is still being written does not count yet."""
    requests, texts = [], []
    for line in path.read_bytes().split(b"\n")[:-1]:
        entry = json.loads(line)
        if entry["kind"] == "create":
            requests.append(_request(entry))
        elif entry["kind"] == "inbound":
            texts.append(_said(entry))
    requests.sort(key=lambda one: one.arrived)
    texts.sort(key=lambda one: one.sent)
    return Journal(requests=tuple(requests), texts=tuple(texts))


def _request(entry: Mapping[str, Any]) -> Request:
    return Request(
        arrived=datetime.fromisoformat(entry["time"]),
        sender=entry.get("from") or "",
        to=entry.get("to") or "",
        body=entry.get("body") or "",
        callback=entry.get("status_callback") or "",
        sid=entry.get("sid"),
        accepted=entry["outcome"] == "accepted",
        spoilt=entry.get("fault") is not None,
    )


def _said(entry: Mapping[str, Any]) -> Said:
    answered = entry["answered_at"] if entry.get("http_status") == HTTPStatus.OK else None
    return Said(
        sent=datetime.fromisoformat(entry["time"]),
        answered=datetime.fromisoformat(answered) if answered else None,
        phone=entry["from"],
        body=entry["body"],
    )
