"""Bulletins, their deliveries, and every status callback that came for one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Bulletin(Base):
    """What an editor writes, and when it goes out. This row is the schedule."""

    __tablename__ = "bulletins"
    __table_args__ = (Index(None, "state", "starts_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12))
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    zone: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(default=1)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    audience: Mapped[int | None]
    held_code: Mapped[int | None]
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    changed: Mapped[datetime] = mapped_column(UtcDateTime)
    started: Mapped[datetime | None] = mapped_column(UtcDateTime)
    moved: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Delivery(Base):
    """Bulletin × subscriber: exactly one row, exactly one outcome."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("bulletin_id", "subscriber_id"),
        Index(None, "bulletin_id", "state", "id"),
        Index(None, "subscriber_id", "state"),
        Index(None, "state", "claimed"),
        Index(None, "sid"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    bulletin_id: Mapped[int] = mapped_column(ForeignKey("bulletins.id"))
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    sender_id: Mapped[int] = mapped_column(ForeignKey("senders.id"))
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(32))
    entry: Mapped[int | None] = mapped_column(BigInteger)
    attempt: Mapped[int] = mapped_column(default=0)
    claimed: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sid: Mapped[str | None] = mapped_column(String(34))
    error_code: Mapped[int | None]
    changed: Mapped[datetime] = mapped_column(UtcDateTime)


class StatusEvent(Base):
    """A status callback as it came; the same one counts once."""

    __tablename__ = "status_events"
    __table_args__ = (UniqueConstraint("delivery_id", "sid", "status", "error_code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"))
    sid: Mapped[str] = mapped_column(String(34))
    status: Mapped[str] = mapped_column(String(20))
    error_code: Mapped[int] = mapped_column(default=0)
    received: Mapped[datetime] = mapped_column(UtcDateTime)
