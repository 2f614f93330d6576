"""Databases of our own version are used, all others are left alone; on both kinds."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from broadcaster.core.errors import DatabaseMismatch, InvalidInput
from broadcaster.storage import schema
from broadcaster.storage.models import Base
from broadcaster.storage.session import WRITES, make_engine
from tests import moves


@pytest.fixture
def engine(database_url):
    made = make_engine(database_url).execution_options(**{WRITES: True})
    yield made
    made.dispose()


def test_a_migrated_database_has_exactly_the_tables_of_the_models(engine):
    assert set(sa.inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    schema.check(engine)


def test_migrations_lead_down_and_up_again(engine):
    moves.release(engine)
    schema.downgrade(engine, "base")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    schema.upgrade(engine)
    schema.check(engine)


def test_migrating_twice_changes_nothing(engine):
    schema.upgrade(engine)
    schema.check(engine)


def test_a_newer_database_is_left_alone(engine):
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseMismatch, match="newer version"):
        schema.check(engine)
    with pytest.raises(DatabaseMismatch, match="newer version"):
        schema.refuse_foreign(engine)


def test_an_empty_database_says_what_to_do(engine):
    moves.release(engine)
    schema.downgrade(engine, "base")

    with pytest.raises(DatabaseMismatch, match="broadcaster init"):
        schema.check(engine)


def test_tables_of_something_else_are_left_alone(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path}/other.sqlite3").execution_options(**{WRITES: True})
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE invoices (id INTEGER)"))

    with pytest.raises(DatabaseMismatch, match="something else"):
        schema.check(engine)
    engine.dispose()


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"\x00" * 4096, b"SQLite format 3\x00"]
)
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content):
    path = tmp_path / "damaged.sqlite3"
    path.write_bytes(content)
    engine = make_engine(f"sqlite:///{path}")

    with pytest.raises(DatabaseMismatch, match=r"damaged|cannot be opened"):
        schema.check(engine)
    assert path.read_bytes() == content
    engine.dispose()


def test_a_question_makes_no_file(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path}/missing.sqlite3")

    with pytest.raises(InvalidInput, match="broadcaster init"):
        schema.check(engine)
    assert not (tmp_path / "missing.sqlite3").exists()
    engine.dispose()
