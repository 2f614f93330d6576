"""Who was forgotten stays so: with a copy of the database from before, and every key from after.

The attacker here has all of it: both databases, every file of the home directory, the master key
and what follows from it. Against somebody who was not forgotten the same attack succeeds.
"""

from __future__ import annotations

import base64
import hmac
import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select

from broadcaster.core import keytree
from broadcaster.core.erasure import Stage
from broadcaster.core.keytable import derive
from broadcaster.ledger.__main__ import main as verify
from broadcaster.services import audit, checking, erasing
from broadcaster.services.audit import Format
from broadcaster.storage import keystore
from broadcaster.storage.models import Base
from broadcaster.storage.session import make_engine
from tests.databases import administer, drop
from tests.integration.test_erasing import begin, subject_of
from tests.world import make_runtime, phone

ANNA, BRAM = phone(1), phone(2)
WORDS = "Mijn buurvrouw leest ook mee"
_SERVER = os.environ.get(
    "TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432"
).replace("+psycopg", "", 1)
_PURPOSES = ("address-index", "key-wrapping", "key-tree", "key-store", "suppression", "fingerprint")


@contextmanager
def copied(url, tmp_path):
    """A copy of a database as it is now, to which nobody is connected."""
    if url.startswith("sqlite"):
        source = Path(url.removeprefix("sqlite:///"))
        target = tmp_path / "copy.sqlite3"
        shutil.copy(source, target)
        yield f"sqlite:///{target}"
        return
    place, _, name = url.rpartition("/")
    target = f"broadcaster_copy_{uuid.uuid4().hex[:12]}"
    administer(_SERVER, f'CREATE DATABASE "{target}" TEMPLATE "{name}"')
    try:
        yield f"{place}/{target}"
    finally:
        drop(_SERVER, target)


def everything(url):
    """Every row of every table, by table."""
    engine = make_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in Base.metadata.sorted_tables
        }
    engine.dispose()
    return found


def in_bytes(rows, url):
    """All that is in a database, as it lies there if that can be read."""
    written = [
        repr(value).encode() for table in rows.values() for row in table for value in row.values()
    ]
    raw = [
        value
        for table in rows.values()
        for row in table
        for value in row.values()
        if isinstance(value, bytes)
    ]
    lying = [Path(url.removeprefix("sqlite:///")).read_bytes()] if url.startswith("sqlite") else []
    return b"\x00".join([*written, *raw, *lying])


def forms(text):
    """A text as somebody may have written it."""
    plain = text.encode()
    digits = text.rpartition("+")[2].encode()
    yield from (plain, digits, text.encode("utf-16-le"), digits.hex().encode(), digits[::-1])
    for offset in range(3):
        coded = base64.b64encode(b"\x00" * offset + digits)
        yield coded[4 if offset else 0 : -4]


class Attacker:
    """Has everything, and tries everything."""

    def __init__(self, before, after, home):
        self.before, self.after = before, after
        files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
        self.files = b"\x00".join(files.values())
        master = bytes.fromhex((home / "keys" / "master.key").read_text().strip())
        table = keystore.load(keystore.place(home), master)
        keys = {master, *(derive(master, purpose) for purpose in _PURPOSES)}
        keys |= {table.tokens, table.suppression, *table.indexes.values(), *table.nodes.values()}
        keys |= {key for versions in table.leaves.values() for key in versions.values()}
        leaves = [keytree.derive(table.nodes, leaf) for leaf in range(keytree.LEAVES)]
        keys |= {key for key in leaves if key is not None}
        keys |= {
            bytes.fromhex(word)
            for word in self.files.decode("latin-1").split()
            if len(word) == 64 and set(word) <= set("0123456789abcdef")
        }
        self.keys = keys
        wrapped = [row["key_wrapped"] for rows in (before, after) for row in rows["subscribers"]]
        opened = [self.open(value) for value in wrapped if value]
        # What was opened may open more: it is tried first.
        self.keys = [*(key for key in opened if key is not None), *self.keys]

    def open(self, sealed):
        """Try every key there is, in every way in which such a thing is ever sealed."""
        if not sealed:
            return None
        ways = [(0, b"text"), (0, b"address/whatsapp"), (0, b"address/sms")]
        if len(sealed) >= 60:
            ways += [(0, b"subject-key"), (6, b"subject-key" + sealed[:6])]
        for key in self.keys:
            cipher = AESGCM(key)
            for start, purpose in ways:
                try:
                    return cipher.decrypt(sealed[start : start + 12], sealed[start + 12 :], purpose)
                except InvalidTag:
                    continue
        return None

    def number_of(self, index):
        """Try numbers until one fits: all that there can be, if there were time."""
        for number in range(4):
            wire = phone(number).encode()
            for key in self.keys:
                if hmac.digest(key, wire, "sha256") == index:
                    return phone(number)
        return None


def of(rows, table, number):
    """What a copy holds of a person, in one table."""
    column = "id" if table == "subscribers" else "subscriber_id"
    return [row for row in rows[table] if row[column] == number]


@pytest.fixture
def scene(world, database_url, tmp_path):
    """Before and after Anna is forgotten, and whoever has all of it."""
    world.sids = iter(range(1 << 64, 1 << 65))
    for author in (ANNA, BRAM):
        world.text(author, "NRC AAN")
        world.text(author, WORDS)
    world.bulletin()
    world.send()
    audit.sign_what_is_new(world.runtime)
    numbers = {}
    for author in (ANNA, BRAM):
        with world.runtime.reading() as session:
            (found,) = erasing.people.find(
                session, world.runtime.keyring, [erasing.Address.parse(author)]
            )
            numbers[author] = found.id
    world.runtime.database.dispose()
    with copied(database_url, tmp_path) as old:
        before = everything(old)
        world.clock.advance(hours=1)
        number = begin(world, subject_of(world, ANNA))
        assert erasing.advance(world.runtime, number).stage is Stage.DONE
        audit.sign_what_is_new(world.runtime)
        world.runtime.database.dispose()
        if database_url.startswith("sqlite"):
            world.runtime.database.connect().connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            world.runtime.database.dispose()
        after = everything(database_url)
        yield world, numbers, old, Attacker(before, after, tmp_path / "home")


def test_neither_the_number_nor_a_text_nor_evidence_is_recovered(scene, database_url):
    _world, numbers, old, attacker = scene
    before = attacker.before
    anna, bram = numbers[ANNA], numbers[BRAM]

    for table, column in (
        ("subscribers", "key_wrapped"),
        ("subscribers", "address_sealed"),
        ("inbound", "sealed"),
        ("evidence", "sealed"),
    ):
        (first, *_) = of(before, table, bram)
        assert attacker.open(first[column]) is not None, "the attack is worth nothing"
        rows = of(before, table, anna)
        assert rows
        assert [attacker.open(row[column]) for row in rows] == [None] * len(rows)
    assert attacker.open(of(before, "subscribers", bram)[0]["address_sealed"]) == (
        BRAM.removeprefix("whatsapp:").encode()
    )

    rows = of(attacker.after, "subscribers", bram)
    assert attacker.number_of(rows[0]["address_index"]) == BRAM
    for copy in (before, attacker.after):
        assert attacker.number_of(of(copy, "subscribers", anna)[0]["address_index"]) is None

    heap = in_bytes(before, old) + in_bytes(attacker.after, database_url) + attacker.files
    for form in [*forms(ANNA), WORDS.encode(), *forms(BRAM)]:
        assert form not in heap
    assert len(attacker.keys) > keytree.LEAVES - 2


def test_both_ledgers_verify_and_the_later_one_extends_the_earlier(
    scene, database_url, tmp_path, clock, provider
):
    _world, _numbers, old, _attacker = scene
    bundles = []
    for url in (old, database_url):
        with contextmanager(make_runtime)(url, tmp_path / "home", clock, provider) as runtime:
            assert list(checking.check(runtime)) == []
            path = tmp_path / f"{len(bundles)}.zip"
            path.write_bytes(b"".join(audit.export(runtime, Format.BUNDLE)))
            with runtime.transaction() as session:
                _size, note = audit.checkpoint(session, runtime)
            path.with_suffix(".checkpoint").write_bytes(note)
            vkey = runtime.signer.key.to_text()
        bundles.append(path)
        assert verify(["verify", str(path), "--vkey", vkey]) == 0

    since = str(bundles[0].with_suffix(".checkpoint"))
    assert verify(["verify", str(bundles[1]), "--vkey", vkey, "--since", since]) == 0


def test_what_a_suppression_tells_is_a_number_and_a_month_and_whose_it_was_not(scene):
    """Said openly: whoever has the key table can test numbers, for that is what it is for."""
    _world, _numbers, _old, attacker = scene
    (kept,) = attacker.after["suppressions"]
    plain = ANNA.removeprefix("whatsapp:").encode()

    assert any(hmac.digest(key, plain, "sha256") == kept["mark"] for key in attacker.keys)
    assert set(kept) == {"mark", "event", "since"}
    assert kept["since"].day == 1
