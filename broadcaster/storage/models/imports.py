"""Imports of people with proof: how far each file is, and which of its rows were refused."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Import(Base):
    """A file that is or was imported to a list, known by its bytes; it holds nobody's number."""

    __tablename__ = "imports"
    __table_args__ = (UniqueConstraint("file_sha256", "list_id", "channel"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    file_sha256: Mapped[str] = mapped_column(String(64))
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id"))
    channel: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    first: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
    line: Mapped[int] = mapped_column(BigInteger)
    reached: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    # Of the index by which rows read at once are put in order.
    epoch: Mapped[int]
    accepted: Mapped[int] = mapped_column(BigInteger, default=0)
    already: Mapped[int] = mapped_column(BigInteger, default=0)
    refused: Mapped[int] = mapped_column(BigInteger, default=0)
    wordings: Mapped[str] = mapped_column(Text, default="[]")
    started: Mapped[datetime] = mapped_column(UtcDateTime)
    moved: Mapped[datetime] = mapped_column(UtcDateTime)
    finished: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ImportRefusal(Base):
    """A row of such a file that brought nobody to the list, and why."""

    __tablename__ = "import_refusals"

    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(String(24))
