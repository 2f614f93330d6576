"""Keys over personal data: what is stored can be found by its owner's number and then forgotten.

Each subject has a key of its own, wrapped by the master key. Whatever is private is sealed
under the subject's key, so that deleting one row makes all of it unreadable. A number is found
by a keyed index: without the master key nobody can try all numbers of a country.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broadcaster.core.address import Address, Channel

KEY_BYTES = 32
_NONCE_BYTES = 12


def _derive(master_key: bytes, purpose: str) -> bytes:
    return hmac.digest(master_key, f"broadcaster/{purpose}/1".encode(), "sha256")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Everything derived from the master key.

    Args:
        master_key: 32 random bytes, kept outside the database.
    """

    master_key: bytes = field(repr=False)
    # Derived once: a broadcast asks for each of these a thousand times a second.
    _index_key: bytes = field(init=False, repr=False, compare=False)
    _suppression_key: bytes = field(init=False, repr=False, compare=False)
    _wrapping: AESGCM = field(init=False, repr=False, compare=False)
    _token_keys: dict[str, bytes] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        if len(self.master_key) != KEY_BYTES:
            message = f"The master key must be {KEY_BYTES} bytes long."
            raise ValueError(message)
        set_once = object.__setattr__
        set_once(self, "_index_key", _derive(self.master_key, "address-index"))
        set_once(self, "_suppression_key", _derive(self.master_key, "suppression"))
        set_once(self, "_wrapping", AESGCM(_derive(self.master_key, "key-wrapping")))

    def blind_index(self, address: Address) -> bytes:
        """Return the 32 bytes under which an address is found; one address, one index."""
        return hmac.digest(self._index_key, address.wire.encode(), "sha256")

    def suppression_mark(self, address: Address) -> bytes:
        """Return the 32 bytes that keep a number from being imported; the same on every channel."""
        return hmac.digest(self._suppression_key, address.value.encode(), "sha256")

    def new_subject_key(self) -> tuple[bytes, bytes]:
        """Make a subject's key; return it bare, for use now, and wrapped, for storing."""
        key = os.urandom(KEY_BYTES)
        return key, _seal(self._wrapping, key, b"subject-key")

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a stored subject key, bare."""
        return _open(self._wrapping, wrapped, b"subject-key")

    def token(self, purpose: str, number: int) -> str:
        """Return a short code that proves that we ourselves named this number for this purpose."""
        key = self._token_keys.get(purpose)
        if key is None:
            key = self._token_keys[purpose] = _derive(self.master_key, purpose)
        return hmac.digest(key, str(number).encode(), "sha256")[:10].hex()


def seal_address(key: bytes, address: Address) -> bytes:
    """Seal an address under its subject's key."""
    return _seal(AESGCM(key), address.value.encode(), b"address/" + address.channel.value.encode())


def open_address(key: bytes, channel: str, sealed: bytes) -> Address:
    """Open a sealed address."""
    return Address(
        Channel(channel), _open(AESGCM(key), sealed, b"address/" + channel.encode()).decode()
    )


def seal_text(key: bytes, text: str) -> bytes:
    """Seal words or evidence under their subject's key."""
    return _seal(AESGCM(key), text.encode(), b"text")


def open_text(key: bytes, sealed: bytes) -> str:
    """Open sealed words or evidence."""
    return _open(AESGCM(key), sealed, b"text").decode()


def _seal(cipher: AESGCM, plain: bytes, purpose: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, purpose)


def _open(cipher: AESGCM, sealed: bytes, purpose: bytes) -> bytes:
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose)
