"""A bulletin's states, and what may still be done in each."""

from __future__ import annotations

from enum import StrEnum


class BulletinState(StrEnum):
    """Where a bulletin stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"  # by a person
    HELD = "held"  # by itself; HeldReason says why, and a person decides
    FINISHED = "finished"
    CANCELLED = "cancelled"


class HeldReason(StrEnum):
    """Why a bulletin holds by itself until a person says that it goes on."""

    LATE = "late"  # found later than its grace, after an outage
    STANDSTILL = "standstill"  # nothing moved for longer than the grace
    REFUSED = "refused"  # the provider refuses it in a way that holds for everybody
    FAILURES = "failures"  # too many of its messages failed
    UNCERTAIN = "uncertain"  # of too many nobody knows whether the provider took them
    RESTORED = "restored"  # the database is older than what the provider has sent
    LEDGER = "ledger"  # the ledger is not what was written


#: Its audience may be frozen, and some of it not served yet.
ON_ITS_WAY = frozenset({BulletinState.SENDING, BulletinState.PAUSED, BulletinState.HELD})
#: The text may still be changed: nothing of it has gone out.
EDITABLE = frozenset({BulletinState.DRAFT, BulletinState.SCHEDULED, BulletinState.HELD})
#: It may still be cancelled, wholly or for those who have not got it yet.
CANCELLABLE = EDITABLE | {BulletinState.SENDING, BulletinState.PAUSED}
