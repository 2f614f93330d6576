"""Keys change while everything goes on: nobody is lost, nobody stands there twice."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from broadcaster.bootstrap import open_keyring
from broadcaster.core.address import Address
from broadcaster.core.erasure import Stage
from broadcaster.core.errors import KeysMismatch
from broadcaster.core.keytable import KeyTable
from broadcaster.core.sealing import Keyring, place_of
from broadcaster.services import checking, erasing, rekeying, replaying
from broadcaster.storage import keystate, keystore, people
from broadcaster.storage.models import Subscriber
from tests.integration.test_erasing import begin, subject_of
from tests.integration.test_forgotten_for_good import copied
from tests.world import World, make_runtime, phone

PEOPLE = [phone(number) for number in range(5)]


@pytest.fixture
def busy(world) -> World:
    """Five readers."""
    world.sids = count(1 << 64)
    for author in PEOPLE:
        world.text(author, "NRC AAN")
    world.clock.advance(hours=1)
    return world


def everybody(world):
    """Who is found at each number, and whether the database has nobody else."""
    addresses = [Address.parse(one) for one in PEOPLE]
    with world.runtime.reading() as session:
        found = {
            one.wire: [row.subject for row in people.find(session, world.runtime.keyring, [one])]
            for one in addresses
        }
        number = session.execute(
            select(func.count()).select_from(Subscriber).where(Subscriber.erased_at.is_(None))
        ).scalar_one()
    assert number == sum(map(len, found.values()))
    return {wire: subjects[0] for wire, subjects in found.items() if subjects}


def sent_to(world):
    before = len(world.recipients())
    world.bulletin()
    world.send()
    return set(world.recipients()[before:])


def test_everybody_is_found_by_the_new_index_and_the_old_one_is_gone(busy):
    before = everybody(busy)
    old = busy.runtime.keyring.table

    assert rekeying.renew_index(busy.runtime) == []

    assert everybody(busy) == before
    assert list(busy.runtime.keyring.table.indexes) == [old.epoch + 1]
    assert sent_to(busy) == set(PEOPLE)
    assert not rekeying.is_due(busy.runtime)


def test_a_process_that_knows_only_the_old_keys_adds_nobody_twice(busy):
    before = everybody(busy)
    master = busy.runtime.keyring.master_key
    path = keystore.path_of(busy.runtime.settings)
    stale = Keyring(master, busy.runtime.keyring.table, keystore.reader(path, master))
    rekeying.renew_index(busy.runtime)

    with busy.runtime.transaction() as session:
        found = [
            people.lock_or_create(session, stale, Address.parse(one), busy.clock.now()).subject
            for one in [*PEOPLE, phone(77)]
        ]

    assert found[:5] == [before[one] for one in PEOPLE]
    assert stale.table.epoch == busy.runtime.keyring.table.epoch


def test_who_joins_while_the_index_is_renewed_is_there_once(busy):
    """Somebody texts between any two steps, through a process with the old keys, too."""
    path = keystore.path_of(busy.runtime.settings)
    master = busy.runtime.keyring.master_key
    stale = Keyring(master, busy.runtime.keyring.table, keystore.reader(path, master))
    newcomers = count(100)
    joined = []

    def join(keyring):
        address = Address.parse(phone(next(newcomers)))
        with busy.runtime.transaction() as session:
            made = people.lock_or_create(session, keyring, address, busy.clock.now()).subject
        joined.append((address, made))

    step = rekeying.change

    def change(runtime, work):
        join(stale)
        table = step(runtime, work)
        join(runtime.keyring)
        return table

    rekeying.change = change
    try:
        rekeying.renew_index(busy.runtime)
    finally:
        rekeying.change = step
    join(stale)

    assert len(joined) == 5
    with busy.runtime.reading() as session:
        for address, subject in joined:
            (found,) = people.find(session, busy.runtime.keyring, [address])
            assert found.subject == subject


def test_who_shares_the_leaf_of_somebody_forgotten_stays_readable(busy):
    """Everybody at one leaf: what is 1 in 65,536 otherwise."""
    keyring = busy.runtime.keyring
    with busy.runtime.transaction() as session:
        for row in session.execute(select(Subscriber)).scalars():
            row.key_wrapped, row.key_leaf = keyring.wrap(keyring.unwrap(row.key_wrapped), 9), 9

    for gone in (PEOPLE[0], PEOPLE[1]):
        number = begin(busy, subject_of(busy, gone))
        assert erasing.advance(busy.runtime, number).stage is Stage.DONE

    with busy.runtime.reading() as session:
        rows = session.execute(select(Subscriber).order_by(Subscriber.id)).scalars().all()
    assert [place_of(row.key_wrapped) for row in rows] == [None, None, (9, 2), (9, 2), (9, 2)]
    assert keyring.table.wrapping(9, 0) is None
    assert keyring.table.wrapping(9, 1) is None
    assert sent_to(busy) == set(PEOPLE[2:])
    assert sorted(everybody(busy)) == PEOPLE[2:]


def test_two_at_one_leaf_at_once_each_step_of_one_between_those_of_the_other(busy):
    keyring = busy.runtime.keyring
    with busy.runtime.transaction() as session:
        for row in session.execute(select(Subscriber)).scalars():
            row.key_wrapped, row.key_leaf = keyring.wrap(keyring.unwrap(row.key_wrapped), 9), 9
    one = begin(busy, subject_of(busy, PEOPLE[0]))
    other = begin(busy, subject_of(busy, PEOPLE[1]))

    for step in (erasing._list_messages, erasing._blank, erasing._cut, erasing._remove):
        for number in (one, other):
            step(busy.runtime, number)

    with busy.runtime.reading() as session:
        assert erasing.progress(session, one).stage is Stage.DONE
        assert erasing.progress(session, other).stage is Stage.DONE
    assert sent_to(busy) == set(PEOPLE[2:])


def test_interrupted_at_any_write_of_the_key_store_it_goes_on(busy, monkeypatch):
    number = begin(busy, subject_of(busy, PEOPLE[0]))
    left = [0]
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, _failing(getattr(os, name), left))
    places = []
    for place in range(60):
        left[0] = place
        try:
            progress = erasing.advance(busy.runtime, number)
        except OSError:
            places.append(place)
            continue
        break
    left[0] = -1

    assert len(places) > 3
    assert progress.stage is Stage.DONE
    assert sent_to(busy) == set(PEOPLE[1:])
    assert len(open_keyring(busy.runtime.settings).table.indexes) == 1
    assert list(replaying.check(busy.runtime)) == []


def _failing(real, left):
    def call(*arguments, **named):
        if left[0] >= 0:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(28, "No space left on device")
        return real(*arguments, **named)

    return call


def test_a_copy_from_before_an_erasure_is_mended_and_the_erased_stay_so(
    busy, database_url, tmp_path, clock, provider
):
    """Put back after a disaster: everybody but who was forgotten is there, and found."""
    before = everybody(busy)
    busy.runtime.database.dispose()
    with copied(database_url, tmp_path) as old:
        number = begin(busy, before[PEOPLE[0]])
        assert erasing.advance(busy.runtime, number).stage is Stage.DONE
        busy.runtime.database.dispose()

        with contextmanager(make_runtime)(old, tmp_path / "home", clock, provider) as runtime:
            restored = World(runtime, clock, provider, sids=count(1 << 80))
            with runtime.reading() as session:
                keystate.check(session, runtime.keyring)
            with pytest.raises(KeysMismatch, match="older copy"):
                restored.text(PEOPLE[1], "STOP")

            erasing.tend(runtime)
            erasing.tend(runtime)

            assert everybody(restored) == {one: before[one] for one in PEOPLE[1:]}
            assert restored.text(PEOPLE[1], "STOP")
            assert sent_to(restored) == set(PEOPLE[2:])
            assert list(checking.check(runtime)) == []
            assert list(replaying.check(runtime)) == []
            erased = [one for one in restored.entries() if one.event == "erased"]
            assert [one.subject for one in erased] == [before[PEOPLE[0]]]


def test_an_older_key_store_is_refused(busy):
    path = keystore.path_of(busy.runtime.settings)
    kept = path.read_bytes()
    number = begin(busy, subject_of(busy, PEOPLE[0]))
    erasing.advance(busy.runtime, number)

    path.write_bytes(kept)
    old = open_keyring(busy.runtime.settings)

    with busy.runtime.transaction() as session:
        for refuse in (
            lambda: keystate.check(session, old),
            lambda: people.lock_or_create(session, old, Address.parse(phone(50)), busy.clock.now()),
        ):
            with pytest.raises(KeysMismatch, match="older than the database"):
                refuse()


def test_an_installation_that_is_older_than_the_key_store_is_taken_over(busy):
    """Its keys followed from the master key; from then on they do not, and it can forget."""
    runtime, master = busy.runtime, busy.runtime.keyring.master_key
    before = everybody(busy)
    path = keystore.path_of(runtime.settings)
    _make_former(busy, master)
    path.unlink()
    keystore.create(path, master, KeyTable.adopting(master))
    runtime.keyring.reload()
    assert everybody(busy) == before
    busy.text(phone(60), "SPORT AAN")

    number = begin(busy, before[PEOPLE[0]])
    assert erasing.advance(runtime, number).stage is Stage.DONE

    assert not rekeying.is_due(runtime)
    assert runtime.keyring.table.former is None
    with runtime.reading() as session:
        rows = session.execute(select(Subscriber)).scalars().all()
        found = people.find(session, runtime.keyring, [Address.parse(phone(60))])
    assert all(place_of(row.key_wrapped) for row in rows if row.erased_at is None)
    assert len(found) == 1
    assert sent_to(busy) == set(PEOPLE[1:])


def _make_former(busy, master):
    """Put everybody's row into the form that it had before there was a key store."""
    former, keyring = KeyTable.adopting(master), busy.runtime.keyring
    cipher = Keyring(master, former)
    with busy.runtime.transaction() as session:
        state = keystate.lock(session)
        state.name, state.generation, state.epoch = None, 0, 0
        for wire in PEOPLE:
            (row,) = people.find(session, keyring, [Address.parse(wire)])
            row.key_wrapped = _wrapped_formerly(former, keyring.unwrap(row.key_wrapped))
            row.address_index = cipher.blind_index(Address.parse(wire))
            row.key_leaf = None


def _wrapped_formerly(table, key):
    nonce = os.urandom(12)
    return nonce + AESGCM(table.former).encrypt(nonce, key, b"subject-key")


STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "erase", "send", "renew"]), st.integers(0, 4)),
    max_size=12,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whoever_was_forgotten_gets_nothing_until_they_join_again(world, steps):
    """Any order of joining, leaving, forgetting, renewing and sending, against a plain model."""
    on = set()
    for author in PEOPLE:
        world.text(author, "STOP")
    world.sids = count(int.from_bytes(os.urandom(8)) << 40)
    for step, who in steps:
        author = PEOPLE[who]
        world.clock.advance(hours=1)
        if step == "join":
            world.text(author, "NRC AAN")
            on.add(author)
        elif step == "leave":
            world.text(author, "NRC UIT")
            on.discard(author)
        elif step == "renew":
            rekeying.renew_index(world.runtime)
        elif step == "send":
            # Nothing can be scheduled to nobody.
            assert not on or sent_to(world) == on
        else:
            with world.runtime.reading() as session:
                found = people.find(session, world.runtime.keyring, [Address.parse(author)])
            if found:
                number = begin(world, found[0].subject)
                assert erasing.advance(world.runtime, number).stage is Stage.DONE
            on.discard(author)
    assert not on or sent_to(world) == on
    assert list(replaying.check(world.runtime)) == []
