"""Exchanging the master key: everybody stays readable and found, and the old key opens nothing."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from broadcaster.core.errors import Conflict, InvalidInput, KeysMismatch
from broadcaster.services import rotating
from broadcaster.storage import keystore
from tests.world import World, make_runtime, phone, populate

ANNA = phone(1)


@pytest.fixture
def restart(sqlite_url, tmp_path, clock, provider):
    """Open the newsroom, as often as wanted, with the keys that are set then."""

    @contextmanager
    def start(**environ):
        with contextmanager(make_runtime)(
            sqlite_url, tmp_path / "home", clock, provider, **environ
        ) as runtime:
            yield World(runtime, clock, provider)

    with start() as world:
        populate(world.runtime)
        world.text(ANNA, "NRC AAN", sid="SM" + "a" * 32)
    return start


def works(world):
    """Send something to whoever is on the list; let them leave and come back."""
    world.bulletin()
    world.send()
    assert world.recipients()[-1] == ANNA
    world.callback(world.deliveries()[-1].id, "delivered")
    assert world.text(ANNA, "NRC AAN", sid=f"SM{os.urandom(16).hex()}").startswith("Je")
    assert len(world.events()) == 1


def test_the_key_is_exchanged_while_it_goes_on(restart, tmp_path):
    file = tmp_path / "home" / "keys" / "master.key"
    old = file.read_text()
    with restart() as running:
        with restart() as world:
            begun = rotating.begin(world.runtime)
            assert begun.is_in_place
            assert file.read_text() != old
        works(running)
        with restart() as world:
            with pytest.raises(Conflict, match="finish"):
                rotating.begin(world.runtime)
            works(world)
            assert rotating.finish(world.runtime) == 1
            assert rotating.finish(world.runtime) == 0
            works(world)
    with restart() as world:
        works(world)
    store = keystore.place(tmp_path / "home")
    with pytest.raises(KeysMismatch):
        keystore.load(store, bytes.fromhex(old.strip()))
    assert old.strip().encode() not in b"".join(
        one.read_bytes() for one in file.parent.iterdir() if one.is_file()
    )


def test_the_old_key_finishes_nothing(restart):
    with restart() as world:
        rotating.begin(world.runtime)
        with pytest.raises(InvalidInput, match="old master key"):
            rotating.finish(world.runtime)


def test_a_key_that_stands_elsewhere_is_for_the_operator_to_set(restart, tmp_path):
    keys = tmp_path / "home" / "keys"
    variable = "BROADCASTER_SECRETS__MASTER_KEY"
    old = (keys / "master.key").read_text().strip()
    with restart(**{variable: old}) as world:
        begun = rotating.begin(world.runtime)
        assert not begun.is_in_place
        assert rotating.begin(world.runtime) == begun
    new = (keys / "master.key.next").read_text().strip()
    with restart(**{variable: new}) as world:
        works(world)
        assert rotating.finish(world.runtime) == 1
    assert not (keys / "master.key.next").exists()
    with pytest.raises(KeysMismatch, match="another master key"), restart(**{variable: old}):
        pass


@pytest.mark.parametrize("place", range(12))
def test_interrupted_anywhere_it_goes_on(restart, tmp_path, monkeypatch, place):
    """Whatever fails: the key that stands in the file opens the store, and to repeat it finishes."""
    file = tmp_path / "home" / "keys" / "master.key"
    before = file.read_text()
    left = [place]
    with monkeypatch.context() as patched:
        for name in ("fsync", "replace"):
            patched.setattr(os, name, _failing(getattr(os, name), left))
        with restart() as world:
            try:
                rotating.begin(world.runtime)
                failed = False
            except OSError:
                failed = True
    with restart() as world:
        works(world)
        if file.read_text() == before:
            rotating.begin(world.runtime)
    with restart() as world:
        rotating.finish(world.runtime)
        works(world)
    assert failed or left[0] >= 0
    assert keystore.masters(keystore.place(tmp_path / "home")) == [
        keystore.fingerprint(bytes.fromhex(file.read_text().strip()))
    ]


def _failing(real, left):
    def call(*arguments, **named):
        left[0] -= 1
        if left[0] == -1:
            raise OSError(28, "No space left on device")
        return real(*arguments, **named)

    return call
