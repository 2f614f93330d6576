"""One request per message, never a second one, and an honest word on what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from twilio.base.exceptions import (  # type: ignore[import-untyped] # ships no types
    TwilioRestException,
    TwilioServiceException,
)
from twilio.rest import Client  # type: ignore[import-untyped] # ships no types

from broadcaster.core.address import Address
from broadcaster.core.messages import (
    Accepted,
    Deferred,
    Deletion,
    Listed,
    OutboundMessage,
    Refused,
    SendOutcome,
    Unknown,
)
from broadcaster.core.uptime import monotonic
from broadcaster.providers.twilio.listing import read_messages
from broadcaster.providers.twilio.reasons import reason_of
from broadcaster.providers.twilio.transport import (
    DEFAULT_WAIT,
    NotBegunError,
    TooBusyError,
    may_begin_until,
)
from broadcaster.providers.twilio.webhooks import MESSAGE_SID

_BAD_REQUEST = 400
# Not every 404 will do: one of somebody else's server tells nothing about a message.
_DELETIONS = {
    20404: Deletion.GONE,  # the resource was not found
    20009: Deletion.TOO_EARLY,  # delivery of the message is not yet complete
}
_TOO_BUSY = 20429
_LEAST_CODE, _GREATEST_CODE = 100, 999_999


class TwilioConnection:
    """An open line to Twilio.

    Args:
        client: the official client on our own transport.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        # Named here, because the library loads what it needs for it at the first use: half a
        # second in which no request could begin.
        self._api = client.api.v2010
        self._messages = f"/Accounts/{client.account_sid}/Messages.json"

    async def send(self, message: OutboundMessage, *, begin_within: float) -> SendOutcome:
        """Hand over one message, once, and say what became of the request. Never raises.

        Only a request that provably took nothing is deferred; what cannot be decided is unknown.

        Args:
            message: what goes to whom.
            begin_within: seconds in which the request must be written, or nothing is sent.
        """
        if not _can_be_written(message):
            return Refused(code=_BAD_REQUEST)
        if begin_within <= 0:
            return Deferred(retry_after=0.0)
        may_begin_until.set(monotonic() + begin_within)
        try:
            return await self._create(message)
        except Exception as error:  # noqa: BLE001 - the request may have left; the caller must know what is known
            return outcome_of(error)

    def messages(
        self, *, to: Address | None = None, sender: Address | None = None, since: datetime
    ) -> AsyncIterator[Listed]:
        """Read Twilio's own list of messages, newest first, each once.

        Args:
            to: only messages to this address.
            sender: only messages from this address.
            since: the moment, aware, before which messages are left out.

        Raises:
            ListUnreadable: it could not be read to its end, or makes no sense.
        """
        return read_messages(self._client, to=to, sender=sender, since=since)

    async def delete(self, sid: str) -> Deletion:
        """Delete a message at Twilio, which it does only once the message has ended. Never raises.

        Args:
            sid: Twilio's id of it; anything else is none of its messages.
        """
        if MESSAGE_SID.match(sid) is None:
            return Deletion.GONE
        uri = f"/Accounts/{self._client.account_sid}/Messages/{sid}.json"
        try:
            await self._api.delete_async("DELETE", uri)
        except (TwilioRestException, TwilioServiceException) as error:
            return _DELETIONS.get(error.code, Deletion.UNDECIDED)
        except Exception:  # noqa: BLE001 - whatever it was, the message may be there
            return Deletion.UNDECIDED
        return Deletion.GONE

    async def _create(self, message: OutboundMessage) -> SendOutcome:
        """Ask for the message; of the answer only its id is read.

        `client.messages.create_async` would do the same, and then read three dates and twenty
        fields that nobody asks for: a sixth of what a message costs.
        """
        fields = {
            "To": message.recipient.wire,
            "From": message.sender.wire,
            "Body": message.text,
            "StatusCallback": message.status_callback,
            "ValidityPeriod": message.validity,
        }
        created = await self._api.create_async("POST", self._messages, data=fields)
        sid = created.get("sid")
        if isinstance(sid, str) and MESSAGE_SID.match(sid):
            return Accepted(sid=sid)
        return Unknown(reason="no_sid")


def _can_be_written(message: OutboundMessage) -> bool:
    try:
        (message.text + (message.status_callback or "")).encode()
    except UnicodeEncodeError:  # lone surrogates: no provider could be asked for this
        return False
    return True


def outcome_of(error: Exception) -> SendOutcome:
    """Say what is known of a request that ended in this error.

    Args:
        error: what the library or the transport raised.
    """
    if isinstance(error, TooBusyError):
        return Deferred(retry_after=error.retry_after, named=error.named)
    if isinstance(error, NotBegunError):
        return Deferred(retry_after=error.retry_after)
    if isinstance(error, (TwilioRestException, TwilioServiceException)):
        return _refusal(error.code, error.status)
    return Unknown(reason=reason_of(error))


def _refusal(*candidates: object) -> SendOutcome:
    """Read a no; where it names no usable code, the HTTP status stands for it."""
    codes = (
        candidate
        for candidate in candidates
        if isinstance(candidate, int) and _LEAST_CODE <= candidate <= _GREATEST_CODE
    )
    code = next(codes, _BAD_REQUEST)
    return Deferred(retry_after=DEFAULT_WAIT) if code == _TOO_BUSY else Refused(code=code)
