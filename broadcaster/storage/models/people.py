"""People and what they asked for: subscribers, subscriptions, the texts they sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.core.sealing import leaf_of
from broadcaster.storage.models.base import Base, UtcDateTime


def _leaf(context: Any) -> int | None:  # noqa: ANN401 - SQLAlchemy's own
    return leaf_of(context.get_current_parameters()["key_wrapped"])


class Subscriber(Base):
    """A person at an address. The address is sealed; the index finds it without opening it.

    Of somebody who was erased a stub is left, for the counts: no address, no key, and an index
    that is 32 random bytes.
    """

    __tablename__ = "subscribers"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(32), unique=True)
    channel: Mapped[str] = mapped_column(String(16))
    address_index: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    address_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    # Under which leaf of the key table's tree the key is wrapped, to find who shares it.
    key_leaf: Mapped[int | None] = mapped_column(default=_leaf, index=True)
    language: Mapped[str | None] = mapped_column(String(2))
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    suspended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    suspended_code: Mapped[int | None]
    # So many bulletins in a row did not reach them; their next one, or a word of theirs, ends it.
    unreached: Mapped[int] = mapped_column(default=0, server_default="0")
    guided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_entry: Mapped[int | None] = mapped_column(BigInteger)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CarrierBlock(Base):
    """The provider itself blocks this person on this sender; only START there lifts it."""

    __tablename__ = "carrier_blocks"

    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("senders.id"), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)


class Subscription(Base):
    """Subscriber × list, as the ledger's entries leave it: a projection, never the truth."""

    __tablename__ = "subscriptions"
    __table_args__ = (Index(None, "list_id", "state", "subscriber_id"),)

    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    entry: Mapped[int] = mapped_column(BigInteger)
    notice: Mapped[str | None] = mapped_column(String(64))
    since: Mapped[datetime] = mapped_column(UtcDateTime)


class Inbound(Base):
    """A text that came in. Its sid is unique for ever: one message has one effect and one answer."""

    __tablename__ = "inbound"
    __table_args__ = (Index(None, "review", "received"),)

    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    received: Mapped[datetime] = mapped_column(UtcDateTime)
    sender_id: Mapped[int | None] = mapped_column(ForeignKey("senders.id"))
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscribers.id"), index=True)
    intent: Mapped[str | None] = mapped_column(String(24))
    rule: Mapped[str | None] = mapped_column(String(80))
    review: Mapped[str | None] = mapped_column(String(24))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    answers: Mapped[str | None] = mapped_column(Text)
    answer_sid: Mapped[str | None] = mapped_column(String(34), index=True)
