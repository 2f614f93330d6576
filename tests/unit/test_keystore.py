"""The key store: one file, replaced as a whole, that only its master keys open."""

from __future__ import annotations

import contextlib
import os
import stat
import threading

import pytest

from broadcaster.core.errors import KeysMismatch
from broadcaster.core.keytable import KeyTable
from broadcaster.storage import keystore

MASTER, OTHER = b"m" * 32, b"o" * 32


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "subjects.keys"
    keystore.create(path, MASTER, KeyTable.new())
    return path


def test_only_its_master_key_opens_it_and_it_is_for_nobody_else(path):
    assert keystore.load(path, MASTER).generation == 0
    assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    with pytest.raises(KeysMismatch, match="another master key"):
        keystore.load(path, OTHER)
    with pytest.raises(FileExistsError):
        keystore.create(path, MASTER, KeyTable.new())


def test_nothing_of_a_key_is_readable(path):
    table = keystore.load(path, MASTER)
    data = path.read_bytes()

    for key in (MASTER, table.tokens, table.nodes[""], table.suppression):
        assert key not in data
        assert key.hex().encode() not in data


def test_a_change_is_written_and_no_change_is_not(path):
    before = path.read_bytes()

    assert keystore.change(path, MASTER, lambda _table: None) == keystore.load(path, MASTER)
    assert path.read_bytes() == before
    changed = keystore.change(path, MASTER, lambda table: table.with_next_leaf(1))
    assert keystore.load(path, MASTER) == changed
    assert changed.generation == 1


def test_what_stood_there_before_is_overwritten(path):
    with path.open("rb") as former:
        size = len(former.read())
        keystore.change(path, MASTER, lambda table: table.with_next_index())
        former.seek(0)

        assert former.read() == bytes(size)


def test_a_reader_reads_again_only_what_was_replaced(path):
    read = keystore.reader(path, MASTER)
    first = read()

    assert read() is first
    keystore.change(path, MASTER, lambda table: table.with_next_leaf(2))
    assert read().generation == 1


def test_whoever_changes_it_at_once_waits_for_the_other(path):
    def change():
        for _ in range(5):
            keystore.change(path, MASTER, lambda table: table.with_next_leaf(3))

    threads = [threading.Thread(target=change) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert keystore.load(path, MASTER).newest(3) == 20


@pytest.mark.parametrize("place", range(4))
def test_interrupted_anywhere_the_old_one_or_the_new_one_is_whole(path, monkeypatch, place):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def fail(*arguments, real=real):
            calls.append(arguments)
            if len(calls) == place + 1:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        monkeypatch.setattr(os, name, fail)

    with contextlib.suppress(OSError):
        keystore.change(path, MASTER, lambda table: table.with_next_leaf(4))

    assert keystore.load(path, MASTER).newest(4) in {0, 1}
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "subjects.keys",
        "subjects.keys.lock",
    ]


def test_a_second_master_key_opens_it_until_the_others_are_dismissed(path):
    table = keystore.load(path, MASTER)

    keystore.admit(path, MASTER, OTHER)
    keystore.admit(path, MASTER, OTHER)

    assert keystore.load(path, OTHER) == keystore.load(path, MASTER) == table
    assert keystore.masters(path) == [keystore.fingerprint(MASTER), keystore.fingerprint(OTHER)]
    keystore.change(path, MASTER, lambda found: found.with_next_leaf(5))
    assert keystore.load(path, OTHER).newest(5) == 1
    assert keystore.dismiss_others(path, OTHER) == 1
    assert keystore.load(path, OTHER).newest(5) == 1
    with pytest.raises(KeysMismatch):
        keystore.load(path, MASTER)


@pytest.mark.parametrize("place", [0, 5, 60, 200, -20, -3])
def test_a_damaged_file_is_refused(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)

    with pytest.raises(KeysMismatch):
        keystore.load(path, MASTER)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", bytes(100)])
def test_what_is_no_key_store_is_refused(path, data):
    path.write_bytes(data)

    with pytest.raises(KeysMismatch):
        keystore.load(path, MASTER)


def test_a_missing_file_is_named(path):
    path.unlink()

    with pytest.raises(KeysMismatch, match="Put its copy back"):
        keystore.load(path, MASTER)
