"""Writing consent down: one ledger entry per change, its private evidence, and the projection."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from broadcaster.core.consent import Change
from broadcaster.core.errors import KeyGone
from broadcaster.core.folding import ENDS_ALL
from broadcaster.core.keytable import KEY_BYTES
from broadcaster.core.sealing import seal_text
from broadcaster.ledger import canonical
from broadcaster.ledger.entry import (
    ALL_LISTS,
    Channel,
    ConsentEntry,
    Event,
    Method,
    NoticeReference,
    State,
    evidence_commitment,
)
from broadcaster.runtime import Runtime
from broadcaster.services import documents
from broadcaster.storage import deliveries, ledger, people
from broadcaster.storage.models import BroadcastList, Evidence, Notice, Subscriber

PURPOSE = "news-bulletin"
BASIS = "GDPR-6-1-a"
VALIDITY = "until-withdrawn"


#: Who acts at the command line, whoever that is; imports of earlier versions call them ``cli``.
OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person, or the provider, did.

    Args:
        subscriber: whose consent it concerns; the row is locked.
        method: how we got to know.
        rule: id and version of the rule that decided.
        actor: ``subject``, ``provider``, ``system``, ``operator``, or the id of a user, ``user-1``.
        evidence: the private part: addresses, words, the webhook's fields.
        occurred: when the person acted.
        reason: why, where somebody acts for the person; it must not tell who they are.
    """

    subscriber: Subscriber
    method: Method
    rule: str
    actor: str
    evidence: Mapping[str, object]
    occurred: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A list, the notice that its people are told, and which hashes count as having accepted it.

    Who accepted the newest version in another language has accepted it.
    """

    list: BroadcastList
    notice: Notice | None
    accepted: frozenset[str]


def record(
    session: Session,
    runtime: Runtime,
    act: Act,
    changes: Sequence[Change],
    targets: Mapping[str, Target],
) -> None:
    """Append an entry for each change and project it onto the subscriptions.

    Args:
        session: an open transaction that holds the subscriber's lock.
        runtime: keys and settings.
        act: what happened.
        changes: what it changes, in order.
        targets: for each keyword that a change names, the list and its notice.
    """
    now = runtime.clock.now()
    # What is queued is taken back first: everybody locks deliveries before the ledger.
    for change in changes:
        _withdraw(session, act.subscriber, change, targets, now)
    config = documents.log_register_entry(session, runtime.settings.organisation, now)
    key = _key_of(runtime, act.subscriber)
    private = canonical.encode(act.evidence).decode()
    commitment = evidence_commitment(key, act.evidence)
    for change in changes:
        target = None if change.list == ALL_LISTS else targets[change.list]
        entry = _entry(act, change, target, config=config, commitment=commitment, now=now)
        index = ledger.append(session, [ledger.Leaf(entry.to_bytes(), act.subscriber.subject)], now)
        act.subscriber.last_entry = index
        session.add(
            Evidence(entry=index, subscriber_id=act.subscriber.id, sealed=seal_text(key, private))
        )
        _project(session, act.subscriber, change, target, index=index, now=now)
    session.flush()


def _key_of(runtime: Runtime, subscriber: Subscriber) -> bytes:
    """Open a person's key; where it has vanished, what is committed to is never shown either."""
    try:
        return runtime.keyring.unwrap(subscriber.key_wrapped)
    except KeyGone:
        return os.urandom(KEY_BYTES)


def _entry(
    act: Act,
    change: Change,
    target: Target | None,
    *,
    config: str,
    commitment: str,
    now: datetime,
) -> ConsentEntry:
    return ConsentEntry(
        id=str(uuid.uuid4()),
        subject=act.subscriber.subject,
        event=change.event,
        state=change.state,
        list=target.list.slug if target else ALL_LISTS,
        purpose=PURPOSE,
        basis=BASIS,
        channel=Channel(act.subscriber.channel),
        method=act.method,
        rule=act.rule,
        occurred=act.occurred,
        recorded=now,
        validity=VALIDITY,
        notice=_reference(target),
        terms=None,
        config=config,
        actor=act.actor,
        reason=act.reason,
        prev=act.subscriber.last_entry,
        evidence=commitment,
    )


def _reference(target: Target | None) -> NoticeReference | None:
    if target is None or target.notice is None:
        return None
    notice = target.notice
    return NoticeReference(
        id=target.list.slug, version=notice.version, sha256=notice.sha256, lang=notice.language
    )


def _withdraw(
    session: Session,
    subscriber: Subscriber,
    change: Change,
    targets: Mapping[str, Target],
    now: datetime,
) -> None:
    if change.event in ENDS_ALL:
        deliveries.withdraw(session, subscriber.id, None, now)
    elif change.list != ALL_LISTS and change.state is not State.GIVEN:
        deliveries.withdraw(session, subscriber.id, targets[change.list].list.id, now)


def _project(
    session: Session,
    subscriber: Subscriber,
    change: Change,
    target: Target | None,
    *,
    index: int,
    now: datetime,
) -> None:
    """Fold one entry into the subscriptions."""
    if target is not None:
        given = change.state is State.GIVEN
        people.set_subscription(
            session,
            subscriber_id=subscriber.id,
            list_id=target.list.id,
            state="in" if given else "out",
            entry=index,
            notice=target.notice.sha256 if given and target.notice else None,
            now=now,
        )
        if given:
            subscriber.stopped_at = None
    elif change.event is Event.RESTART:
        subscriber.stopped_at = None
    elif change.event in ENDS_ALL:
        subscriber.stopped_at = now
        people.end_all_subscriptions(session, subscriber.id, entry=index, now=now)
