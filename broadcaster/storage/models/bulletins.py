"""Bulletins, their deliveries, and every status callback that came for one."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime

# The conditions of the partial indexes. A query has to repeat one word for word: SQLite does not see
# that a parameter makes it true, and would look through all deliveries.
_QUEUED = "state = 'queued'"
_UNDER_WAY = "state IN ('claimed', 'handed_over', 'unknown')"
_OF_PERSON = "state IN ('queued', 'claimed', 'handed_over')"
#: Before every clock: what waits from here may go at once, also when the clock is set back.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
IS_QUEUED = text(f"deliveries.{_QUEUED}")
IS_UNDER_WAY = text(f"deliveries.{_UNDER_WAY}")
IS_OF_PERSON = text(f"deliveries.{_OF_PERSON}")


def _partial(*columns: str, name: str, where: str) -> Index:
    """An index of the few rows that are still under way, so that the many that are done cost nothing."""
    condition: ColumnElement[bool] = text(where)  # type: ignore[assignment] # the same in both dialects
    return Index(
        f"ix_deliveries_{name}", *columns, sqlite_where=condition, postgresql_where=condition
    )


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
    # How many entries the ledger had when the audience was frozen, and on which channels it was: what
    # the audience can be derived from again. Null for one that an earlier version froze.
    ledger_size: Mapped[int | None] = mapped_column(BigInteger)
    channels: Mapped[str | None] = mapped_column(String(40))
    not_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    held_reason: Mapped[str | None] = mapped_column(String(16))
    held_code: Mapped[int | None]
    failures_excused: Mapped[int] = mapped_column(default=0, server_default="0")
    uncertain_excused: Mapped[int] = mapped_column(default=0, server_default="0")
    compared: Mapped[datetime | None] = mapped_column(UtcDateTime)
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"), index=True)
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
        _partial(
            *("bulletin_id", "sender_id", "not_before", "id"),
            name="queued",
            where=_QUEUED,
        ),
        _partial(
            *("state", "bulletin_id", "id"),
            name="under_way",
            where=_UNDER_WAY,
        ),
        _partial(
            "subscriber_id",
            name="of_person",
            where=_OF_PERSON,
        ),
        _partial("sid", name="sid", where="sid IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    bulletin_id: Mapped[int] = mapped_column(ForeignKey("bulletins.id"))
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    sender_id: Mapped[int] = mapped_column(ForeignKey("senders.id"))
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(32))
    entry: Mapped[int | None] = mapped_column(BigInteger)
    attempt: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(36))
    claimed: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease: Mapped[datetime | None] = mapped_column(UtcDateTime)
    handed: Mapped[datetime | None] = mapped_column(UtcDateTime)
    looked: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it was last queued again though the provider may have a message of it.
    repeated: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sid: Mapped[str | None] = mapped_column(String(34))
    error_code: Mapped[int | None]
    changed: Mapped[datetime] = mapped_column(UtcDateTime)


class Tally(Base):
    """A difference in how many deliveries of a bulletin stand where; the sum is the count.

    Differences are only added, so that no two writers wait for one row; now and then they are
    folded into one. Until a delivery has an outcome it counts as queued. No foreign key: its check
    would lock the bulletin's row.
    """

    __tablename__ = "tallies"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    bulletin_id: Mapped[int] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(32))
    error_code: Mapped[int | None]
    n: Mapped[int]


class StatusEvent(Base):
    """A status callback as it came; the same one counts once."""

    __tablename__ = "status_events"
    __table_args__ = (UniqueConstraint("delivery_id", "sid", "status", "error_code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"))
    sid: Mapped[str] = mapped_column(String(34), index=True)
    status: Mapped[str] = mapped_column(String(20))
    error_code: Mapped[int] = mapped_column(default=0)
    received: Mapped[datetime] = mapped_column(UtcDateTime)


class Explained(Base):
    """A message in the provider's list that we know of, though no delivery carries its id.

    A second one of a delivery, or one that a comparison with that list found nothing for.
    """

    __tablename__ = "explained"

    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    reason: Mapped[str] = mapped_column(String(12))
    noted: Mapped[datetime] = mapped_column(UtcDateTime)
