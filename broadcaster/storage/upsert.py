"""INSERT … ON CONFLICT, which both databases have and SQLAlchemy spells twice."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session


def insert(session: Session, model: type[DeclarativeBase]) -> Any:  # noqa: ANN401 - two classes with one interface
    """Return an INSERT for this session's database that knows ON CONFLICT."""
    dialect = session.get_bind().dialect.name
    module = sqlite if dialect == "sqlite" else postgresql
    return module.insert(model)
