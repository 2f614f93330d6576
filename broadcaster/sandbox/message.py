"""One message as the sandbox keeps it, and its form in Twilio's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from uuid import uuid4

from broadcaster.sandbox import addresses, segments
from broadcaster.sandbox.addresses import Channel
from broadcaster.sandbox.errors import DELIVERY_ERRORS

API_VERSION = "2010-04-01"


class Direction(StrEnum):
    """Who sent a message; ``SERVICE`` is Twilio's own reply, which its list does not show."""

    INBOUND = "inbound"
    API = "outbound-api"
    REPLY = "outbound-reply"
    SERVICE = "service"


class Status(StrEnum):
    """How far a message is, in Twilio's words."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    RECEIVED = "received"


UNDER_WAY = frozenset({Status.ACCEPTED, Status.QUEUED, Status.SENDING})
ARRIVED = frozenset({Status.DELIVERED, Status.READ})


def new_sid() -> str:
    """Return a message sid that was never used."""
    return f"SM{uuid4().hex}"


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """A message on its way; the one thing in the sandbox that changes."""

    sid: str
    sender: str
    to: str
    body: str
    direction: Direction
    status: Status
    created: datetime
    updated: datetime
    sent: datetime | None = None
    number: int = 0
    error_code: int | None = None
    num_media: int = 0
    service_sid: str | None = None
    status_callback: str | None = None
    validity_period: int | None = None
    is_template: bool = False
    deleted: bool = False
    webhook_done: bool = False
    webhook_error: int | None = None
    num_segments: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the segments once; redaction does not change what was sent."""
        is_sms = self.channel is Channel.SMS
        self.num_segments = segments.count(self.body) if is_sms else 1

    @property
    def channel(self) -> Channel:
        """The way this message travels."""
        return addresses.channel_of(self.to)

    def to_json(self, account_sid: str) -> dict[str, object]:
        """Return the message as Twilio's REST interface shows it."""
        uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{self.sid}"
        error = self.error_code
        return {
            "account_sid": account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": format_datetime(self.created),
            "date_sent": format_datetime(self.sent) if self.sent else None,
            "date_updated": format_datetime(self.updated),
            "direction": self.direction.value,
            "error_code": error,
            "error_message": DELIVERY_ERRORS.get(error) if error else None,
            "from": self.sender or None,
            "messaging_service_sid": self.service_sid,
            "num_media": str(self.num_media),
            "num_segments": str(self.num_segments),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status.value,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }
