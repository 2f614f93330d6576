"""What a phone shows: the bubbles of its messages, on every channel."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from broadcaster.sandbox.addresses import Channel
from broadcaster.sandbox.message import ARRIVED, Direction, Message
from broadcaster.sandbox.store import Store
from broadcaster.sandbox.webhooks import HTTP_RETRIEVAL_FAILURE

Bubble = dict[str, object]


def bubbles(
    store: Store, number: str, *, zone: str | None = None, newest: int | None = None
) -> list[Bubble]:
    """Return the messages that a phone shows, oldest first.

    Args:
        store: where the messages are.
        number: the phone's number.
        zone: whose clock the bubbles show; without one it is this machine's.
        newest: only the last so many messages are looked at.
    """
    thread = store.thread(number)
    chosen: Sequence[Message] = thread if newest is None else thread[-newest:]
    local = None if zone is None else ZoneInfo(zone)
    return [_bubble(message, local) for message in chosen if _is_on_phone(message)]


def _is_on_phone(message: Message) -> bool:
    return message.direction is Direction.INBOUND or message.status in ARRIVED


def _bubble(message: Message, zone: ZoneInfo | None) -> Bubble:
    mine = message.direction is Direction.INBOUND
    shown_at = message.created if mine else (message.sent or message.created)
    return {
        "sid": message.sid,
        "mine": mine,
        "channel": message.channel.value,
        "direction": message.direction.value,
        "from": message.sender,
        "to": message.to,
        "sender": message.to if mine else message.sender,
        "body": message.body,
        "status": message.status.value,
        "time": shown_at.isoformat(timespec="milliseconds"),
        "clock": shown_at.astimezone(zone).strftime("%H:%M"),
        "state": _state(message) if mine else "",
        "note": _note(message),
    }


def _state(message: Message) -> str:
    """Return how far a text of the phone's owner has come: sending, failed, delivered or read."""
    if not message.webhook_done:
        return "sending"
    if message.webhook_error is not None:
        return "failed"
    return "read" if message.channel is Channel.WHATSAPP else "delivered"


def _note(message: Message) -> str:
    if message.direction is Direction.SERVICE:
        return "Twilio’s own reply"
    if message.webhook_error == HTTP_RETRIEVAL_FAILURE:
        return f"The product did not answer (error {message.webhook_error})"
    if message.webhook_error is not None:
        return f"The product’s answer makes no sense (error {message.webhook_error})"
    return "Deleted at Twilio" if message.deleted else ""
