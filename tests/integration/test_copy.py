"""Moving to PostgreSQL: everything arrives, is checked there, and the old database stays as it was."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text

from broadcaster.cli import main
from broadcaster.core.errors import Conflict, DatabaseMismatch, InvalidInput
from broadcaster.services import audit, copying
from broadcaster.storage import copying as stored
from broadcaster.storage.models import Base
from broadcaster.storage.session import WRITES, make_engine
from tests.world import World, make_runtime, phone, populate


@pytest.fixture
def old(sqlite_url, tmp_path, clock, provider):
    """A newsroom on SQLite that is closed: people, texts, a bulletin that was sent."""
    with contextmanager(make_runtime)(sqlite_url, tmp_path / "home", clock, provider) as runtime:
        populate(runtime)
        world = World(runtime, clock, provider)
        for number in range(12):
            world.text(phone(number), "NRC AAN")
        world.text(phone(3), "STOP")
        world.bulletin(text="Goedemorgen, 'lezers' – ✓\n\ttab\\N")
        world.send()
        world.bulletin()
    return sqlite_url


@pytest.fixture
def new(postgresql_url):
    """An empty, migrated PostgreSQL database."""
    return postgresql_url


def copy(old, new):
    told = []
    copying.copy(old, new, told.append)
    return told


def rows(url):
    """Every row of every table."""
    engine = make_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in Base.metadata.sorted_tables
        }
    engine.dispose()
    return found


def spoil(url, statement, **values):
    """Change something behind the program's back."""
    engine = make_engine(url).execution_options(**{WRITES: True})
    with engine.begin() as connection:
        connection.execute(statement if not isinstance(statement, str) else text(statement), values)
    engine.dispose()


def digest(url):
    with open(url.removeprefix("sqlite:///"), "rb") as file:  # noqa: PTH123 - a URL's path
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_every_row_of_every_table_arrives(old, new):
    before, file = rows(old), digest(old)

    told = copy(old, new)

    assert rows(new) == before
    assert len(before["deliveries"]) == 11
    assert any(line == "deliveries: 11 rows, the same on both sides" for line in told)
    assert (rows(old), digest(old)) == (before, file)


def test_the_ledger_is_recomputed_on_the_other_side(old, new, tmp_path, clock, provider):
    told = copy(old, new)

    with (
        contextmanager(make_runtime)(new, tmp_path / "home", clock, provider) as runtime,
        runtime.reading() as session,
    ):
        head = audit.head(session, runtime)
    assert told[-1].startswith(f"The ledger: {head.size} entries")
    assert head.size > 13


def test_the_copy_goes_on_where_the_old_one_stopped(old, new, tmp_path, clock, provider):
    """Numbers are counted on, people are found by their address, and the ledger grows."""
    copy(old, new)

    with contextmanager(make_runtime)(new, tmp_path / "home", clock, provider) as runtime:
        world = World(runtime, clock, provider)
        world.sids = iter(range(10_000, 20_000))
        provider.sent.clear()
        world.text(phone(4), "STOP")
        world.text(phone(50), "NRC AAN")
        number = world.bulletin()
        world.send()

    assert sorted(set(world.recipients())) == sorted(
        phone(one) for one in (0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 50)
    )
    assert number == 3


def test_a_database_that_makes_its_tables_itself(old, new):
    spoil(new, "DROP SCHEMA public CASCADE")
    spoil(new, "CREATE SCHEMA public")

    told = copy(old, new)

    assert told[0].startswith("Made the tables")
    assert rows(new) == rows(old)


def test_a_database_that_holds_rows_is_refused(old, new):
    copy(old, new)
    before = rows(new)

    with pytest.raises(Conflict, match="holds rows already"):
        copy(old, new)
    assert rows(new) == before


def test_a_database_of_something_else_is_refused(old, new):
    spoil(new, "UPDATE alembic_version SET version_num = '0001'")

    with pytest.raises(DatabaseMismatch, match="earlier version"):
        copy(old, new)


@pytest.mark.parametrize("mode", ["reading", "writing", "idle"])
def test_a_database_in_use_is_refused(old, new, mode):
    """Also when nobody writes just now: what a running program writes later would be lost."""
    connection = sqlite3.connect(old.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("SELECT count(*) FROM lists").fetchall()
    if mode != "idle":
        connection.execute("BEGIN" if mode == "reading" else "BEGIN IMMEDIATE")
        connection.execute("SELECT count(*) FROM lists").fetchall()

    with pytest.raises(Conflict, match="in use"):
        copy(old, new)

    connection.close()
    copy(old, new)


def test_nobody_can_open_the_old_database_meanwhile(old):
    alone = stored.open_alone(old)
    other = sqlite3.connect(old.removeprefix("sqlite:///"), timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("INSERT INTO incidents VALUES ('a', 'b', 1, '2026', '2026')")
    alone.dispose()
    other.close()


def test_what_differs_on_the_other_side_is_not_kept(old, new, monkeypatch):
    empty = rows(new)
    right = stored.summed
    monkeypatch.setattr(
        stored,
        "summed",
        lambda connection, table: (
            stored.Sum() if table.name == "deliveries" else right(connection, table)
        ),
    )

    with pytest.raises(copying.CopyDiffers, match="deliveries is not the same"):
        copy(old, new)
    assert rows(new) == empty


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE ledger_head SET size = size + 1", "do not add up"),
        ("UPDATE ledger_entries SET leaf = X'7b7d' WHERE idx = 4", "entry 4 is missing or damaged"),
        ("DELETE FROM ledger_entries WHERE idx = 2", "entry 2 is missing or damaged"),
    ],
)
def test_a_ledger_that_does_not_add_up_is_not_taken_along(old, new, change, said):
    empty = rows(new)
    for name in ("update", "delete"):
        spoil(old, f"DROP TRIGGER ledger_entries_refuse_{name}")
    spoil(old, change)

    with pytest.raises(copying.CopyDiffers, match=said):
        copy(old, new)
    assert rows(new) == empty


@pytest.mark.parametrize("name", ["x" * 200, "zero\0byte"])
def test_a_row_that_postgresql_cannot_keep_is_named_without_its_words(old, new, name):
    empty = rows(new)
    spoil(old, "UPDATE users SET name = :name", name=name)

    with pytest.raises(InvalidInput, match="table users") as caught:
        copy(old, new)
    assert name not in str(caught.value)
    assert rows(new) == empty


def test_a_copy_that_is_cut_off_is_no_copy(old, new):
    empty = rows(new)

    def tell(line):
        if line.startswith("deliveries"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.copy(old, new, tell)
    assert rows(new) == empty
    copy(old, new)
    assert rows(new) == rows(old)


@pytest.fixture
def command(old, monkeypatch, tmp_path, capsys):
    """The command, on the old database."""
    monkeypatch.setenv("BROADCASTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BROADCASTER_DATABASE__URL", old)

    def run(target):
        return main(["db", "copy", "--to", target]), *capsys.readouterr()

    return run


def test_the_command_says_each_step_and_never_the_password(command, old, new):
    with_password = new.replace("postgres@", "postgres:never-shown@")

    code, printed, complaints = command(with_password)

    assert (code, complaints) == (0, "")
    assert "deliveries: 11 rows" in printed
    assert "The ledger: " in printed
    assert "never-shown" not in printed
    assert rows(new) == rows(old)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sqlite:////srv/other.sqlite3", "names no PostgreSQL database"),
        ("", "names no PostgreSQL database"),
        ("mysql://host/name", "only sqlite"),
        ("postgresql://host", "names no database"),
    ],
)
def test_the_command_copies_to_postgresql_only(command, target, said):
    code, _printed, complaints = command(target)

    assert code == 2
    assert said in complaints


def test_the_command_copies_from_sqlite_only(command, new, monkeypatch):
    monkeypatch.setenv("BROADCASTER_DATABASE__URL", new)

    code, _printed, complaints = command(new)

    assert code == 2
    assert "PostgreSQL already" in complaints


def test_the_command_tells_a_difference_by_its_code(command, old, new):
    spoil(old, "UPDATE ledger_head SET size = size + 1")

    code, _printed, complaints = command(new)

    assert code == 1
    assert "do not add up" in complaints


def test_a_server_that_does_not_answer_is_named(command):
    code, _printed, complaints = command("postgresql://postgres@127.0.0.1:1/nowhere")

    assert code == 3
    assert "cannot be opened" in complaints
