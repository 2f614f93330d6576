"""Personal data: found by its owner, unreadable without the subject's key."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.address import Address
from broadcaster.core.sealing import Keyring, open_address, open_text, seal_address, seal_text

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
