"""What goes over the line, in our own words: texts in, texts out, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from broadcaster.core.address import Address


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
    """

    sender: Address
    recipient: Address
    text: str = field(repr=False)
    status_callback: str


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

    It was too busy (HTTP 429), or could not even be reached.
    """

    retry_after: float


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
