"""The official client's way to the network, with every default that could hurt us changed.

As shipped it has no time-out (it hands ``None`` to aiohttp, which overrules the session's own),
logs addresses and headers, keeps at most 100 connections, and cannot be pointed elsewhere. It
also does for each request what need be done once: the address, the credentials, the words.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any
from urllib.parse import SplitResult

import aiohttp
from twilio.http.async_http_client import (  # type: ignore[import-untyped] # ships no types
    AsyncTwilioHttpClient,
)
from twilio.http.response import Response  # type: ignore[import-untyped] # ships no types

from broadcaster.core.uptime import monotonic
from broadcaster.providers.twilio.api_base import lead
from broadcaster.providers.twilio.form import Form

_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")
DEFAULT_WAIT = 1.0
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 3600.0
_YES = 2
_DECIDED = (_YES, 4)  # the classes of HTTP status that say yes and no
_TOO_MANY_REQUESTS = 429
# A gateway that gave up waiting cannot know whether the request was carried out.
_REQUEST_TIMEOUT = 408
# Shorter than any server's own, so that we do not write to a line that is just being closed.
_KEEP_ALIVE = 5.0
# Waiting for a line is timed in steps, for few different limits; the form knows the very moment.
_STEP = 0.01


# Until when, on the monotonic clock, a message of this task may be written; the library has no
# way to pass it on.
may_begin_until: ContextVar[float] = ContextVar("may_begin_until", default=math.inf)


class TooBusyError(Exception):
    """The provider took nothing; it may have named a time to wait."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("The provider is too busy.")
        self.named = retry_after is not None
        self.retry_after = DEFAULT_WAIT if retry_after is None else retry_after


class NotBegunError(Exception):
    """Not one byte of the request was written: there was no line, or it came too late."""

    def __init__(self, *, late: bool) -> None:
        super().__init__("The request was not begun.")
        self.retry_after = 0.0 if late else DEFAULT_WAIT


class UndecidedError(Exception):
    """The provider's answer does not tell whether it took the message."""

    def __init__(self, status: int) -> None:
        super().__init__("The provider's answer decides nothing.")
        self.reason = f"http_{status}"


class Transport(AsyncTwilioHttpClient):  # type: ignore[misc] # the library ships no types
    """The official asynchronous HTTP client, pointed at one host and silent in the logs.

    Args:
        base: where the API is; from `parse_api_base`.
        auth: account and secret.
        timeout: seconds to wait for a line, and again for the whole answer.
        pool: how many lines at once.
    """

    def __init__(
        self, *, base: SplitResult, auth: tuple[str, str], timeout: float, pool: int
    ) -> None:
        super().__init__(pool_connections=False)
        self._seconds = timeout
        self._lead = lru_cache(maxsize=8)(partial(lead, base=base))
        # As a header, since aiohttp gives up its BasicAuth object.
        credentials = base64.b64encode(":".join(auth).encode()).decode()
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=pool, keepalive_timeout=_KEEP_ALIVE),
            headers={"Authorization": f"Basic {credentials}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        data: Mapping[str, object] | None = None,
        **unused: Any,  # noqa: ANN401 - whatever the library passes on
    ) -> Response:
        """Make one request and hand on only answers that decide something.

        Args:
            method: GET or POST.
            url: where the library would send it.
            headers: the library's own.
            data: the fields of the form, if it is one.
            unused: the credentials, which the session knows, and what the library leaves empty.

        Raises:
            NotBegunError: nothing was written.
            TooBusyError: HTTP 429; nothing was taken.
            UndecidedError: neither a yes (2xx) nor a no (4xx).
        """
        del unused
        until = math.inf if data is None else may_begin_until.get()
        form = None if data is None else Form(data, until=until)
        try:
            response = await self.session.request(
                method,
                self._lead(url),
                headers=headers,
                data=form,
                allow_redirects=False,
                timeout=_limits(self._seconds, until - monotonic()),
            )
        except (aiohttp.ClientError, OSError) as error:
            if form is not None and form.withdraw():
                # Waiting for a line of our own pool is not the provider's doing either.
                ours = form.is_late or isinstance(error, aiohttp.ConnectionTimeoutError)
                raise NotBegunError(late=ours) from error
            raise
        return _decided(response.status, response.headers, await response.read())


def _decided(status: int, headers: Mapping[str, str], body: bytes) -> Response:
    """Hand on a yes or a no, in the library's form."""
    if status == _TOO_MANY_REQUESTS:
        raise TooBusyError(parse_retry_after(headers.get("Retry-After")))
    if status // 100 not in _DECIDED or status == _REQUEST_TIMEOUT:
        raise UndecidedError(status)
    # A no is a no in whatever letters; of a yes every letter counts.
    return Response(status, body.decode(errors="strict" if status // 100 == _YES else "replace"))


def _limits(seconds: float, begin_within: float) -> aiohttp.ClientTimeout:
    """Say how long a request may take.

    Waiting for a line ends by itself first, so that it is never taken for a request under way.
    """
    wait = min(seconds, begin_within)
    return _timeout(max(math.ceil(wait / _STEP), 1), seconds)


@lru_cache(maxsize=1024)
def _timeout(steps: int, seconds: float) -> aiohttp.ClientTimeout:
    wait = steps * _STEP
    return aiohttp.ClientTimeout(total=wait + seconds, connect=wait)


def parse_retry_after(header: str | None) -> float | None:
    """Read how many seconds to wait; anything but a plain number names no time.

    Args:
        header: ``Retry-After``, if there was one.
    """
    if header is None or _SECONDS.fullmatch(header) is None:
        return None
    return min(max(float(header), _SHORTEST_WAIT), _LONGEST_WAIT)
