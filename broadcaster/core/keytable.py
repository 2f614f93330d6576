"""The key table: every key over personal data that must be able to vanish, apart from the database.

It is kept outside the database (`broadcaster.storage.keystore`), sealed under the master key, and
changes at each erasure: so a copy of the database from before and the table from after open
nothing of who was erased. What is said here is pure; who keeps it writes it down.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from broadcaster.core import keytree

KEY_BYTES = 32


def derive(key: bytes, purpose: str) -> bytes:
    """Return another key that follows from this one, and leads back to it for nobody."""
    return hmac.digest(key, f"broadcaster/{purpose}/1".encode(), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTable:
    """All of them at one time.

    Args:
        name: which table this is, through all its changes; random.
        generation: how often it was changed.
        tokens: from which codes in our URLs follow.
        suppression: hashes numbers that no import may bring back.
        indexes: hash addresses so that they are found: by epoch, the newest for all that is new.
        nodes: the tree of keys that wrap subject keys.
        leaves: keys in the place of leaves that were taken out of it, by leaf and version.
        former: wraps subject keys of an installation that is older than this table.
    """

    name: str
    generation: int = 0
    tokens: bytes = field(repr=False)
    suppression: bytes = field(repr=False)
    indexes: Mapping[int, bytes] = field(repr=False)
    nodes: Mapping[str, bytes] = field(repr=False)
    leaves: Mapping[int, Mapping[int, bytes]] = field(
        repr=False, default_factory=lambda: MappingProxyType({})
    )
    former: bytes | None = field(repr=False, default=None)

    @classmethod
    def new(cls) -> Self:
        """Make a table of random keys."""
        return cls(
            name=os.urandom(8).hex(),
            tokens=os.urandom(KEY_BYTES),
            suppression=os.urandom(KEY_BYTES),
            indexes={1: os.urandom(KEY_BYTES)},
            nodes={"": os.urandom(KEY_BYTES)},
        )

    @classmethod
    def adopting(cls, master_key: bytes) -> Self:
        """Make a table for an installation whose keys all followed from the master key."""
        return replace(
            cls.new(),
            indexes={0: derive(master_key, "address-index")},
            former=derive(master_key, "key-wrapping"),
        )

    @classmethod
    def following(cls, master_key: bytes) -> Self:
        """Make a table that follows from the master key: nothing in it can vanish. For tests."""
        return cls(
            name="",
            tokens=master_key,
            suppression=derive(master_key, "suppression"),
            indexes={0: derive(master_key, "address-index")},
            nodes={"": derive(master_key, "key-tree")},
        )

    @property
    def epoch(self) -> int:
        """The newest epoch of the index."""
        return max(self.indexes)

    def newest(self, leaf: int) -> int:
        """Return the version of a leaf's key that new subject keys are wrapped under."""
        return max(self.leaves.get(leaf, {0: b""}))

    def wrapping(self, leaf: int, version: int) -> bytes | None:
        """Return a leaf's key in some version; None if it has vanished, or is of a later table."""
        if version == 0:
            return keytree.derive(self.nodes, leaf)
        return self.leaves.get(leaf, {}).get(version)

    def with_next_leaf(self, leaf: int) -> Self:
        """Give a leaf a new key, beside those that it has."""
        versions = {**self.leaves.get(leaf, {}), self.newest(leaf) + 1: os.urandom(KEY_BYTES)}
        return self._changed(leaves={**self.leaves, leaf: versions})

    def without_leaf(self, leaf: int, version: int) -> Self:
        """Let a leaf's keys vanish up to a version."""
        kept = {n: key for n, key in self.leaves.get(leaf, {}).items() if n > version}
        if not kept:
            message = "A leaf without a newer key cannot be taken out."
            raise ValueError(message)
        return self._changed(
            leaves={**self.leaves, leaf: kept}, nodes=keytree.take_out(self.nodes, leaf)
        )

    def with_next_index(self) -> Self:
        """Begin a new epoch of the index; the earlier ones go on until nothing is found by them."""
        return self._changed(indexes={**self.indexes, self.epoch + 1: os.urandom(KEY_BYTES)})

    def without_earlier_indexes(self) -> Self:
        """Let all epochs of the index vanish but the newest, and what is older than the table."""
        return self._changed(indexes={self.epoch: self.indexes[self.epoch]}, former=None)

    def _changed(self, **values: Any) -> Self:  # noqa: ANN401 - fields of this class
        return replace(self, generation=self.generation + 1, **values)

    def to_json(self) -> dict[str, object]:
        """Give what `from_json` reads."""
        return {
            "tokens": self.tokens.hex(),
            "suppression": self.suppression.hex(),
            "indexes": {str(epoch): key.hex() for epoch, key in self.indexes.items()},
            "nodes": {path: seed.hex() for path, seed in self.nodes.items()},
            "leaves": {
                str(leaf): {str(version): key.hex() for version, key in versions.items()}
                for leaf, versions in self.leaves.items()
            },
            "former": self.former.hex() if self.former else None,
        }

    @classmethod
    def from_json(cls, name: str, generation: int, value: dict[str, Any]) -> Self:
        """Read what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it gave no such thing.
        """
        return cls(
            name=name,
            generation=generation,
            tokens=bytes.fromhex(value["tokens"]),
            suppression=bytes.fromhex(value["suppression"]),
            indexes={int(epoch): bytes.fromhex(key) for epoch, key in value["indexes"].items()},
            nodes={path: bytes.fromhex(seed) for path, seed in value["nodes"].items()},
            leaves={
                int(leaf): {int(version): bytes.fromhex(key) for version, key in versions.items()}
                for leaf, versions in value["leaves"].items()
            },
            former=bytes.fromhex(value["former"]) if value["former"] else None,
        )
