"""Forgetting people: how far each erasure is, what the provider still holds, whom no import may add."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Erasure(Base):
    """One person who is to be forgotten, and how far that is; it only goes on, never back."""

    __tablename__ = "erasures"

    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(12), index=True)
    begun: Mapped[datetime] = mapped_column(UtcDateTime)
    changed: Mapped[datetime] = mapped_column(UtcDateTime)
    # What kept it from going on when it was last tried: a word, never a number or a text.
    trouble: Mapped[str | None] = mapped_column(String(40))
    # What must vanish from the key table: the leaf up to this version, the index up to this epoch.
    leaf: Mapped[int | None]
    leaf_version: Mapped[int | None]
    epoch: Mapped[int | None]


class Removal(Base):
    """A message of somebody who was erased that the provider still holds: to be deleted there."""

    __tablename__ = "removals"

    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class KeyState(Base):
    """The one row that says which key table the database goes with; without a name: with any."""

    __tablename__ = "key_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(16))
    generation: Mapped[int]
    # Of the index that new people are written under.
    epoch: Mapped[int]


class Suppression(Base):
    """A number that no import may put on a list: a keyed hash of it, why, and since which month.

    It names no subject, and no exact moment that an entry of the ledger could be found by.
    """

    __tablename__ = "suppressions"

    mark: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    event: Mapped[str] = mapped_column(String(24))
    since: Mapped[date] = mapped_column(Date)
