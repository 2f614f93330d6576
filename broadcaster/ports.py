"""The seams to the outside: a provider of messages, an engine for background work, a clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from broadcaster.core.address import Address
from broadcaster.core.messages import (
    Deletion,
    InboundMessage,
    Listed,
    OutboundMessage,
    SendOutcome,
    StatusUpdate,
)
from broadcaster.core.remedy import Remedy


class Clock(Protocol):
    """Tells the present moment; a test tells its own."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class Connection(Protocol):
    """An open line to the provider, for as long as one run of sending or looking up lasts."""

    async def send(self, message: OutboundMessage, *, begin_within: float) -> SendOutcome:
        """Hand over one message, once, and say what became of the request. Never raises.

        Args:
            message: what goes to whom.
            begin_within: seconds after which the request may no longer begin; it is then deferred.
        """
        ...

    def messages(
        self, *, to: Address | None = None, sender: Address | None = None, since: datetime
    ) -> AsyncIterator[Listed]:
        """Read the provider's own list of messages, newest first, each once.

        A message that has just been accepted may not be in it yet.

        Args:
            to: only messages to this address.
            sender: only messages from this address; one whose sender a messaging service has yet
                to choose is not among them.
            since: the moment, aware, before which messages are left out.

        Raises:
            ListUnreadable: it could not be read to its end, or makes no sense; conclude nothing
                from what was read.
        """
        ...

    async def delete(self, sid: str) -> Deletion:
        """Delete a message at the provider, its words and its number. Never raises.

        Args:
            sid: the provider's id of it.
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

    def inbound_of(self, listed: Listed) -> InboundMessage:
        """Read a text that somebody sent us and whose webhook we missed.

        Raises:
            MalformedWebhook: it is no inbound message, or not to one of our numbers.
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

    def remedy(self, code: int) -> Remedy:
        """Tell what to do about a refusal or failure with this error code."""
        ...

    def explain(self, code: int) -> str:
        """Say in a plain English sentence what an error code means; a message id for screens."""
        ...


class Queue(Protocol):
    """Wakes the workers of a distributed engine; the database stays the truth of what there is."""

    def enqueue(self, session: Session, job: str, arguments: Mapping[str, int]) -> None:
        """Ask for a job within the caller's transaction: both are committed, or neither.

        Args:
            session: the caller's open transaction.
            job: its name in ``broadcaster.jobs``.
            arguments: ids, never a text or a number of a person.
        """
        ...


class Engine(Protocol):
    """Runs the jobs, in the background."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """Stop and wait for what is under way; what is queued stays queued."""
        ...

    def once(self) -> bool:
        """Do once, here and now, what there is to do; tell whether all of it worked."""
        ...
