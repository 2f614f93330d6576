"""What auditing leaves behind: how the last verification ended, and who took which export away."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Verification(Base):
    """The one row that says how the ledger's last verification ended.

    While ``broken`` is set nothing is sent; only a verification by a person that finds nothing
    takes it away.
    """

    __tablename__ = "verification"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    began: Mapped[datetime | None] = mapped_column(UtcDateTime)
    looked: Mapped[datetime | None] = mapped_column(UtcDateTime)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    erased: Mapped[int] = mapped_column(BigInteger, default=0)
    found: Mapped[int] = mapped_column(BigInteger, default=0)
    findings: Mapped[str] = mapped_column(Text, default="")
    broken: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Export(Base):
    """One export of the ledger: who took what, and the file while it is made or waits."""

    __tablename__ = "exports"
    __table_args__ = (Index(None, "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    form: Mapped[str] = mapped_column(String(8))
    chosen: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8))
    worker: Mapped[str | None] = mapped_column(String(36))
    lease: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    entries: Mapped[int | None] = mapped_column(BigInteger)
    length: Mapped[int | None] = mapped_column(BigInteger)
    file: Mapped[str | None] = mapped_column(String(80))
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)
