"""One entry of Twilio's list of messages, read as strictly as a webhook.

Source: https://www.twilio.com/docs/messaging/api/message-resource#message-properties
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import InvalidAddress, MalformedWebhook
from broadcaster.core.messages import Direction, InboundMessage, Listed, ProviderStatus
from broadcaster.providers.twilio import webhooks

_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
_DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {
        "inbound": Direction.INBOUND,
        "outbound-api": Direction.OUTBOUND_API,
        "outbound-reply": Direction.OUTBOUND_REPLY,
        "outbound-call": Direction.OUTBOUND_REPLY,  # by the TwiML of a telephone call
    }
)


def parse_entry(entry: object, *, account_sid: str) -> Listed:
    """Read one message of the list.

    Args:
        entry: the JSON object.
        account_sid: ours; a message of another account has no business in our list.

    Raises:
        ValueError: a field is missing or has no strict form. Its value is not repeated.
    """
    if not isinstance(entry, Mapping) or entry.get("account_sid") != account_sid:
        message = "An entry of the list is no message of this account."
        raise ValueError(message)
    sid = _text(entry, "sid")
    if webhooks.MESSAGE_SID.match(sid) is None:
        raise _malformed(name="sid")
    return Listed(
        sid=sid,
        sender=_address(entry, "from"),
        recipient=_address(entry, "to"),
        text=_text(entry, "body", default=""),
        status=_status(_text(entry, "status")),
        created=_moment(_text(entry, "date_created")),
        error_code=_number(entry, "error_code") or None,
        direction=_direction(_text(entry, "direction")),
        media=_number(entry, "num_media"),
    )


def inbound_of(listed: Listed, *, account_sid: str) -> InboundMessage:
    """Make of a listed text what its webhook would have said; the list knows no button.

    Args:
        listed: an entry of the list.
        account_sid: ours.

    Raises:
        MalformedWebhook: it is no inbound message, or not to a number of ours.
        InvalidAddress: the author is no person who can be answered, such as ``BANK``.
    """
    sender = listed.recipient
    if listed.direction is not Direction.INBOUND or sender is None:
        message = "This message of the list is none that somebody sent us. Nothing was done."
        raise MalformedWebhook(message)
    if listed.sender is None and sender.channel is Channel.SMS:
        message = "The author of this message is no number that can be answered."
        raise InvalidAddress(message)
    parameters = {
        "MessageSid": listed.sid,
        "AccountSid": account_sid,
        "From": listed.sender.wire if listed.sender else "",
        "To": sender.wire,
        "Body": listed.text,
        "NumMedia": str(listed.media),
        "DateCreated": listed.created.isoformat(),
    }
    return webhooks.parse_inbound(parameters, account_sid=account_sid)


def _text(entry: Mapping[str, object], name: str, *, default: str | None = None) -> str:
    """Read a text; one that may be absent has a default."""
    value = entry.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise _malformed(name=name)
    return value


def _number(entry: Mapping[str, object], name: str) -> int:
    """Read a small number; Twilio writes some of them as texts."""
    value = entry.get(name)
    if value is None:
        return 0
    text = str(value)  # True has no digits
    if not isinstance(value, (int, str)) or _NUMBER.fullmatch(text) is None:
        raise _malformed(name=name)
    return int(text)


def _address(entry: Mapping[str, object], name: str) -> Address | None:
    """Read an address; a short code or a name such as ``BANK`` is none of ours."""
    try:
        return Address.parse(_text(entry, name, default=""))
    except InvalidAddress:
        return None


def _status(word: str) -> ProviderStatus:
    try:
        return ProviderStatus(word)
    except ValueError:
        return ProviderStatus.UNRECOGNISED


def _direction(word: str) -> Direction:
    """Read who made it; an unknown way out may have been a request of ours."""
    if word.startswith("outbound"):
        return _DIRECTIONS.get(word, Direction.OUTBOUND_API)
    if word not in _DIRECTIONS:
        raise _malformed(name="direction")
    return _DIRECTIONS[word]


@lru_cache(maxsize=256)  # thousands of messages are made within a few seconds
def _moment(text: str) -> datetime:
    """Read an RFC 2822 date; Twilio writes them all in GMT."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _malformed(name="date_created") from None


def _malformed(*, name: str) -> ValueError:
    return ValueError(f"The field {name} of a listed message has not the form Twilio gives it.")
