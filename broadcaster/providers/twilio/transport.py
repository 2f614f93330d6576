"""The official client's way to the network, with every default that could hurt us changed.

As shipped it has no time-out (it hands ``None`` to aiohttp, which overrules the session's own),
logs addresses and headers, keeps at most 100 connections, and cannot be pointed elsewhere.
"""

from __future__ import annotations

import base64
import ipaddress
import math
import re
from contextvars import ContextVar
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
from twilio.http.async_http_client import (  # type: ignore[import-untyped] # ships no types
    AsyncTwilioHttpClient,
)
from twilio.http.response import Response  # type: ignore[import-untyped] # ships no types

_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")
DEFAULT_WAIT = 1.0
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 3600.0
_DECIDED = (2, 4)  # the classes of HTTP status that say yes and no
_TOO_MANY_REQUESTS = 429
# A gateway that gave up waiting cannot know whether the request was carried out.
_REQUEST_TIMEOUT = 408
# Shorter than any server's own, so that we do not write to a line that is just being closed.
_KEEP_ALIVE = 5.0


# How long the request of this task may wait for a line: the library has no way to pass it on.
line_within: ContextVar[float] = ContextVar("line_within", default=math.inf)


class TooBusyError(Exception):
    """The provider took nothing and named a time to wait."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("The provider is too busy.")
        self.retry_after = retry_after


class UndecidedError(Exception):
    """The provider's answer does not tell whether it took the message."""

    def __init__(self, status: int) -> None:
        super().__init__("The provider's answer decides nothing.")
        self.reason = f"http_{status}"


def parse_api_base(text: str) -> SplitResult:
    """Read the address of the API.

    Args:
        text: scheme, host and perhaps a port, such as ``https://api.twilio.com``.

    Raises:
        ValueError: it is none, or would carry the secret token in the clear.
    """
    base = urlsplit(text)
    _ = base.port  # raises ValueError where it is no number
    bare = not (base.path.strip("/") or base.query or base.fragment or base.username)
    if base.scheme not in {"http", "https"} or not base.hostname or not bare:
        message = "The address of Twilio's API must be like https://api.twilio.com, without a path."
        raise ValueError(message)
    if base.scheme == "http" and not _is_loopback(base.hostname):
        message = "Plain http to Twilio's API is only for a server on this machine; use https."
        raise ValueError(message)
    return base


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Session:
    """The one aiohttp session of a connection, in the shape that the library expects."""

    def __init__(self, *, base: SplitResult, timeout: float, pool: int) -> None:
        self._base = base
        self._seconds = timeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=pool, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def request(self, *, url: str, **options: Any) -> aiohttp.ClientResponse:  # noqa: ANN401 - whatever the library passes on
        """Make a request to the configured host instead of the library's own."""
        target = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        # The library hands on None, which would mean no end. Waiting for a line ends by itself
        # first, so that it can never be mistaken for a request under way.
        options["timeout"] = aiohttp.ClientTimeout(
            total=2 * self._seconds,
            connect=min(self._seconds, line_within.get()),
            sock_read=self._seconds,
        )
        return await self._session.request(url=target.geturl(), **options)

    async def close(self) -> None:
        """Close every line."""
        await self._session.close()


class Transport(AsyncTwilioHttpClient):  # type: ignore[misc] # the library ships no types
    """The official asynchronous HTTP client, pointed at one host and silent in the logs.

    Args:
        base: where the API is; from `parse_api_base`.
        timeout: seconds to wait for a line, and again for each piece of an answer.
        pool: how many lines at once.
    """

    def __init__(self, *, base: SplitResult, timeout: float, pool: int) -> None:
        super().__init__(pool_connections=False)
        self.session = _Session(base=base, timeout=timeout, pool=pool)

    async def request(
        self,
        method: str,
        url: str,
        *,
        auth: tuple[str, str],
        headers: dict[str, str],
        **options: Any,  # noqa: ANN401 - whatever the library passes on
    ) -> Response:
        """Make one request and hand on only answers that decide something.

        Args:
            method: POST.
            url: where the library would send it.
            auth: account and secret; as a header, since aiohttp gives up its BasicAuth object.
            headers: the library's own.
            options: the rest of the request.

        Raises:
            TooBusyError: HTTP 429; nothing was taken.
            UndecidedError: neither a yes (2xx) nor a no (4xx).
        """
        credentials = base64.b64encode(":".join(auth).encode()).decode()
        signed = headers | {"Authorization": f"Basic {credentials}"}
        response = await super().request(method, url, headers=signed, **options)
        status = response.status_code
        if status == _TOO_MANY_REQUESTS:
            raise TooBusyError(parse_retry_after(response.headers.get("Retry-After")))
        if status // 100 not in _DECIDED or status == _REQUEST_TIMEOUT:
            raise UndecidedError(status)
        return response

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Log nothing: the library would write addresses and headers."""

    def log_response(self, status_code: int, response: object) -> None:
        """Log nothing: the library would write headers."""


def parse_retry_after(header: str | None) -> float:
    """Read how many seconds to wait; anything but a plain number means one second.

    Args:
        header: ``Retry-After``, if there was one.
    """
    if header is None or _SECONDS.fullmatch(header) is None:
        return DEFAULT_WAIT
    return min(max(float(header), _SHORTEST_WAIT), _LONGEST_WAIT)
