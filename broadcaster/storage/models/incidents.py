"""Things that went wrong and that somebody should see, counted rather than repeated."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from broadcaster.storage.models.base import Base, UtcDateTime


class Incident(Base):
    """One kind of trouble, on one thing, how often and since when."""

    __tablename__ = "incidents"

    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    reference: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(default=1)
    first: Mapped[datetime] = mapped_column(UtcDateTime)
    last: Mapped[datetime] = mapped_column(UtcDateTime)
