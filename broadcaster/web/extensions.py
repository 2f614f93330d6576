"""The Flask extensions, and the way from a request to the runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from flask import Flask, current_app
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from broadcaster.runtime import Runtime
from broadcaster.storage.models import Base

_NAME = "broadcaster"


class _OneEngine(SQLAlchemy):
    """Flask-SQLAlchemy on the engine that the runtime already has.

    Its request-scoped ``db.session`` serves the pages that only read; whatever writes opens
    ``writing()`` and commits there.
    """

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        del bind_key, options  # what is in them was decided when the engine was made
        return _of(app).database

    def _apply_driver_defaults(self, options: dict[str, Any], app: Flask) -> None:
        """Leave everything as it is: nothing is created from these options."""


db = _OneEngine(
    metadata=Base.metadata,
    session_options={"expire_on_commit": False, "autoflush": False},
    add_models_to_shell=False,
)
csrf = CSRFProtect()
babel = Babel()


def attach(app: Flask, runtime: Runtime) -> None:
    """Keep the runtime in the app and its engine in Flask-SQLAlchemy."""
    app.extensions[_NAME] = runtime
    app.config["SQLALCHEMY_DATABASE_URI"] = runtime.database.url
    db.init_app(app)


def runtime() -> Runtime:
    """Return the runtime of the app that serves this request."""
    return _of(current_app)


def reading() -> Session:
    """Return the session that this request reads with; it ends with the request, or before it writes."""
    return cast("Session", db.session)


def stop_reading() -> None:
    """Give back the connection that this request reads with; reading on takes a fresh view.

    A request that held one connection while it asked for a second could wait for ever: as many of
    them as there are connections would wait for each other.
    """
    db.session.remove()


@contextmanager
def writing() -> Iterator[Session]:
    """Open a transaction that may write, on the only connection this request then holds."""
    stop_reading()
    with runtime().transaction() as session:
        yield session


def _of(app: Flask) -> Runtime:
    return cast("Runtime", app.extensions[_NAME])
