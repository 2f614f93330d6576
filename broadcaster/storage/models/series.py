"""Bulletins that come again: the series, and each of its moments, once for ever."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Series(Base):
    """A bulletin that comes again: when, with which text, and how far ahead it is planned."""

    __tablename__ = "series"
    __table_args__ = (Index(None, "plan_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text)
    made_as: Mapped[str] = mapped_column(
        String(9)
    )  # scheduled: the same text each time; draft: one to finish
    period: Mapped[str] = mapped_column(String(4))  # day, week
    every: Mapped[int]
    weekdays: Mapped[str] = mapped_column(String(7))  # ISO: 12345 is Monday to Friday
    local_time: Mapped[time]
    zone: Mapped[str] = mapped_column(String(64))
    gap: Mapped[str] = mapped_column(String(5))  # skip, after
    overlap: Mapped[str] = mapped_column(String(6))  # first, second
    first_date: Mapped[date]
    last_date: Mapped[date | None]
    # Everything before it has been planned; the next expansion begins here.
    planned_until: Mapped[datetime] = mapped_column(UtcDateTime)
    # When there is something to plan again; null: never (it has ended, or its last date is planned).
    plan_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    changed: Mapped[datetime] = mapped_column(UtcDateTime)
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Occurrence(Base):
    """One local date and time of a series: planned once, for ever; without a bulletin it was missed."""

    __tablename__ = "occurrences"

    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), primary_key=True)
    local_date: Mapped[date] = mapped_column(primary_key=True)
    local_time: Mapped[time] = mapped_column(primary_key=True)
    # Null: the clock jumped over it and the editor chose to skip it.
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Null: skipped, or it passed while nothing was running.
    bulletin_id: Mapped[int | None] = mapped_column(ForeignKey("bulletins.id"), unique=True)
