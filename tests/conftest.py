"""What tests stand on: both databases, a runtime on each, and no skip where none is allowed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from broadcaster.runtime import Runtime
from broadcaster.storage import schema
from broadcaster.storage.session import WRITES, make_engine
from broadcaster.testing import FakeProvider, FixedClock
from tests.world import World, make_runtime, populate

_POSTGRESQL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432")
_NO_SKIPS = "TESTS_MAY_NOT_SKIP"

for _name in [name for name in os.environ if name.startswith(("BROADCASTER_", "TWILIO_"))]:
    # A developer's own settings must not decide what a test sees.
    del os.environ[_name]

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("default")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turn a skip into a failure where everything a test may need is promised to be there."""
    report = yield
    if report.skipped and os.environ.get(_NO_SKIPS) and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but {_NO_SKIPS} is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory) -> Path:
    """Make a migrated SQLite file once; tests copy it."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    engine = make_engine(f"sqlite:///{path}").execution_options(**{WRITES: True})
    schema.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def migrated_postgresql() -> Iterator[str]:
    """Make a migrated PostgreSQL database once; tests copy it."""
    name = f"broadcaster_template_{uuid.uuid4().hex[:12]}"
    try:
        _administer(f'CREATE DATABASE "{name}"')
    except sa.exc.OperationalError:
        pytest.skip("no PostgreSQL answers; set TEST_POSTGRESQL_URL or start one on port 5432")
    engine = make_engine(f"{_POSTGRESQL}/{name}").execution_options(**{WRITES: True})
    schema.upgrade(engine)
    engine.dispose()
    yield name
    _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> Iterator[str]:
    """Give an empty, migrated database of each kind; one test runs on both."""
    if request.param == "sqlite":
        yield from _copied_sqlite(request, tmp_path)
    else:
        yield from _copied_postgresql(request)


@pytest.fixture
def sqlite_url(request, tmp_path) -> Iterator[str]:
    """Give an empty, migrated SQLite database, where the kind cannot matter."""
    yield from _copied_sqlite(request, tmp_path)


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def provider() -> FakeProvider:
    """A provider that accepts everything and remembers it."""
    return FakeProvider()


@pytest.fixture
def runtime(database_url, tmp_path, clock, provider) -> Iterator[Runtime]:
    """A runtime on each kind of database."""
    yield from make_runtime(database_url, tmp_path / "home", clock, provider)


@pytest.fixture
def sqlite_runtime(sqlite_url, tmp_path, clock, provider) -> Iterator[Runtime]:
    """A runtime on SQLite, where the kind of database cannot matter."""
    yield from make_runtime(sqlite_url, tmp_path / "home", clock, provider)


@pytest.fixture
def world(runtime, clock, provider) -> World:
    """A small newsroom, on each kind of database."""
    populate(runtime)
    return World(runtime, clock, provider)


@pytest.fixture
def sqlite_world(sqlite_runtime, clock, provider) -> World:
    """A small newsroom, where the kind of database cannot matter."""
    populate(sqlite_runtime)
    return World(sqlite_runtime, clock, provider)


def _copied_sqlite(request, tmp_path) -> Iterator[str]:
    path = tmp_path / "test.sqlite3"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    yield f"sqlite:///{path}"


def _copied_postgresql(request) -> Iterator[str]:
    template = request.getfixturevalue("migrated_postgresql")
    name = f"broadcaster_test_{uuid.uuid4().hex[:12]}"
    _administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield f"{_POSTGRESQL}/{name}"
    _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(statement: str) -> None:
    engine = sa.create_engine(f"{_POSTGRESQL}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
