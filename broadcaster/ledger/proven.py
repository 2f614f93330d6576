"""The lines that prove the entries of a part of a log: each one's place, and its inclusion proof."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from broadcaster.ledger import canonical
from broadcaster.ledger.errors import BundleError, CanonicalError

#: A tree of 2^63 entries has proofs of so many hashes.
LONGEST_PROOF = 63
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is in the log.

    Attributes:
        index: Counted from 0.
        proof: Hashes from the entry's neighbour up to the root's child.
    """

    index: int
    proof: Sequence[bytes]

    def to_bytes(self) -> bytes:
        """Give the line, without its end."""
        return canonical.encode({"index": self.index, "proof": [item.hex() for item in self.proof]})


def parse_place(line: bytes) -> Place:
    """Read what `Place.to_bytes` gave.

    Raises:
        BundleError: it has another form, hashes of another length among them.
    """
    try:
        value = canonical.parse(line)
    except CanonicalError as error:
        message = f"a line of proofs is {error}"
        raise BundleError(message) from error
    if not _is_place(value):
        message = f"a line of proofs has an index and at most {LONGEST_PROOF} hashes of 32 bytes"
        raise BundleError(message)
    return Place(value["index"], [bytes.fromhex(item) for item in value["proof"]])


def _is_place(value: Any) -> bool:  # noqa: ANN401 - JSON has any shape
    return (
        isinstance(value, dict)
        and value.keys() == {"index", "proof"}
        and type(value["index"]) is int
        and value["index"] >= 0
        and isinstance(value["proof"], list)
        and len(value["proof"]) <= LONGEST_PROOF
        and all(isinstance(item, str) and _HASH.fullmatch(item) for item in value["proof"])
    )
