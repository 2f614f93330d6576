"""Erasures: how far each is, what is taken out of the tables, and what the provider still holds."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, delete, func, select, update
from sqlalchemy.orm import Session

from broadcaster.core.delivery import WAITING, State
from broadcaster.core.erasure import Stage
from broadcaster.storage.forgotten import mark_of
from broadcaster.storage.hearing import ASKED
from broadcaster.storage.models import (
    Bulletin,
    CarrierBlock,
    Delivery,
    Erasure,
    Evidence,
    Explained,
    Inbound,
    LedgerEntry,
    Outreach,
    Removal,
    StatusEvent,
    Subscriber,
)
from broadcaster.storage.upsert import insert

_INDEX_BYTES = 32
_UNDECIDED = [State.HANDED_OVER.value, State.UNKNOWN.value]
_IS_ID = "XX%"


def begin(session: Session, subscriber: Subscriber, now: datetime) -> None:
    """Note that a person is to be forgotten. Their number leads to them no more from now on.

    Whoever writes from it is somebody new.
    """
    subscriber.erased_at = now
    subscriber.address_index = os.urandom(_INDEX_BYTES)
    session.add(
        Erasure(subscriber_id=subscriber.id, stage=Stage.STOPPED.value, begun=now, changed=now)
    )
    session.flush()


def lock(session: Session, subscriber_id: int) -> Erasure:
    """Return a person's erasure, locked until the transaction ends."""
    return session.execute(
        select(Erasure)
        .where(Erasure.subscriber_id == subscriber_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()


def get(session: Session, subscriber_id: int) -> Erasure | None:
    """Return a person's erasure, if there is one."""
    return session.get(Erasure, subscriber_id, populate_existing=True)


def unfinished(session: Session, limit: int) -> Sequence[int]:
    """Return whose erasures are not done, the one that was tried longest ago first."""
    return (
        session.execute(
            select(Erasure.subscriber_id)
            .where(Erasure.stage.in_([one.value for one in Stage if one is not Stage.DONE]))
            .order_by(Erasure.changed, Erasure.subscriber_id)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def last_contact(session: Session, subscriber_id: int) -> datetime | None:
    """Return when a person last wrote to us."""
    return session.execute(
        select(func.max(Inbound.received)).where(Inbound.subscriber_id == subscriber_id)
    ).scalar_one()


def is_undecided(session: Session, subscriber_id: int) -> bool:
    """Tell whether nobody knows yet what became of a request to this person."""
    query = select(Delivery.id).where(_of(subscriber_id), Delivery.state.in_(_UNDECIDED))
    return session.execute(query.limit(1)).first() is not None


def sids_of(session: Session, subscriber_id: int) -> set[str]:
    """Return the provider's ids of every message with this person that the tables know of."""
    of_deliveries = select(Delivery.id).where(_of(subscriber_id))
    queries = (
        select(Inbound.sid).where(Inbound.subscriber_id == subscriber_id, _is_id(Inbound.sid)),
        select(Inbound.answer_sid).where(
            Inbound.subscriber_id == subscriber_id,
            _is_id(Inbound.answer_sid),
            Inbound.answer_sid != ASKED,
        ),
        select(Delivery.sid).where(_of(subscriber_id), _is_id(Delivery.sid)),
        select(StatusEvent.sid).where(
            StatusEvent.delivery_id.in_(of_deliveries), _is_id(StatusEvent.sid)
        ),
    )
    found = {sid for query in queries for sid in session.execute(query).scalars()}
    return {sid for sid in found if sid is not None}


def _of(subscriber_id: int) -> ColumnElement[bool]:
    """Pick a person's deliveries, bulletin by bulletin: there is no index by person alone."""
    return and_(
        Delivery.bulletin_id.in_(select(Bulletin.id)), Delivery.subscriber_id == subscriber_id
    )


def _is_id(column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    return column.not_like(_IS_ID)


def note_removals(
    session: Session, subscriber_id: int, sids: Collection[str], now: datetime
) -> None:
    """Note messages that the provider is to delete; an erasure that was done goes on again."""
    if not sids:
        return
    session.execute(
        insert(session, Removal).on_conflict_do_nothing(index_elements=["sid"]),
        [
            {"sid": sid, "subscriber_id": subscriber_id, "attempts": 0, "not_before": now}
            for sid in sorted(sids)
        ],
    )
    session.execute(
        update(Erasure)
        .where(Erasure.subscriber_id == subscriber_id, Erasure.stage == Stage.DONE.value)
        .values(stage=Stage.CUT.value, changed=now)
    )


def blank(session: Session, subscriber: Subscriber) -> None:
    """Take everything out of the tables that is private; counts and the projection stay."""
    number = subscriber.id
    session.execute(delete(Evidence).where(Evidence.subscriber_id == number))
    session.execute(
        update(Inbound)
        .where(Inbound.subscriber_id == number)
        .values(sealed=None, answers=None, intent=None, rule=None, review=None)
        .execution_options(synchronize_session=False)
    )
    for table in (Outreach, CarrierBlock):
        session.execute(delete(table).where(table.subscriber_id == number))
    subscriber.address_sealed = subscriber.key_wrapped = b""
    subscriber.key_leaf = None
    subscriber.language = subscriber.guided_at = None
    subscriber.suspended_at = subscriber.suspended_code = None
    session.flush()


def due_removals(
    session: Session, subscriber_id: int, now: datetime, limit: int
) -> Sequence[Removal]:
    """Return messages of a person that the provider can be asked to delete now."""
    return (
        session.execute(
            select(Removal)
            .where(Removal.subscriber_id == subscriber_id, Removal.not_before <= now)
            .order_by(Removal.not_before, Removal.sid)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def put_off(session: Session, sid: str, until: datetime) -> None:
    """Ask again later for a message that could not be deleted."""
    session.execute(
        update(Removal)
        .where(Removal.sid == sid)
        .values(attempts=Removal.attempts + 1, not_before=until)
        .execution_options(synchronize_session=False)
    )


def forget_message(session: Session, sid: str) -> None:
    """Put marks in the place of the id of a message that the provider has deleted."""
    mark = mark_of(sid)
    changes = (
        update(Inbound).where(Inbound.sid == sid).values(sid=mark, subscriber_id=None),
        update(Inbound).where(Inbound.answer_sid == sid).values(answer_sid=mark),
        update(Delivery).where(Delivery.sid == sid).values(sid=mark),
        update(StatusEvent).where(StatusEvent.sid == sid).values(sid=mark),
        delete(Explained).where(Explained.sid == sid),
        delete(Removal).where(Removal.sid == sid),
    )
    for change in changes:
        session.execute(change.execution_options(synchronize_session=False))


def removals_left(session: Session, subscriber_id: int) -> int:
    """Count the messages of a person that the provider still holds."""
    return session.execute(
        select(func.count()).select_from(Removal).where(Removal.subscriber_id == subscriber_id)
    ).scalar_one()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """How much there is of a person.

    Args:
        entries: in the ledger.
        evidence: sealed records behind them.
        texts: that they sent us.
        deliveries: of bulletins, whatever became of them.
        waiting: those of them that wait to be sent.
        messages: whose ids at the provider we know.
    """

    entries: int
    evidence: int
    texts: int
    deliveries: int
    waiting: int
    messages: int


def holdings(session: Session, subscriber: Subscriber) -> Holdings:
    """Count what there is of a person."""

    def count(model: type, *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(model).where(*conditions)
        return int(session.execute(query).scalar_one())

    number = subscriber.id
    waiting = Delivery.state.in_([one.value for one in WAITING])
    return Holdings(
        entries=count(LedgerEntry, LedgerEntry.subject == subscriber.subject),
        evidence=count(Evidence, Evidence.subscriber_id == number),
        texts=count(Inbound, Inbound.subscriber_id == number),
        deliveries=count(Delivery, _of(number)),
        waiting=count(Delivery, _of(number), waiting),
        messages=len(sids_of(session, number)),
    )
