"""What a verification of the ledger's tables says: which row, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written.

    Args:
        where: the table and the row.
        what: in a sentence.
    """

    where: str
    what: str
