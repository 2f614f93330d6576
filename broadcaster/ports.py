"""The seams to the outside: a provider of messages, an engine for background work, a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from broadcaster.core.messages import InboundMessage, OutboundMessage, SendOutcome, StatusUpdate


class Clock(Protocol):
    """Tells the present moment; a test tells its own."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class Connection(Protocol):
    """An open line to the provider, for as long as one run of sending lasts."""

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Hand over one message, once, and say what became of the request. Never raises."""
        ...


class Provider(Protocol):
    """Everything we ask of a company that carries messages."""

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """Open a pool of connections for sending."""
        ...

    def is_authentic(
        self, url: str, parameters: Sequence[tuple[str, str]], signature: str | None
    ) -> bool:
        """Tell whether the provider itself made this form request to this URL."""
        ...

    def parse_inbound(self, parameters: Mapping[str, str]) -> InboundMessage:
        """Read an inbound webhook.

        Raises:
            MalformedWebhook: a field is missing or has no strict form.
            InvalidAddress: the author's address is unusable.
        """
        ...

    def parse_status(self, parameters: Mapping[str, str]) -> StatusUpdate:
        """Read a status callback.

        Raises:
            MalformedWebhook: a field is missing or has no strict form.
        """
        ...

    def render_answer(self, text: str | None) -> str:
        """Write the body of the webhook's answer: one message, or none."""
        ...

    def answers_stop_itself(self, message: InboundMessage) -> bool:
        """Tell whether the provider has already blocked the author and confirmed the stop."""
        ...

    def lifts_block_itself(self, message: InboundMessage) -> bool:
        """Tell whether the provider has lifted its own block of the author at this text."""
        ...

    def is_opt_out(self, code: int) -> bool:
        """Tell whether an error code means that the person stopped or blocked us there."""
        ...

    def explain(self, code: int) -> str:
        """Say in a plain English sentence what an error code means; a message id for screens."""
        ...


class Engine(Protocol):
    """Runs the jobs by the clock, in the background."""

    def start(self) -> None:
        """Begin ticking."""
        ...

    def stop(self) -> None:
        """Stop ticking and wait for what is under way."""
        ...
