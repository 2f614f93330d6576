"""The telephone exchange: all parts of the sandbox put together, without any HTTP server."""

from __future__ import annotations

import asyncio

from broadcaster.sandbox.activity import Activity
from broadcaster.sandbox.addresses import number_of
from broadcaster.sandbox.clock import Clock
from broadcaster.sandbox.config import Phone, SandboxConfig
from broadcaster.sandbox.errors import InvalidCommand
from broadcaster.sandbox.faults import Faults
from broadcaster.sandbox.inbound import Inbound, Received, Text
from broadcaster.sandbox.journal import Journal
from broadcaster.sandbox.lifecycle import Lifecycle
from broadcaster.sandbox.sending import Sending
from broadcaster.sandbox.store import Store
from broadcaster.sandbox.webhooks import Webhooks


class Exchange:
    """One pretended Twilio account; lives on one event loop and is used from there only."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.stopping = asyncio.Event()
        self.activity = Activity()
        self.store = Store()
        self.faults = Faults(config.faults)
        self.journal = Journal(config.journal_path)
        self.webhooks = Webhooks(
            config.auth_token,
            clock=clock,
            limit=config.webhook_timeout,
            callbacks=config.callback_connections,
        )
        self.lifecycle = Lifecycle(
            config,
            clock=clock,
            store=self.store,
            journal=self.journal,
            faults=self.faults,
            webhooks=self.webhooks,
            activity=self.activity,
        )
        self.sending = Sending(config, clock=clock, store=self.store, lifecycle=self.lifecycle)
        self.inbound = Inbound(
            config,
            clock=clock,
            store=self.store,
            journal=self.journal,
            webhooks=self.webhooks,
            sending=self.sending,
        )

    async def receive(self, text: Text) -> Received:
        """Take a text from a phone; see :meth:`Inbound.receive`."""
        self.activity.begin()
        try:
            return await self.inbound.receive(text)
        finally:
            self.activity.end()

    def phone(self, name: str) -> Phone:
        """Return the phone with this name or number.

        Raises:
            InvalidCommand: there is none.
        """
        for phone in self.config.phones:
            if name in {phone.name, phone.number}:
                return phone
        number = number_of(name)
        if self.store.thread(number):
            return Phone(name=number, number=number)
        message = "No phone has that name or number; see /sandbox/state."
        raise InvalidCommand(message)

    async def close(self) -> None:
        """Give up what is under way and close all connections and files."""
        self.stopping.set()
        await self.activity.cancel()
        await self.webhooks.close()
        self.journal.close()
