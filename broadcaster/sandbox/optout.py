"""Twilio's own handling of STOP, START and HELP on SMS; on WhatsApp it has none.

Only the whole text counts, trimmed and in any case: "Stop please" is no opt-out to Twilio. The
text goes to the webhook all the same.
Source: twilio.com/docs/messaging/tutorials/advanced-opt-out, error page 23002.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from broadcaster.sandbox.addresses import Channel, channel_of
from broadcaster.sandbox.store import Store

_STOP = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
_START = frozenset({"START", "YES", "UNSTOP"})
_HELP = frozenset({"HELP", "INFO"})


class OptOut(StrEnum):
    """What Twilio took a text for; also the value of ``OptOutType``."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What Twilio took a text for, and what it answers by itself."""

    kind: OptOut
    reply: str | None


_REPLIES = {
    OptOut.STOP: "You have successfully been unsubscribed. You will not receive any more messages "
    "from this number. Reply START to resubscribe.",
    OptOut.START: "You have successfully been re-subscribed to messages from this number. Reply "
    "HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
    OptOut.HELP: "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


def classify(body: str) -> OptOut | None:
    """Return what Twilio takes a text for, if anything."""
    word = body.strip().upper()
    if word in _STOP:
        return OptOut.STOP
    if word in _START:
        return OptOut.START
    return OptOut.HELP if word in _HELP else None


def handle(store: Store, *, sender: str, phone: str, body: str) -> Handling | None:
    """Block or unblock as Twilio does with a text to one of its numbers.

    Args:
        store: where blocks are kept.
        sender: our number, to which the text was sent.
        phone: whose text it is.
        body: the text.

    Returns:
        What was done, or ``None`` when Twilio leaves the text to us. A STOP that changes nothing,
        and a START of somebody who was not blocked, get no reply of Twilio's.
    """
    kind = classify(body) if channel_of(sender) is Channel.SMS else None
    if kind is None:
        return None
    if kind is OptOut.STOP:
        speaks = store.stop(sender, phone)
    elif kind is OptOut.START:
        speaks = store.unstop(sender, phone)
    else:
        speaks = True
    return Handling(kind=kind, reply=_REPLIES[kind] if speaks else None)
