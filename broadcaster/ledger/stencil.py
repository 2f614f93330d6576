"""Many entries that are alike: the leaf is laid out once, and only what differs is filled in.

Writing an entry as a whole takes ten times as long, and an import writes a million.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from broadcaster.ledger import canonical
from broadcaster.ledger.entry import ConsentEntry
from broadcaster.ledger.fields import MAX_INTEGER

_FILLED = frozenset({"evidence", "id", "occurred", "prev", "subject"})
_HEX = 32
_VARIANT = "89ab"


class Stencil:
    """Writes leaves that differ in evidence, id, occurred, prev and subject only.

    Args:
        model: an entry with everything that they share.

    Raises:
        EntryError: such an entry can be too long.
    """

    def __init__(self, model: ConsentEntry) -> None:
        longest = canonical.parse(replace(model, prev=MAX_INTEGER).to_bytes())
        parts = [_part(name, longest[name]) for name in longest]
        self._form = "{" + ",".join(parts) + "}"

    def leaf(
        self, *, evidence: str, id_: str, occurred: str, prev: int | None, subject: str
    ) -> bytes:
        """Give the leaf that `ConsentEntry.to_bytes` would give.

        Args:
            evidence: what `evidence_commitment` gave.
            id_: a random UUIDv4, as `random_ids` makes them.
            occurred: as `format_moment` writes it.
            prev: the index of this subject's previous entry.
            subject: 32 hex digits.
        """
        before = "null" if prev is None else prev
        return (self._form % (evidence, id_, occurred, before, subject)).encode()


def random_ids(count: int) -> Iterator[str]:
    """Yield random UUIDs of version 4, from one request for randomness."""
    digits = os.urandom(count * _HEX // 2).hex()
    for start in range(0, count * _HEX, _HEX):
        one = digits[start : start + _HEX]
        variant = _VARIANT[int(one[16], 16) & 3]
        yield f"{one[:8]}-{one[8:12]}-4{one[13:16]}-{variant}{one[17:20]}-{one[20:]}"


def _part(name: str, value: object) -> str:
    if name == "prev":
        return '"prev":%s'
    if name in _FILLED:
        return f'"{name}":"%s"'
    return f'"{name}":{canonical.encode(value).decode().replace("%", "%%")}'
