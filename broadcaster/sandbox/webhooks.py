"""Outgoing webhooks: signed by the official validator, sent at once and side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
from twilio.request_validator import (  # type: ignore[import-untyped] # ships no types
    RequestValidator,
)
from yarl import URL

from broadcaster.sandbox import policy as policies
from broadcaster.sandbox.clock import Clock
from broadcaster.sandbox.policy import Policy

MAX_ANSWER = 64 * 1024
HTTP_RETRIEVAL_FAILURE = 11200
_INBOUND_CONNECTIONS = 50
# Shorter than servers keep an idle connection, so that no request meets one just closed.
_KEEP_ALIVE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a webhook.

    Args:
        status: the HTTP status, or ``None`` when none arrived.
        content_type: the type of the body, without its parameters.
        body: the body, cut after one byte more than is allowed.
        failure: ``ct``, ``rt``, ``4xx`` or ``5xx`` in Twilio's words; empty on success.
        tries: how often it was sent.
        began: when it was first sent.
        ended: when the answer was there, or given up.
    """

    status: int | None
    content_type: str = ""
    body: bytes = b""
    failure: str = ""
    tries: int = 1
    began: datetime
    ended: datetime

    @property
    def is_good(self) -> bool:
        """Whether the product answered with a 2xx status in time."""
        return not self.failure

    @property
    def code(self) -> int | None:
        """Twilio's error code for a webhook that failed."""
        return HTTP_RETRIEVAL_FAILURE if self.failure else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    status: int | None = None
    content_type: str = ""
    body: bytes = b""
    failure: str = ""


class Webhooks:
    """One pool of connections for inbound webhooks and status callbacks.

    Status callbacks never use up the connections that inbound webhooks need: a STOP is not to
    wait behind the callbacks of a broadcast. They queue here, not in the pool, so that waiting
    for a free connection does not count towards Twilio's 15 seconds.
    """

    def __init__(self, auth_token: str, *, clock: Clock, limit: float, callbacks: int) -> None:
        self._validator = RequestValidator(auth_token)
        self._clock = clock
        self._limit = limit
        self._callback_slots = asyncio.Semaphore(callbacks)
        self._inbound_slots = asyncio.Semaphore(_INBOUND_CONNECTIONS)
        connector = aiohttp.TCPConnector(
            limit=callbacks + _INBOUND_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def inbound(self, url: str, fields: Mapping[str, str]) -> Answer:
        """Tell the product of a message and return its answer."""
        async with self._inbound_slots:
            return await self._post(url, fields)

    async def callback(self, url: str, fields: Mapping[str, str]) -> Answer:
        """Tell the product of a message's new status."""
        async with self._callback_slots:
            return await self._post(url, fields)

    async def _post(self, url: str, fields: Mapping[str, str]) -> Answer:
        bare, policy = policies.split(url, limit=self._limit)
        began = self._clock.now()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": self._validator.compute_signature(bare, fields),
            "I-Twilio-Idempotency-Token": str(uuid4()),
        }
        body = urlencode(fields).encode()
        attempt, tries = _Attempt(failure="rt"), 0
        try:
            async with asyncio.timeout(policy.total):
                while not tries or policy.allows_retry(attempt.failure, tries):
                    tries += 1
                    attempt = await self._try(bare, body, headers, policy)
                    if not attempt.failure:
                        break
        except TimeoutError:
            attempt = _Attempt(failure="rt")
        return Answer(
            status=attempt.status,
            content_type=attempt.content_type,
            body=attempt.body,
            failure=attempt.failure,
            tries=tries,
            began=began,
            ended=self._clock.now(),
        )

    async def _try(
        self, url: str, body: bytes, headers: Mapping[str, str], policy: Policy
    ) -> _Attempt:
        """Send once. A redirect is a failure: it would turn the POST into a GET."""
        timeout = aiohttp.ClientTimeout(sock_connect=policy.connect, sock_read=policy.read)
        try:
            async with self._session.post(
                URL(url, encoded=True),
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                content = await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return _Attempt(failure="ct")
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return _Attempt(failure="rt")
        return _Attempt(
            status=response.status,
            content_type=response.content_type,
            body=content,
            failure=_failure(response.status),
        )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body, at most one byte more than is allowed."""
    content = b""
    async for chunk in response.content.iter_chunked(MAX_ANSWER + 1):
        content += chunk
        if len(content) > MAX_ANSWER:
            return content[: MAX_ANSWER + 1]
    return content


def _failure(status: int) -> str:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ""
    return "5xx" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "4xx"
