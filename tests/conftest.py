"""What tests stand on: both databases, a runtime on each, and no skip where none is allowed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from broadcaster.runtime import Runtime
from broadcaster.storage import schema
from broadcaster.storage.session import WRITES, make_engine
from broadcaster.testing import FakeProvider, FixedClock
from tests import moves, quick, turns
from tests.databases import Databases, administer, drop
from tests.world import World, make_runtime, populate

_POSTGRESQL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432")
_SERVER = _POSTGRESQL.replace("+psycopg", "", 1)
_NO_SKIPS = "TESTS_MAY_NOT_SKIP"

for _name in [name for name in os.environ if name.startswith(("BROADCASTER_", "TWILIO_"))]:
    # A developer's own settings must not decide what a test sees.
    del os.environ[_name]

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("default")
quick.hurry()


# What waits or lasts long begins first, so that no process is left with it at the end.
_ORDER = ("faults", "e2e", "contract", "integration", "functional", "structure", "unit")


def pytest_collection_modifyitems(config, items):
    """Order a run that several processes share; before all others, who must have the machine."""
    if hasattr(config, "workerinput"):
        items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[bool, int]:
    directory = item.path.relative_to(Path(__file__).parent).parts[0]
    return item.get_closest_marker("alone") is None, _ORDER.index(directory)


def pytest_collection_finish():
    """Go on to the tests with little for the garbage collector to look through."""
    quick.settle()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Let who measures by the clock have the machine to itself."""
    with turns.taking_part(alone=item.get_closest_marker("alone") is not None):
        return (yield)


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
    moves.guard(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[Databases]:
    """Make a migrated PostgreSQL database once; tests take copies of it."""
    name = f"broadcaster_template_{uuid.uuid4().hex[:12]}"
    try:
        administer(_SERVER, f'CREATE DATABASE "{name}"')
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers; set TEST_POSTGRESQL_URL or start one on port 5432")
    engine = make_engine(f"{_POSTGRESQL}/{name}").execution_options(**{WRITES: True})
    schema.upgrade(engine)
    moves.guard(engine)
    engine.dispose()
    made = Databases(_SERVER, name)
    yield made
    made.close()
    drop(_SERVER, name)


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
def postgresql_url(request) -> Iterator[str]:
    """Give an empty, migrated PostgreSQL database, where only that will do."""
    yield from _copied_postgresql(request)


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def provider(clock) -> FakeProvider:
    """A provider that accepts everything and remembers it."""
    return FakeProvider(clock=clock)


@pytest.fixture
def runtime(database_url, tmp_path, clock, provider) -> Iterator[Runtime]:
    """A runtime on each kind of database."""
    yield from make_runtime(database_url, tmp_path / "home", clock, provider)


@pytest.fixture
def sqlite_runtime(sqlite_url, tmp_path, clock, provider) -> Iterator[Runtime]:
    """A runtime on SQLite, where the kind of database cannot matter."""
    yield from make_runtime(sqlite_url, tmp_path / "home", clock, provider)


@pytest.fixture
def world(runtime, clock, provider) -> Iterator[World]:
    """A small newsroom, on each kind of database."""
    populate(runtime)
    made = World(runtime, clock, provider)
    yield made
    made.check_tallies()


@pytest.fixture
def sqlite_world(sqlite_runtime, clock, provider) -> Iterator[World]:
    """A small newsroom, where the kind of database cannot matter."""
    populate(sqlite_runtime)
    made = World(sqlite_runtime, clock, provider)
    yield made
    made.check_tallies()


def _copied_sqlite(request, tmp_path) -> Iterator[str]:
    path = tmp_path / "test.sqlite3"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    yield f"sqlite:///{path}"


def _copied_postgresql(request) -> Iterator[str]:
    databases = request.getfixturevalue("postgresql_databases")
    name = databases.take()
    yield f"{_POSTGRESQL}/{name}"
    databases.give_back(name)
