"""One life of a delivery: which state may follow which, and what a late callback may still change.

queued → claimed → accepted → sent → delivered → read, or one of failed, undelivered, skipped,
unknown. Callbacks come in any order and any number; the highest rank wins, so that every order
ends the same.
"""

from __future__ import annotations

from enum import StrEnum

from broadcaster.core.messages import ProviderStatus


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class SkipReason(StrEnum):
    """Why a member of the audience got nothing, on purpose."""

    LEFT = "left"
    CARRIER_BLOCKED = "carrier_blocked"
    CANCELLED = "cancelled"


#: Not yet decided: while any delivery is here, its bulletin cannot be finished.
OPEN = frozenset({State.QUEUED, State.CLAIMED})
#: The provider took these; the person may have the message.
TAKEN = frozenset({State.ACCEPTED, State.SENT, State.DELIVERED, State.READ, State.UNDELIVERED})

# A delivery that was refused or lost can still turn out to have been taken, and a message that
# was reported undelivered can still turn up: whoever says "delivered" knows more.
_RANK = {
    State.QUEUED: 0,
    State.CLAIMED: 0,
    State.UNKNOWN: 1,
    State.ACCEPTED: 2,
    State.SENT: 4,
    State.UNDELIVERED: 5,
    State.FAILED: 5,
    State.DELIVERED: 6,
    State.READ: 7,
}

_FROM_PROVIDER = {
    ProviderStatus.ACCEPTED: State.ACCEPTED,
    ProviderStatus.SCHEDULED: State.ACCEPTED,
    ProviderStatus.QUEUED: State.ACCEPTED,
    ProviderStatus.SENDING: State.ACCEPTED,
    ProviderStatus.SENT: State.SENT,
    ProviderStatus.PARTIALLY_DELIVERED: State.SENT,
    ProviderStatus.DELIVERED: State.DELIVERED,
    ProviderStatus.READ: State.READ,
    ProviderStatus.UNDELIVERED: State.UNDELIVERED,
    ProviderStatus.FAILED: State.UNDELIVERED,
    ProviderStatus.CANCELED: State.UNDELIVERED,
}


def state_of(status: ProviderStatus) -> State | None:
    """Translate the provider's word; None for a word that says nothing about an outbound text."""
    return _FROM_PROVIDER.get(status)


def merge(current: State, reported: State) -> State:
    """Return the state after a report, whatever order reports come in.

    Args:
        current: where the delivery stands.
        reported: what the provider says.

    A skipped delivery was never handed over, so a report about it cannot be true of this
    request; it stays skipped and the caller raises an alarm.
    """
    if current is State.SKIPPED:
        return current
    return max(current, reported, key=lambda state: (_RANK[state], state.value))
