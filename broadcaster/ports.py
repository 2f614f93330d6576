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

    async def send(self, message: OutboundMessage, *, begin_within: float) -> SendOutcome:
        """Hand over one message, once, and say what became of the request. Never raises.

        Args:
            message: what goes to whom.
            begin_within: seconds after which the request may no longer begin; it is then deferred.
        """
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

    def is_authentic_body(self, url: str, body: bytes, signature: str | None) -> bool:
        """Tell whether the provider itself made this request, whose body is no form."""
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

    def render_answer(self, texts: Sequence[str]) -> str:
        """Write the body of the webhook's answer: a message for each text, or none."""
        ...

    def answers_stop_itself(self, message: InboundMessage) -> bool:
        """Tell whether the provider has already blocked the author and confirmed the stop."""
        ...

    def lifts_block_itself(self, message: InboundMessage) -> bool:
        """Tell whether the provider has lifted its own block of the author at this text."""
        ...

    def answers_help_itself(self, message: InboundMessage) -> bool:
        """Tell whether the provider has already given the help that the operator set there."""
        ...

    def is_opt_out(self, code: int) -> bool:
        """Tell whether an error code means that the person stopped or blocked us there."""
        ...

    def keeps_blocking(self, code: int) -> bool:
        """Tell whether the provider will refuse this person until they text START there."""
        ...

    def concerns_everybody(self, code: int) -> bool:
        """Tell whether a refusal would meet every recipient: the sender, the account, the text."""
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
