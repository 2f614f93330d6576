"""What goes over the line, in our own words: texts in, texts out, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from broadcaster.core.address import Address

#: How many seconds a provider may keep trying to deliver: Twilio's own limit, ten hours.
LONGEST_VALIDITY = 36_000
_VALIDITIES = range(1, LONGEST_VALIDITY + 1)


class OptOutType(StrEnum):
    """What the provider itself made of a text, and has answered, before we saw it."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A text that somebody sent to one of our senders.

    Args:
        sid: the provider's id of this message, unique for ever.
        sender: our own number it was sent to.
        author: who wrote it.
        body: the words, possibly none.
        button: the payload of the button that was pressed, if one was.
        opt_out_type: what the provider has already done with it.
        media: how many pictures or files came along (none is fetched).
        parameters: every field of the webhook as received; kept as evidence.
    """

    sid: str
    sender: Address
    author: Address
    body: str = field(repr=False)
    button: str | None = field(default=None, repr=False)
    opt_out_type: OptOutType | None = None
    media: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def words(self) -> str:
        """Everything the author said: the text, and what stood behind the button they pressed."""
        return f"{self.body}\n{self.button}" if self.button else self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """One text to one person.

    Args:
        sender: the number it comes from.
        recipient: the person it goes to.
        text: the words.
        status_callback: where the provider reports what becomes of it; carries the delivery id.
            ``None`` for an answer, of which nobody asks what became.
        validity: seconds after which the provider gives up delivering it, 1 to
            `LONGEST_VALIDITY`; ``None`` leaves it to the provider.

    Raises:
        ValueError: the validity is none that a provider takes; bring it into its limits first.
    """

    sender: Address
    recipient: Address
    text: str = field(repr=False)
    status_callback: str | None = None
    validity: int | None = None

    def __post_init__(self) -> None:
        """Refuse a time that no provider takes: it would refuse the message."""
        if self.validity is not None and self.validity not in _VALIDITIES:
            message = f"A message's validity must be 1 to {LONGEST_VALIDITY} whole seconds."
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider took the message and gave it an id."""

    sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The provider said no; the message does not exist there."""

    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The provider took nothing for certain; asking again is safe.

    It was too busy (HTTP 429), or could not even be reached, or the moment to begin had passed.

    Args:
        retry_after: seconds to wait at least.
        named: whether the provider itself named that time; else our own back-off decides.
    """

    retry_after: float
    named: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody knows whether the provider took it: a time-out, a cut line, a 5xx, garbage.

    It is never sent again on our own say-so.
    """

    reason: str


SendOutcome = Accepted | Refused | Deferred | Unknown


class ProviderStatus(StrEnum):
    """The states of a message at the provider (Twilio's message_enum_status), and one of ours."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    PARTIALLY_DELIVERED = "partially_delivered"
    RECEIVING = "receiving"
    RECEIVED = "received"
    UNRECOGNISED = "unrecognised"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """What a status callback says of one message.

    Args:
        sid: the provider's id of the message.
        status: what became of it.
        error_code: the provider's error code, if it names one.
    """

    sid: str
    status: ProviderStatus
    error_code: int | None = None


class Direction(StrEnum):
    """Who made a message of the provider's list."""

    INBOUND = "inbound"
    OUTBOUND_API = "outbound_api"  # by a request
    OUTBOUND_REPLY = "outbound_reply"  # by the answer to a webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One message of the provider's own list.

    Args:
        sid: the provider's id of the message.
        sender: who it is from, if that is an address: a messaging service chooses one late.
        recipient: who it is for, if that is an address.
        text: its words; empty where the provider keeps none.
        status: what became of it so far.
        created: when the provider took it, in whole seconds.
        error_code: the provider's error code, if it names one.
        direction: who made it.
        media: how many pictures or files it has.
    """

    sid: str
    sender: Address | None
    recipient: Address | None
    text: str = field(repr=False)
    status: ProviderStatus
    created: datetime
    error_code: int | None = None
    direction: Direction
    media: int = 0


class Deletion(StrEnum):
    """What became of a request to delete a message at the provider."""

    GONE = "gone"  # it is not there any more, or never was
    TOO_EARLY = "too_early"  # it is still on its way; the provider deletes only what has ended
    UNDECIDED = "undecided"  # nobody knows: ask again later
