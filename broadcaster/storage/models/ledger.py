"""The ledger's tables: entries that triggers keep from change, the tree's frontier, checkpoints."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class LedgerEntry(Base):
    """One leaf of the log: the exact bytes, and copies of two fields to search by."""

    __tablename__ = "ledger_entries"
    __table_args__ = (Index(None, "subject", "idx"),)

    idx: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    subject: Mapped[str | None] = mapped_column(String(32))
    recorded: Mapped[datetime] = mapped_column(UtcDateTime)


class LedgerTile(Base):
    """256 neighbouring hashes of the tree, kept once they are whole: the source of every proof.

    Those at level 0 are leaf hashes; each at level L + 1 is the root of a tile at level L.
    """

    __tablename__ = "ledger_tiles"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))


class LedgerHead(Base):
    """The one row that holds the tree's size and frontier; its lock orders the appends."""

    __tablename__ = "ledger_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)


class Checkpoint(Base):
    """A signed checkpoint that was given out, kept for ever."""

    __tablename__ = "checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    # Over all of the above: no signature covers the moment, nor what a witness wrote below ours.
    sum: Mapped[bytes] = mapped_column(LargeBinary(32))


class Document(Base):
    """The exact text behind a hash that entries name: a notice, terms, a register entry."""

    __tablename__ = "documents"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    entry: Mapped[int] = mapped_column(BigInteger)


class Evidence(Base):
    """The private part of an entry, sealed under the subject's key; erasure deletes it."""

    __tablename__ = "evidence"

    entry: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class Opening(Base):
    """Somebody opened a person's evidence: who, when and why. Triggers keep it from change.

    It names the person as the ledger does, so that it says nothing about them once they are erased.
    """

    __tablename__ = "openings"
    __table_args__ = (Index(None, "subject", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    opened: Mapped[datetime] = mapped_column(UtcDateTime)
    subject: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(80))
    is_full: Mapped[bool]
    form: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(Text)


class LedgerIndex(Base):
    """What entries are searched by, beside the subject. All of it can be made anew from the leaves."""

    __tablename__ = "ledger_index"
    __table_args__ = (Index(None, "facet", "recorded", "idx"), Index(None, "recorded", "idx"))

    idx: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    facet: Mapped[int] = mapped_column(BigInteger)
    recorded: Mapped[datetime] = mapped_column(UtcDateTime)


class LedgerFacet(Base):
    """Event, list, method and actor together: there are few, and each entry has one of them."""

    __tablename__ = "ledger_facets"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event: Mapped[str] = mapped_column(String(32))
    list: Mapped[str] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(200))
