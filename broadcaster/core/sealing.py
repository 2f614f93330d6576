"""Keys over personal data: what is stored can be found by its owner's number and then forgotten.

Each subject has a key of its own, wrapped by the master key. Whatever is private is sealed
under the subject's key, so that deleting one row makes all of it unreadable. A number is found
by a keyed index: without the master key nobody can try all numbers of a country.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broadcaster.core.address import Address, Channel

KEY_BYTES = 32
_NONCE_BYTES = 12
# What a new subject takes: a key, and a nonce for wrapping it and one for the address.
_DRAWN_BYTES = KEY_BYTES + 2 * _NONCE_BYTES


def _derive(master_key: bytes, purpose: str) -> bytes:
    return hmac.digest(master_key, f"broadcaster/{purpose}/1".encode(), "sha256")


class _Mac:
    """HMAC-SHA-256 (RFC 2104) whose key is taken in once: three times as fast for short words."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(hashlib.sha256().block_size, b"\x00")
        self._inner = hashlib.sha256(bytes(one ^ 0x36 for one in block))
        self._outer = hashlib.sha256(bytes(one ^ 0x5C for one in block))

    def of(self, data: bytes) -> bytes:
        """Return the 32 bytes for some data."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Keyring:
    """Everything derived from the master key.

    Args:
        master_key: 32 random bytes, kept outside the database.
    """

    master_key: bytes = field(repr=False)
    # Derived once: a broadcast asks for each of these a thousand times a second.
    _indexing: _Mac = field(init=False, repr=False, compare=False)
    _suppressing: _Mac = field(init=False, repr=False, compare=False)
    _wrapping: AESGCM = field(init=False, repr=False, compare=False)
    _token_keys: dict[str, bytes] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        if len(self.master_key) != KEY_BYTES:
            message = f"The master key must be {KEY_BYTES} bytes long."
            raise ValueError(message)
        set_once = object.__setattr__
        set_once(self, "_indexing", _Mac(_derive(self.master_key, "address-index")))
        set_once(self, "_suppressing", _Mac(_derive(self.master_key, "suppression")))
        set_once(self, "_wrapping", AESGCM(_derive(self.master_key, "key-wrapping")))

    def blind_index(self, address: Address) -> bytes:
        """Return the 32 bytes under which an address is found; one address, one index."""
        return self._indexing.of(address.wire.encode())

    def suppression_index(self, address: Address) -> bytes:
        """Return the 32 bytes under which an address stays known that must not come back."""
        return self._suppressing.of(address.wire.encode())

    def new_subject_key(self) -> tuple[bytes, bytes]:
        """Make a subject's key; return it bare, for use now, and wrapped, for storing."""
        key = os.urandom(KEY_BYTES)
        return key, _seal(self._wrapping, key, b"subject-key")

    def new_subjects(self, addresses: Sequence[Address]) -> Iterator[NewSubject]:
        """Make keys for many subjects at once, and seal the address of each."""
        drawn = os.urandom(len(addresses) * _DRAWN_BYTES)
        for start, address in zip(range(0, len(drawn), _DRAWN_BYTES), addresses, strict=True):
            wrapping = start + KEY_BYTES
            key, nonce = drawn[start:wrapping], drawn[wrapping : wrapping + _NONCE_BYTES]
            other, cipher = drawn[wrapping + _NONCE_BYTES : start + _DRAWN_BYTES], AESGCM(key)
            purpose = _address_purpose(address.channel.value)
            yield NewSubject(
                key,
                nonce + self._wrapping.encrypt(nonce, key, b"subject-key"),
                other + cipher.encrypt(other, address.value.encode(), purpose),
                cipher,
            )

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a stored subject key, bare."""
        return _open(self._wrapping, wrapped, b"subject-key")

    def token(self, purpose: str, number: int) -> str:
        """Return a short code that proves that we ourselves named this number for this purpose."""
        key = self._token_keys.get(purpose)
        if key is None:
            key = self._token_keys[purpose] = _derive(self.master_key, purpose)
        return hmac.digest(key, str(number).encode(), "sha256")[:10].hex()


@dataclass(slots=True)
class NewSubject:
    """A subject's key, bare and wrapped, and the address sealed under it."""

    key: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    address_sealed: bytes = field(repr=False)
    _cipher: AESGCM = field(repr=False)

    def seal_text(self, text: str) -> bytes:
        """Seal words or evidence."""
        return _seal(self._cipher, text.encode(), b"text")


def seal_address(key: bytes, address: Address) -> bytes:
    """Seal an address under its subject's key."""
    return _seal(AESGCM(key), address.value.encode(), _address_purpose(address.channel.value))


def open_address(key: bytes, channel: str, sealed: bytes) -> Address:
    """Open a sealed address."""
    return Address(Channel(channel), _open(AESGCM(key), sealed, _address_purpose(channel)).decode())


def seal_text(key: bytes, text: str) -> bytes:
    """Seal words or evidence under their subject's key."""
    return _seal(AESGCM(key), text.encode(), b"text")


def open_text(key: bytes, sealed: bytes) -> str:
    """Open sealed words or evidence."""
    return _open(AESGCM(key), sealed, b"text").decode()


def _address_purpose(channel: str) -> bytes:
    return b"address/" + channel.encode()


def _seal(cipher: AESGCM, plain: bytes, purpose: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, purpose)


def _open(cipher: AESGCM, sealed: bytes, purpose: bytes) -> bytes:
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose)
