"""Personal data: found by its owner, unreadable without the subject's key."""

from __future__ import annotations

from collections import Counter

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.address import Address
from broadcaster.core.keytree import LEAVES
from broadcaster.core.sealing import (
    Keyring,
    leaf_of,
    open_address,
    open_text,
    seal_address,
    seal_text,
)

ADDRESS = Address.parse("+15550100001")
KEYRING = Keyring(bytes(range(32)))


@given(st.text())
def test_what_is_sealed_opens_with_its_key_and_no_other(text):
    key, wrapped = KEYRING.new_subject_key()
    other, _wrapped = KEYRING.new_subject_key()
    sealed = seal_text(key, text)

    assert open_text(KEYRING.unwrap(wrapped), sealed) == text
    with pytest.raises(InvalidTag):
        open_text(other, sealed)


def test_an_address_opens_on_its_channel_only():
    key, _wrapped = KEYRING.new_subject_key()
    sealed = seal_address(key, ADDRESS)

    assert open_address(key, "sms", sealed) == ADDRESS
    with pytest.raises(InvalidTag):
        open_address(key, "whatsapp", sealed)


def test_the_index_finds_an_address_under_one_master_key_only():
    assert KEYRING.blind_index(ADDRESS) == Keyring(bytes(range(32))).blind_index(ADDRESS)
    assert KEYRING.blind_index(ADDRESS) != Keyring(bytes(32)).blind_index(ADDRESS)
    on_whatsapp = Address.parse("whatsapp:+15550100001")
    assert KEYRING.blind_index(ADDRESS) != KEYRING.blind_index(on_whatsapp)


def test_a_wrapped_key_opens_under_its_master_key_only():
    _key, wrapped = KEYRING.new_subject_key()

    with pytest.raises(InvalidTag):
        Keyring(bytes(32)).unwrap(wrapped)


def test_a_keyring_prints_no_key_and_takes_only_whole_ones():
    assert "0102" not in repr(KEYRING)
    assert "\\x01" not in repr(KEYRING)
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(b"short")


def test_a_token_is_for_one_number_and_one_purpose():
    assert KEYRING.token("delivery", 1) != KEYRING.token("delivery", 2)
    assert KEYRING.token("delivery", 1) != KEYRING.token("other", 1)


def test_people_who_come_together_have_keys_of_their_own_under_neighbouring_leaves():
    addresses = [Address.parse(f"+1555010{number:04d}") for number in range(3_000)]

    made = list(KEYRING.new_subjects(addresses))

    assert [
        open_address(KEYRING.unwrap(one.wrapped), "sms", one.address_sealed) for one in made
    ] == (addresses)
    assert len({one.key for one in made}) == len(made)
    assert [leaf_of(one.wrapped) for one in made] == [one.leaf for one in made]
    shared = Counter(one.leaf for one in made)
    # Nobody's leaf is shared by so many that forgetting one of them takes long.
    assert max(shared.values()) < 60
    first = min(shared, key=lambda leaf: sum((other - leaf) % LEAVES for other in shared))
    assert all((leaf - first) % LEAVES < 256 for leaf in shared)


def test_no_two_things_are_sealed_with_the_same_nonce():
    one = next(KEYRING.new_subjects([ADDRESS]))

    sealed = [one.seal_text("NRC AAN"), one.seal_text("NRC UIT"), one.address_sealed]

    assert len({each[:12] for each in sealed}) == len(sealed)
    assert [open_text(one.key, each) for each in sealed[:2]] == ["NRC AAN", "NRC UIT"]
