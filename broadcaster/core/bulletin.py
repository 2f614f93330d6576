"""A bulletin's states, and what may still be done in each."""

from __future__ import annotations

from enum import StrEnum


class BulletinState(StrEnum):
    """Where a bulletin stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    HELD = "held"
    SENDING = "sending"
    FINISHED = "finished"
    CANCELLED = "cancelled"


#: Its audience may be frozen, and some of it not served yet.
ON_ITS_WAY = frozenset({BulletinState.SENDING, BulletinState.HELD})
#: The text may still be changed: nothing of it has gone out.
EDITABLE = frozenset({BulletinState.DRAFT, BulletinState.SCHEDULED, BulletinState.HELD})
#: It may still be cancelled, wholly or for those who have not got it yet.
CANCELLABLE = EDITABLE | {BulletinState.SENDING}
