"""Keys over personal data: what is stored can be found by its owner's number and then forgotten.

Each subject has a key of its own, wrapped under a key of the key table. Whatever is private is
sealed under the subject's key, so that destroying that one makes all of it unreadable. A number is
found by a keyed index: without the table nobody can try all numbers of a country.
"""

from __future__ import annotations

import hmac
import os
import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broadcaster.core import keytree
from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import KeyGone
from broadcaster.core.keytable import KEY_BYTES, KeyTable, derive

_NONCE_BYTES = 12
# What a new subject takes: a key; nonces for itself, its address and its first words; a leaf.
_DRAWN = struct.Struct(f">{KEY_BYTES}s{_NONCE_BYTES}s{_NONCE_BYTES}s{_NONCE_BYTES}sH")
# Under how many leaves the keys of one batch are wrapped: who is forgotten costs those who share
# theirs a new wrapping, so no leaf may get many.
_NEIGHBOURS = 256
# Which leaf of the table's tree a subject's key is wrapped under, and in which version.
_PLACE = struct.Struct(">HI")
# A subject's key as it was wrapped before there was a table: it names no leaf.
_FORMER_BYTES = _NONCE_BYTES + KEY_BYTES + 16


class Keyring:
    """Everything that opens, closes and finds personal data.

    Args:
        master_key: 32 random bytes, kept outside the database.
        table: the key table; without one all keys follow from the master key and none can vanish.
        reload: reads the table again, as another process may have changed it.
    """

    def __init__(
        self,
        master_key: bytes,
        table: KeyTable | None = None,
        reload: Callable[[], KeyTable] | None = None,
    ) -> None:
        if len(master_key) != KEY_BYTES:
            message = f"The master key must be {KEY_BYTES} bytes long."
            raise ValueError(message)
        self.master_key = master_key
        self._table = table or KeyTable.following(master_key)
        # What a worker holds under way may still be wrapped as it was before the last change.
        self._previous = self._table
        self._reload = reload
        # Derived once: a broadcast asks for these a thousand times a second.
        self._parents: dict[str, bytes | None] = {}
        self._token_keys: dict[str, bytes] = {}

    def __repr__(self) -> str:
        """Name the table, and no key."""
        return f"Keyring({self._table.name!r})"

    @property
    def table(self) -> KeyTable:
        """The table as this process knows it."""
        return self._table

    def adopt(self, table: KeyTable) -> None:
        """Go on with a table that was changed."""
        if table.generation != self._table.generation or table.name != self._table.name:
            self._previous, self._table, self._parents = self._table, table, {}

    def reload(self) -> None:
        """Read the table again."""
        if self._reload is not None:
            self.adopt(self._reload())

    def blind_index(self, address: Address, epoch: int | None = None) -> bytes:
        """Return the 32 bytes under which an address is found; one address, one index.

        Args:
            address: whose.
            epoch: of the index; the newest if left out.
        """
        table = self._table
        key = table.indexes[table.epoch if epoch is None else epoch]
        return hmac.digest(key, address.wire.encode(), "sha256")

    def blind_indexes(self, address: Address) -> tuple[bytes, ...]:
        """Return all that an address may be found under: more than one while the index is renewed."""
        return tuple(
            hmac.digest(key, address.wire.encode(), "sha256")
            for key in self._table.indexes.values()
        )

    def suppression_mark(self, address: Address) -> bytes:
        """Return the 32 bytes that keep a number from being imported; the same on every channel."""
        return hmac.digest(self._table.suppression, address.value.encode(), "sha256")

    def new_subject_key(self) -> tuple[bytes, bytes]:
        """Make a subject's key; return it bare, for use now, and wrapped, for storing."""
        key = os.urandom(KEY_BYTES)
        return key, self.wrap_anywhere(key)

    def wrap_anywhere(self, key: bytes) -> bytes:
        """Wrap a subject's key under a leaf that tells nothing of whose it is."""
        return self.wrap(key, secrets.randbelow(keytree.LEAVES))

    def wrap(self, key: bytes, leaf: int) -> bytes:
        """Wrap a subject's key under the newest key of a leaf, for storing."""
        return self._wrap(key, leaf, os.urandom(_NONCE_BYTES))

    def _wrap(self, key: bytes, leaf: int, nonce: bytes) -> bytes:
        place = _PLACE.pack(leaf, self._table.newest(leaf))
        sealed = self._cipher(place).encrypt(nonce, key, b"subject-key" + place)
        return place + nonce + sealed

    def new_subjects(self, addresses: Sequence[Address]) -> Iterator[NewSubject]:
        """Make keys for many subjects at once, and seal the address of each.

        One request for randomness is for all of them: a request for each takes longer than sealing.
        Their leaves are neighbours, so that the database's index of leaves, too, changes in few
        places; that they came together is no secret.
        """
        first = secrets.randbelow(keytree.LEAVES)
        drawn = _DRAWN.iter_unpack(os.urandom(len(addresses) * _DRAWN.size))
        for address, (key, for_key, for_address, for_text, number) in zip(
            addresses, drawn, strict=True
        ):
            leaf, cipher = (first + number % _NEIGHBOURS) % keytree.LEAVES, AESGCM(key)
            purpose = _address_purpose(address.channel.value)
            yield NewSubject(
                key,
                self._wrap(key, leaf, for_key),
                leaf,
                for_address + cipher.encrypt(for_address, address.value.encode(), purpose),
                cipher,
                for_text,
            )

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a stored subject key, bare.

        Raises:
            KeyGone: what it was wrapped under has vanished, or the subject was erased.
            InvalidTag: it was wrapped under other keys than ours.
        """
        if len(wrapped) == _FORMER_BYTES:
            former = self._table.former
            if former is None:
                raise KeyGone
            return _open(AESGCM(former), wrapped, b"subject-key")
        if len(wrapped) < _PLACE.size:
            raise KeyGone
        place = wrapped[: _PLACE.size]
        return _open(self._cipher(place), wrapped[_PLACE.size :], b"subject-key" + place)

    def _cipher(self, place: bytes) -> AESGCM:
        leaf, version = _PLACE.unpack(place)
        key = self._leaf_key(leaf) if version == 0 else self._table.wrapping(leaf, version)
        if key is None:
            self.reload()
            key = self._table.wrapping(leaf, version) or self._previous.wrapping(leaf, version)
        if key is None:
            raise KeyGone
        return AESGCM(key)

    def _leaf_key(self, leaf: int) -> bytes | None:
        """Derive a leaf's first key from its parent, of which there are few enough to remember."""
        path, parents = keytree.path_of(leaf), self._parents
        parent = path[:-1]
        if parent not in parents:
            parents[parent] = keytree.descend(self._table.nodes, parent)
        seed = parents[parent]
        if seed is None:
            return self._table.wrapping(leaf, 0)
        return keytree.child(seed, path[-1])

    def token(self, purpose: str, number: int) -> str:
        """Return a short code that proves that we ourselves named this number for this purpose."""
        key = self._token_keys.get(purpose)
        if key is None:
            key = self._token_keys[purpose] = derive(self._table.tokens, purpose)
        return hmac.digest(key, str(number).encode(), "sha256")[:10].hex()


@dataclass(slots=True)
class NewSubject:
    """A subject's key, bare and wrapped under a leaf, and the address sealed under it."""

    key: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    leaf: int
    address_sealed: bytes = field(repr=False)
    _cipher: AESGCM = field(repr=False)
    _nonce: bytes = field(repr=False)

    def seal_text(self, text: str) -> bytes:
        """Seal words or evidence, once: what comes after it has to be sealed with another nonce."""
        nonce, self._nonce = self._nonce, os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), b"text")


def place_of(wrapped: bytes) -> tuple[int, int] | None:
    """Return the leaf and version that a stored subject key is wrapped under, if it names one."""
    if len(wrapped) in {0, _FORMER_BYTES} or len(wrapped) < _PLACE.size:
        return None
    leaf, version = _PLACE.unpack(wrapped[: _PLACE.size])
    return leaf, version


def leaf_of(wrapped: bytes) -> int | None:
    """Return the leaf that a stored subject key is wrapped under, if it names one."""
    place = place_of(wrapped)
    return None if place is None else place[0]


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
