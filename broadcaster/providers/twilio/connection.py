"""One request per message, never a second one, and an honest word on what became of it."""

from __future__ import annotations

import aiohttp
from twilio.base.exceptions import (  # type: ignore[import-untyped] # ships no types
    TwilioRestException,
    TwilioServiceException,
)
from twilio.rest import Client  # type: ignore[import-untyped] # ships no types

from broadcaster.core.messages import (
    Accepted,
    Deferred,
    OutboundMessage,
    Refused,
    SendOutcome,
    Unknown,
)
from broadcaster.providers.twilio.transport import (
    DEFAULT_WAIT,
    TooBusyError,
    UndecidedError,
    line_within,
)
from broadcaster.providers.twilio.webhooks import MESSAGE_SID

_BAD_REQUEST = 400
_TOO_BUSY = 20429
_LEAST_CODE, _GREATEST_CODE = 100, 999_999
# The first that fits; every word may be logged, for none holds a number or a text.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (aiohttp.ClientPayloadError, "cut_answer"),
    (aiohttp.ClientResponseError, "garbage"),
    (OSError, "connection_lost"),
    (aiohttp.ClientConnectionError, "connection_lost"),
    (ValueError, "garbage"),
    (TypeError, "garbage"),
    (AttributeError, "garbage"),
)


class TwilioConnection:
    """An open line to Twilio.

    Args:
        client: the official client on our own transport.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, message: OutboundMessage, *, begin_within: float) -> SendOutcome:
        """Hand over one message, once, and say what became of the request. Never raises.

        Only a request that provably took nothing is deferred; what cannot be decided is unknown.

        Args:
            message: what goes to whom.
            begin_within: seconds in which there must be a line, or nothing is sent.
        """
        if not _can_be_written(message):
            return Refused(code=_BAD_REQUEST)
        if begin_within <= 0:
            return Deferred(retry_after=0.0)
        line_within.set(begin_within)
        try:
            return await self._create(message)
        except Exception as error:  # noqa: BLE001 - the request may have left; the caller must know what is known
            return outcome_of(error)

    async def _create(self, message: OutboundMessage) -> SendOutcome:
        created = await self._client.messages.create_async(
            to=message.recipient.wire,
            from_=message.sender.wire,
            body=message.text,
            status_callback=message.status_callback,
        )
        if isinstance(created.sid, str) and MESSAGE_SID.match(created.sid):
            return Accepted(sid=created.sid)
        return Unknown(reason="no_sid")


def _can_be_written(message: OutboundMessage) -> bool:
    try:
        (message.text + message.status_callback).encode()
    except UnicodeEncodeError:  # lone surrogates: no provider could be asked for this
        return False
    return True


def outcome_of(error: Exception) -> SendOutcome:
    """Say what is known of a request that ended in this error.

    Args:
        error: what the library or the transport raised.
    """
    if isinstance(error, TooBusyError):
        return Deferred(retry_after=error.retry_after)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Deferred(retry_after=DEFAULT_WAIT)  # no line, so nothing was sent
    if isinstance(error, (TwilioRestException, TwilioServiceException)):
        return _refusal(error.code, error.status)
    if isinstance(error, UndecidedError):
        return Unknown(reason=error.reason)
    words = (word for kind, word in _REASONS if isinstance(error, kind))
    return Unknown(reason=next(words, "client_error"))


def _refusal(*candidates: object) -> SendOutcome:
    """Read a no; where it names no usable code, the HTTP status stands for it."""
    codes = (
        candidate
        for candidate in candidates
        if isinstance(candidate, int) and _LEAST_CODE <= candidate <= _GREATEST_CODE
    )
    code = next(codes, _BAD_REQUEST)
    return Deferred(retry_after=DEFAULT_WAIT) if code == _TOO_BUSY else Refused(code=code)
