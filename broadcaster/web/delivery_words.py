"""What became of one message, in the reader's language."""

from __future__ import annotations

from broadcaster.core.delivery import State
from broadcaster.web import outcomes
from broadcaster.web.wording import gettext as _


def state(name: str) -> str:
    """Say where a delivery stands, or what a callback reported."""
    words = {
        "accepted": _("accepted by the provider"),
        "sending": _("on its way"),
        "sent": _("on its way"),
        "delivered": _("delivered"),
        "read": _("read"),
        "undelivered": _("not delivered"),
        "failed": _("refused by the provider"),
        "skipped": _("not sent"),
        "expired": _("expired"),
        "unknown": _("being looked up"),
        "held": _("nobody knows"),
        "queued": _("waiting"),
        "claimed": _("being handed over"),
        "handed_over": _("handed over"),
    }
    return words.get(name, name)


def reason(where: str, name: str) -> str:
    """Say why a delivery stands where it does.

    Args:
        where: its state.
        name: the reason that was written down.
    """
    words = {
        "left": _("they had left"),
        "carrier_blocked": _("the provider blocks them"),
        "suspended": _("their number is dead"),
        "cancelled": _("the bulletin was ended"),
    }
    if where in {State.UNKNOWN, State.HELD}:
        return outcomes.doubt(name)
    return words.get(name, name)
