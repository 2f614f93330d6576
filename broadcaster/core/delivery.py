"""One life of a delivery: which state may follow which, and what a late callback may still change.

queued → claimed → handed over → accepted → sent → delivered → read, or one of failed, undelivered,
skipped, expired, unknown, held. Callbacks come in any order and any number; the highest rank wins,
so that every order ends the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from broadcaster.core.messages import ProviderStatus


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"  # waits
    CLAIMED = "claimed"  # a worker has it: consent decided, the intent written down, nothing sent
    HANDED_OVER = "handed_over"  # written down just before the request leaves
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPIRED = "expired"  # its time was over before the provider took it
    UNKNOWN = "unknown"  # nobody knows whether the provider took it; it is being looked up
    HELD = "held"  # nobody knows, and it cannot be looked up: a person decides


class SkipReason(StrEnum):
    """Why a member of the audience got nothing, on purpose."""

    LEFT = "left"
    CARRIER_BLOCKED = "carrier_blocked"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


#: No request can have left: whoever stops these in time has stopped them for certain.
WAITING = frozenset({State.QUEUED, State.CLAIMED})
#: Not yet decided: while any delivery is here, its bulletin cannot be finished.
OPEN = WAITING | {State.HANDED_OVER, State.UNKNOWN}
#: The provider took these; the person may have the message.
TAKEN = frozenset({State.ACCEPTED, State.SENT, State.DELIVERED, State.READ, State.UNDELIVERED})

#: What may follow what. A callback proves acceptance whatever we believed before: that is why
#: TAKEN follows nearly everything.
MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        # Held: the database was restored, and the provider's list does not tell.
        State.QUEUED: frozenset({State.CLAIMED, State.SKIPPED, State.EXPIRED, State.HELD}) | TAKEN,
        State.CLAIMED: frozenset(
            {State.QUEUED, State.HANDED_OVER, State.SKIPPED, State.EXPIRED, State.FAILED}
        )
        | TAKEN,
        State.HANDED_OVER: frozenset(
            {State.QUEUED, State.FAILED, State.UNKNOWN, State.HELD, State.SKIPPED, State.EXPIRED}
        )
        | TAKEN,
        State.UNKNOWN: frozenset(
            {State.QUEUED, State.FAILED, State.HELD, State.SKIPPED, State.EXPIRED}
        )
        | TAKEN,
        State.HELD: frozenset({State.QUEUED, State.SKIPPED, State.FAILED}) | TAKEN,
        State.ACCEPTED: TAKEN - {State.ACCEPTED},
        State.SENT: TAKEN - {State.ACCEPTED, State.SENT},
        State.UNDELIVERED: frozenset({State.DELIVERED, State.READ}),
        State.DELIVERED: frozenset({State.READ}),
        State.READ: frozenset(),
        State.FAILED: TAKEN,
        State.SKIPPED: TAKEN,
        State.EXPIRED: TAKEN,
    }
)

# A delivery that was refused or lost can still turn out to have been taken, and a message that
# was reported undelivered can still turn up: whoever says "delivered" knows more.
_RANK = {
    State.QUEUED: 0,
    State.CLAIMED: 0,
    State.HANDED_OVER: 0,
    State.UNKNOWN: 1,
    State.HELD: 1,
    State.FAILED: 1,
    State.SKIPPED: 1,
    State.EXPIRED: 1,
    State.ACCEPTED: 2,
    State.SENT: 4,
    State.UNDELIVERED: 5,
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


def may_follow(current: State, following: State) -> bool:
    """Tell whether a delivery may go from one state to another."""
    return following in MOVES[current]


def merge(current: State, reported: State) -> State:
    """Return the state after a report, whatever order reports come in.

    Args:
        current: where a delivery stands for which a request was made.
        reported: what the provider says became of that request: one of ``TAKEN``.
    """
    return max(current, reported, key=lambda state: _RANK[state])
