"""A request begins within its lease or not at all: afterwards a stop may have been answered."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, contextmanager

from broadcaster.core.address import Address
from broadcaster.core.messages import Deferred, OutboundMessage
from broadcaster.providers.twilio import TwilioProvider
from broadcaster.testing import ACCOUNT_SID, AUTH_TOKEN

MESSAGE = OutboundMessage(
    sender=Address.parse("+15550100101"),
    recipient=Address.parse("+15550100001"),
    text="Nieuws",
    status_callback="https://news.example.org/webhooks/twilio/status/1-ab",
)


@contextmanager
def nobody_is_let_in():
    """A server whose queue of waiting lines is full."""
    with socket.socket() as listening, ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def send(url, *, begin_within):
    provider = TwilioProvider(
        account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, api_base=url, timeout=30.0
    )

    async def story():
        async with asyncio.timeout(20), provider.connect() as connection:
            return await connection.send(MESSAGE, begin_within=begin_within)

    return asyncio.run(story())


def test_a_line_that_comes_too_late_carries_nothing():
    with nobody_is_let_in() as url:
        outcome = send(url, begin_within=0.2)

    assert isinstance(outcome, Deferred)


def test_a_moment_that_has_passed_asks_for_no_line():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        outcome = send(f"http://127.0.0.1:{server.getsockname()[1]}", begin_within=0.0)

        assert isinstance(outcome, Deferred)
        try:
            came = server.accept()
        except BlockingIOError:
            came = None
    assert came is None
