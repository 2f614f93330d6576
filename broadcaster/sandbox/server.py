"""The sandbox as a thread: start it, use it from a test or the demo, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from broadcaster.sandbox import control, conversation
from broadcaster.sandbox.app import build
from broadcaster.sandbox.clock import Clock, SystemClock
from broadcaster.sandbox.config import SandboxConfig
from broadcaster.sandbox.errors import InvalidConfig, SandboxError
from broadcaster.sandbox.exchange import Exchange
from broadcaster.sandbox.faults import FaultPlan
from broadcaster.sandbox.inbound import Text
from broadcaster.sandbox.journal import Entry

Result = TypeVar("Result")
_BACKLOG = 1024
_PATIENCE = 30.0


class SandboxServer:
    """A sandbox on its own thread and event loop; its methods may be called from any thread.

    Args:
        config: how it is set up.
        clock: the time it believes in; a ``MovableClock`` lets a test pass a day.
    """

    def __init__(self, config: SandboxConfig, *, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.port = config.port
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exchange: Exchange | None = None

    @property
    def url(self) -> str:
        """The address of the sandbox, without a slash at its end."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Bind, and return once requests are answered.

        Raises:
            InvalidConfig: the port is taken, or the journal cannot be written.
        """
        started: Future[None] = Future()
        self._thread = Thread(target=self._run, args=(started,), name="sandbox", daemon=True)
        self._thread.start()
        started.result(_PATIENCE)
        return self

    def stop(self) -> None:
        """Stop answering and give up what is under way; does nothing when not running."""
        thread, exchange, loop = self._thread, self._exchange, self._loop
        if thread is None or exchange is None or loop is None:
            return
        loop.call_soon_threadsafe(exchange.stopping.set)
        thread.join(_PATIENCE)
        self._thread = self._loop = self._exchange = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def point_to(self, webhook_base: str) -> None:
        """Send inbound webhooks to a product that was started after the sandbox."""

        async def point(exchange: Exchange) -> None:
            exchange.inbound.base = webhook_base

        self._call(point)

    def inbound(
        self, phone: str, sender: str, body: str, params: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        """Let a phone text and return what became of it.

        Args:
            phone: its address, ``+31…`` or ``whatsapp:+31…``.
            sender: the address it texts.
            body: the text.
            params: webhook fields to add or replace; a ``MessageSid`` given twice is a repeat.

        Returns:
            ``sid``, ``status``, ``replies``, ``dropped``, ``carrier_reply`` and ``error_code``.
        """
        text = Text(phone=phone, sender=sender, body=body, extra=dict(params or {}))

        async def receive(exchange: Exchange) -> dict[str, object]:
            return (await exchange.receive(text)).to_json()

        return self._call(receive)

    def journal(self, after: int = 0) -> list[Entry]:
        """Return the journal's entries numbered above ``after``."""

        async def read(exchange: Exchange) -> list[Entry]:
            return exchange.journal.after(after)

        return self._call(read)

    def wait_for(self, wanted: Callable[[Entry], bool], *, timeout: float = _PATIENCE) -> Entry:
        """Return the first journal entry, past or coming, that is wanted.

        Raises:
            TimeoutError: none came in time.
        """

        async def wait(exchange: Exchange) -> Entry:
            found: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()

            def look(entry: Entry) -> None:
                if not found.done() and wanted(entry):
                    found.set_result(entry)

            for entry in exchange.journal.after():
                look(entry)
            exchange.journal.listen(look)
            try:
                return await asyncio.wait_for(found, timeout)
            finally:
                exchange.journal.unlisten(look)

        return self._call(wait, timeout=timeout + 1)

    def messages(self, phone: str) -> list[conversation.Bubble]:
        """Return what a phone shows, oldest first; a phone is given by name or number."""

        async def read(exchange: Exchange) -> list[conversation.Bubble]:
            number = exchange.phone(phone).number
            return conversation.bubbles(exchange.store, number, zone=exchange.config.zone)

        return self._call(read)

    def read_all(self, phone: str) -> int:
        """Let a phone's owner read what WhatsApp delivered; return how many were new."""

        async def read(exchange: Exchange) -> int:
            return exchange.lifecycle.mark_read(exchange.phone(phone).number)

        return self._call(read)

    def set_faults(self, plan: FaultPlan) -> None:
        """Replace the fault plan; ``FaultPlan()`` ends all faults."""

        async def apply(exchange: Exchange) -> None:
            exchange.faults.apply(plan)

        self._call(apply)

    def state(self) -> dict[str, object]:
        """Return the set-up, without the secret, and what is remembered."""

        async def read(exchange: Exchange) -> dict[str, object]:
            return control.state(exchange)

        return self._call(read)

    def settle(self, *, timeout: float = _PATIENCE) -> None:
        """Return once every message has arrived or failed and every webhook was answered.

        Raises:
            TimeoutError: something is still under way.
        """

        async def wait(exchange: Exchange) -> None:
            await asyncio.wait_for(exchange.activity.wait_idle(), timeout)

        self._call(wait, timeout=timeout + 1)

    def _call(
        self,
        work: Callable[[Exchange], Coroutine[object, object, Result]],
        *,
        timeout: float = _PATIENCE,
    ) -> Result:
        if self._exchange is None or self._loop is None:
            message = "The sandbox is not running; call start() first."
            raise SandboxError(message)
        future = asyncio.run_coroutine_threadsafe(work(self._exchange), self._loop)
        return future.result(timeout)

    def _run(self, started: Future[None]) -> None:
        try:
            asyncio.run(self._serve(started))
        except OSError as error:
            message = f"The sandbox cannot listen on {self.url}: {error.strerror}."
            started.set_exception(InvalidConfig(message))
        except InvalidConfig as error:
            started.set_exception(error)

    async def _serve(self, started: Future[None]) -> None:
        exchange = Exchange(self.config, self.clock)
        runner = web.AppRunner(build(exchange), access_log=None, shutdown_timeout=1.0)
        try:
            await runner.setup()
            site = web.TCPSite(runner, self.config.host, self.config.port, backlog=_BACKLOG)
            await site.start()
            self.port = runner.addresses[0][1]
            self._loop, self._exchange = asyncio.get_running_loop(), exchange
            started.set_result(None)
            await exchange.stopping.wait()
        finally:
            await exchange.close()
            await runner.cleanup()
