"""Texts that came while nobody listened: only the provider's list knows of them."""

from __future__ import annotations

import itertools
from datetime import timedelta

from broadcaster.core.address import Address
from broadcaster.core.messages import Direction, Listed, ProviderStatus
from tests.world import SMS, WHATSAPP

_numbers = itertools.count(10**6)


def missed(world, author, body, *, to=None, ago=0.0, sid=None, media=0) -> Listed:
    """Let somebody text us while nobody listens."""
    to = to or (WHATSAPP if author.startswith("whatsapp:") else SMS)
    listed = Listed(
        sid=sid or f"SM{next(_numbers):032x}",
        sender=Address.parse(author),
        recipient=Address.parse(to),
        text=body,
        status=ProviderStatus.RECEIVED,
        created=(world.clock.now() - timedelta(seconds=ago)).replace(microsecond=0),
        direction=Direction.INBOUND,
        media=media,
    )
    world.provider.inbound.append(listed)
    return listed
