"""How far the provider's list of texts has been read, and which of them we have."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from broadcaster.storage.forgotten import known_as
from broadcaster.storage.models import Hearing, Inbound, Sender, Subscriber
from broadcaster.storage.upsert import insert

#: An answer was asked for; the provider's id of it is not known, or not yet.
ASKED = ""


def senders(session: Session, sender_ids: Collection[int] | None = None) -> list[Sender]:
    """Return some of our numbers, or all."""
    query = select(Sender).order_by(Sender.id)
    if sender_ids is not None:
        query = query.where(Sender.id.in_(sender_ids))
    return list(session.execute(query).scalars())


def heard_until(session: Session, sender_id: int) -> datetime | None:
    """Return when the newest text was sent that was applied from the list; None at first."""
    return session.execute(
        select(Hearing.heard_until).where(Hearing.sender_id == sender_id)
    ).scalar_one_or_none()


def note_heard(session: Session, sender_id: int, until: datetime, now: datetime) -> None:
    """Note that everything in the list up to a text has been applied."""
    values = {"heard_until": until, "looked": now, "failed": None}
    session.execute(
        insert(session, Hearing)
        .values(sender_id=sender_id, **values)
        .on_conflict_do_update(index_elements=["sender_id"], set_=values)
    )


def note_failed(session: Session, sender_id: int, since: datetime, now: datetime) -> None:
    """Note that the list could not be read, from which moment it has to be, if it never was."""
    session.execute(
        insert(session, Hearing)
        .values(sender_id=sender_id, heard_until=since, failed=now)
        .on_conflict_do_update(index_elements=["sender_id"], set_={"failed": now})
    )


def unheard(session: Session, sender_ids: Collection[int], since: datetime) -> list[int]:
    """Return those of our numbers whose list was not read since a moment, or failed last."""
    rows = session.execute(select(Hearing).where(Hearing.sender_id.in_(sender_ids))).scalars()
    heard = {
        row.sender_id
        for row in rows
        if row.looked is not None and row.looked >= since and row.failed is None
    }
    return sorted(set(sender_ids) - heard)


def unseen(session: Session, sids: Collection[str]) -> set[str]:
    """Return which texts were never taken in."""
    written = known_as(sids)
    known = session.execute(select(Inbound.sid).where(Inbound.sid.in_(written))).scalars()
    return set(sids) - {written[one] for one in known}


def take_answer(session: Session, sid: str, *, is_asked: bool) -> None:
    """Take a text's answer from its webhook, should that come late: it is given otherwise, or not.

    Args:
        session: the transaction that applied the text.
        sid: which text.
        is_asked: the answer is going to be asked for.
    """
    session.execute(
        update(Inbound)
        .where(Inbound.sid == sid)
        .values(answers=json.dumps([]), answer_sid=ASKED if is_asked else None)
        .execution_options(synchronize_session=False)
    )


def author_of(session: Session, sid: str) -> Subscriber | None:
    """Return who wrote a text, if that is known."""
    return session.execute(
        select(Subscriber)
        .join(Inbound, Inbound.subscriber_id == Subscriber.id)
        .where(Inbound.sid == sid)
    ).scalar_one_or_none()


def note_answer(session: Session, sid: str, answer_sid: str | None) -> None:
    """Note the provider's id of an answer; None if there was none after all."""
    session.execute(
        update(Inbound)
        .where(Inbound.sid == sid)
        .values(answer_sid=answer_sid)
        .execution_options(synchronize_session=False)
    )


def is_answer_asked(session: Session, subscriber_id: int) -> bool:
    """Tell whether an answer to this person was asked for whose id is not known."""
    return (
        session.execute(
            select(Inbound.sid)
            .where(Inbound.subscriber_id == subscriber_id, Inbound.answer_sid == ASKED)
            .limit(1)
        ).first()
        is not None
    )
