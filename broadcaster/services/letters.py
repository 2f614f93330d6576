"""Letters: what was handed over, as the provider is asked for it."""

from __future__ import annotations

import math
from typing import NamedTuple

import structlog
from cryptography.exceptions import InvalidTag

from broadcaster.core.address import Address, Channel
from broadcaster.core.messages import OutboundMessage
from broadcaster.core.sealing import open_address
from broadcaster.runtime import Runtime
from broadcaster.services import statuses
from broadcaster.services.claiming import Ready
from broadcaster.storage.claims import Claim

_log = structlog.get_logger()

_STATUS_PATH = "/webhooks/twilio/status"
_LONGEST_VALIDITY = 36_000


class Letter(NamedTuple):
    """What was handed over.

    Args:
        ready: the claim, and when its request may begin.
        attempt: the number of the hand-over.
        message: what to ask for; None if the row cannot be opened.
    """

    ready: Ready
    attempt: int
    message: OutboundMessage | None


def write(runtime: Runtime, ready: Ready, attempt: int) -> Letter:
    """Write the letter of a hand-over; one row that cannot be opened keeps no other from leaving."""
    try:
        return Letter(ready, attempt, compose(runtime, ready.claim))
    except (InvalidTag, ValueError):
        _log.exception("delivery_unreadable", delivery=ready.claim.delivery_id)
        return Letter(ready, attempt, None)


def compose(runtime: Runtime, claim: Claim) -> OutboundMessage:
    """Write the message of a claim: to whom, with which words, and where its fate is reported."""
    lot = claim.lot
    key = runtime.keyring.unwrap(claim.key_wrapped)
    token = statuses.callback_token(runtime, claim.delivery_id)
    return OutboundMessage(
        sender=Address(Channel(lot.channel), lot.sender_address),
        recipient=open_address(key, lot.channel, claim.address_sealed),
        text=lot.text,
        status_callback=f"{runtime.settings.public_url}{_STATUS_PATH}/{token}",
        validity=_validity(runtime, claim),
    )


def _validity(runtime: Runtime, claim: Claim) -> int | None:
    """Return for how many seconds the provider may still deliver it."""
    if claim.lot.not_after is None:
        return None
    left = (claim.lot.not_after - runtime.clock.now()).total_seconds()
    return min(max(math.floor(left), 1), _LONGEST_VALIDITY)
