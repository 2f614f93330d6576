"""Senders, lists, and the versioned notice of what people on a list are told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Sender(Base):
    """One of our own numbers on one channel."""

    __tablename__ = "senders"
    __table_args__ = (UniqueConstraint("channel", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(140))
    rate: Mapped[float | None]
    daily_limit: Mapped[int | None]
    created: Mapped[datetime] = mapped_column(UtcDateTime)


class BroadcastList(Base):
    """A broadcast list that people join and leave by its keyword."""

    __tablename__ = "lists"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    keyword: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    language: Mapped[str] = mapped_column(String(2))
    zone: Mapped[str] = mapped_column(String(64))
    is_open: Mapped[bool] = mapped_column(default=True)
    created: Mapped[datetime] = mapped_column(UtcDateTime)


class ListSender(Base):
    """Which sender carries a list on a channel: at most one each."""

    __tablename__ = "list_senders"

    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("senders.id"), index=True)


class Notice(Base):
    """One version, in one language, of what people on a list are told; never changed."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("list_id", "version", "language"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"))
    version: Mapped[int]
    language: Mapped[str] = mapped_column(String(2))
    sha256: Mapped[str] = mapped_column(ForeignKey("documents.sha256"))
    what: Mapped[str] = mapped_column(Text)
    frequency: Mapped[str] = mapped_column(Text)
    hours: Mapped[str] = mapped_column(Text)
    stored: Mapped[str] = mapped_column(Text)
    privacy_url: Mapped[str] = mapped_column(Text)
    response_time: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
