"""What all workers share while sending: each sender's pace, its daily limit, and what was heard."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Pacing(Base):
    """A sender's token bucket, and why it stands still if it does.

    ``next_slot`` is the moment, in seconds since 1970, from which the next message may go.
    """

    __tablename__ = "pacing"

    sender_id: Mapped[int] = mapped_column(ForeignKey("senders.id"), primary_key=True)
    next_slot: Mapped[float] = mapped_column(default=0.0)
    paused_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pushed_back: Mapped[int] = mapped_column(default=0)
    stopped_code: Mapped[int | None]


class Outreach(Base):
    """Whom we wrote to on WhatsApp outside their 24-hour window, and when last."""

    __tablename__ = "outreach"
    __table_args__ = (Index(None, "sender_id", "since"),)

    sender_id: Mapped[int] = mapped_column(ForeignKey("senders.id"), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)


class Hearing(Base):
    """How far the provider's list of texts to one of our numbers has been read."""

    __tablename__ = "hearing"

    sender_id: Mapped[int] = mapped_column(ForeignKey("senders.id"), primary_key=True)
    heard_until: Mapped[datetime] = mapped_column(UtcDateTime)
    looked: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Installation(Base):
    """The one row about this installation: its heartbeat, and what was learnt of the provider."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    beat: Mapped[int] = mapped_column(BigInteger, default=0)
    restored: Mapped[datetime | None] = mapped_column(UtcDateTime)
    slowest_listing: Mapped[float | None]
    # Since when somebody says that something else sends from our numbers, too.
    shared: Mapped[datetime | None] = mapped_column(UtcDateTime)
