"""What our sender is measured against: the official client, alone, doing nothing else.

``loop`` is what most people write first. ``bare`` is the best the official client can do: its
asynchronous form with a large pool, one request after another on each of as many tasks.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from tests.benchmarks.newsroom import TEXT
from tests.benchmarks.processes import Run, Stopwatch
from tests.benchmarks.stub import ACCOUNT_SID

AUTH_TOKEN = "a-token-for-tests"


class LoopbackClient(TwilioHttpClient):
    """The official client as it comes, pointed at this machine."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def request(self, method: str, url: str, *given: Any, **more: Any) -> Response:
        """Make the request here instead of at Twilio."""
        return super().request(method, f"{self._base}{urlsplit(url).path}", *given, **more)


class AsyncLoopbackClient(AsyncTwilioHttpClient):
    """The official asynchronous client as it comes, with a pool of a size, pointed here."""

    def __init__(self, base: str, pool: int) -> None:
        super().__init__(pool_connections=False)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=pool))
        self._base = base

    async def request(self, method: str, url: str, *given: Any, **more: Any) -> Response:
        """Make the request here instead of at Twilio."""
        return await super().request(method, f"{self._base}{urlsplit(url).path}", *given, **more)


def messages(number: int) -> Iterator[dict[str, str]]:
    """Write as many messages as asked for, of the same form as the product's."""
    for one in range(number):
        yield {
            "to": f"+1555010{one:08d}",
            "from_": "+15550100199",
            "body": TEXT,
            "status_callback": f"https://news.example.org/webhooks/twilio/status/{one}-{one:020x}",
        }


def loop(base: str, number: int) -> Run:
    """Send one after the other."""
    client = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=LoopbackClient(base))
    watch = Stopwatch()
    for message in messages(number):
        client.messages.create(**message)
    return watch.stop(number)


def bare(base: str, number: int, pool: int) -> Run:
    """Send with as many under way as the pool holds, and do nothing with the answers."""
    # The library hands its credentials over in a form that its own HTTP library gives up.
    warnings.simplefilter("ignore", DeprecationWarning)
    return asyncio.run(_bare(base, number, pool))


async def _bare(base: str, number: int, pool: int) -> Run:
    watch = Stopwatch()
    async with AsyncLoopbackClient(base, pool) as http_client:
        client = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=http_client)
        waiting = messages(number)
        await asyncio.gather(*(_send(client, waiting) for _ in range(pool)))
    return watch.stop(number)


async def _send(client: Client, waiting: Iterator[dict[str, str]]) -> None:
    for message in waiting:
        await client.messages.create_async(**message)
