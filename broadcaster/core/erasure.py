"""The stages of forgetting somebody: each is reached once, and only the next one may follow."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """How far an erasure is, in this order."""

    STOPPED = "stopped"  # nothing is sent any more, the ledger says so, the number leads nowhere
    LISTED = "listed"  # what the provider holds of them is known
    BLANKED = "blanked"  # key, address, texts and evidence are out of the database
    CUT = "cut"  # keys of earlier copies of the database are out of the key store
    DONE = "done"  # the provider holds nothing any more


#: Stages after which nothing of the person can be read here, whatever copy of the database.
UNREADABLE = frozenset({Stage.CUT, Stage.DONE})
