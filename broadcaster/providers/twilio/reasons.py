"""One word for each way in which a request can end without an answer that decides."""

from __future__ import annotations

import aiohttp

from broadcaster.providers.twilio.transport import TooBusyError, UndecidedError

# The first that fits; every word may be logged, for none holds a number or a text.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TooBusyError, "too_busy"),
    (aiohttp.ClientConnectorError, "not_reached"),
    (aiohttp.ConnectionTimeoutError, "no_line"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientPayloadError, "cut_answer"),
    (aiohttp.ClientResponseError, "garbage"),
    (OSError, "connection_lost"),
    (aiohttp.ClientConnectionError, "connection_lost"),
    (ValueError, "garbage"),
    (TypeError, "garbage"),
    (AttributeError, "garbage"),
)


def reason_of(error: Exception) -> str:
    """Name what went wrong, without a number or a text.

    Args:
        error: what the library or the transport raised.
    """
    if isinstance(error, UndecidedError):
        return error.reason
    words = (word for kind, word in _REASONS if isinstance(error, kind))
    return next(words, "client_error")
