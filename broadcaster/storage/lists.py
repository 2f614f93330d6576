"""Lists, their senders and their notices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broadcaster.core.address import Address
from broadcaster.core.errors import NotFound
from broadcaster.storage.models import BroadcastList, ListSender, Notice, Sender
from broadcaster.storage.upsert import insert


def every(session: Session) -> Sequence[BroadcastList]:
    """Return all lists by name."""
    return session.execute(select(BroadcastList).order_by(BroadcastList.name)).scalars().all()


def by_keyword(session: Session, keyword: str) -> BroadcastList:
    """Return the list with this keyword, whatever its case.

    Raises:
        NotFound: there is none.
    """
    known = every(session)
    for item in known:
        # Compared here: SQLite's lower() knows only the letters of ASCII.
        if item.keyword.casefold() == keyword.casefold():
            return item
    names = ", ".join(item.keyword for item in known) or "none yet"
    message = f"There is no list {keyword!r}. Lists: {names}."
    raise NotFound(message)


def by_slug(session: Session, slug: str) -> BroadcastList | None:
    """Return the list with this public name in URLs, if there is one."""
    return session.execute(
        select(BroadcastList).where(BroadcastList.slug == slug)
    ).scalar_one_or_none()


def slug_of(session: Session, name: str) -> str:
    """Return the stable id of a list by its id or its keyword, whatever the case; else the name.

    A list that is not there any more is still in the ledger, by its id.
    """
    wanted = name.casefold()
    known = every(session)
    found = next((one for one in known if one.slug.casefold() == wanted), None)
    found = found or next((one for one in known if one.keyword.casefold() == wanted), None)
    return found.slug if found else name


def get_or_add_sender(session: Session, address: Address, now: datetime) -> Sender:
    """Return the sender at this address, making it known if it is new."""
    session.execute(
        insert(session, Sender)
        .values(channel=address.channel.value, address=address.value, created=now)
        .on_conflict_do_nothing(index_elements=["channel", "address"])
    )
    sender = find_sender(session, address)
    if sender is None:  # pragma: no cover - the insert above has just made it
        message = "The sender could not be stored."
        raise NotFound(message)
    return sender


def find_sender(session: Session, address: Address) -> Sender | None:
    """Return our own sender at this address, if it is one of ours."""
    return session.execute(
        select(Sender).where(
            Sender.channel == address.channel.value, Sender.address == address.value
        )
    ).scalar_one_or_none()


def is_own_number(session: Session, address: Address) -> bool:
    """Tell whether a number is one of ours on any channel."""
    return (
        session.execute(
            select(Sender.id).where(Sender.address == address.value).limit(1)
        ).scalar_one_or_none()
        is not None
    )


def senders(session: Session, list_id: int) -> Sequence[Sender]:
    """Return the senders that carry a list, WhatsApp last."""
    return (
        session.execute(
            select(Sender)
            .join(ListSender, ListSender.sender_id == Sender.id)
            .where(ListSender.list_id == list_id)
            .order_by(Sender.channel)
        )
        .scalars()
        .all()
    )


def open_on(session: Session, sender_id: int) -> Sequence[BroadcastList]:
    """Return the open lists that one sender carries, by keyword."""
    return (
        session.execute(
            select(BroadcastList)
            .join(ListSender, ListSender.list_id == BroadcastList.id)
            .where(ListSender.sender_id == sender_id, BroadcastList.is_open.is_(True))
            .order_by(BroadcastList.keyword)
        )
        .scalars()
        .all()
    )


def set_sender(session: Session, list_id: int, sender: Sender) -> None:
    """Let a sender carry a list on its channel, in place of any other."""
    session.execute(
        insert(session, ListSender)
        .values(list_id=list_id, channel=sender.channel, sender_id=sender.id)
        .on_conflict_do_update(index_elements=["list_id", "channel"], set_={"sender_id": sender.id})
    )


def notices(session: Session, list_id: int) -> dict[str, Notice]:
    """Return the newest notice of a list in each of its languages."""
    newest = (
        select(Notice.language, func.max(Notice.version).label("version"))
        .where(Notice.list_id == list_id)
        .group_by(Notice.language)
        .subquery()
    )
    rows = session.execute(
        select(Notice)
        .join(
            newest,
            (Notice.language == newest.c.language) & (Notice.version == newest.c.version),
        )
        .where(Notice.list_id == list_id)
    ).scalars()
    return {row.language: row for row in rows}


def next_notice_version(session: Session, list_id: int) -> int:
    """Return the version that the list's next notice gets."""
    highest = session.execute(
        select(func.max(Notice.version)).where(Notice.list_id == list_id)
    ).scalar_one()
    return (highest or 0) + 1
