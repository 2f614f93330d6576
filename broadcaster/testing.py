"""Fakes for tests, ours and yours: a clock that stands still and a provider that remembers."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from broadcaster.core.address import Address
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.messages import (
    Accepted,
    Deletion,
    Direction,
    InboundMessage,
    Listed,
    OutboundMessage,
    ProviderStatus,
    SendOutcome,
    StatusUpdate,
)
from broadcaster.core.remedy import Remedy
from broadcaster.ports import Clock, Connection
from broadcaster.providers.twilio import TwilioProvider

ACCOUNT_SID = f"AC{'0' * 32}"
AUTH_TOKEN = "a-token-for-tests"  # noqa: S105 - opens nothing
START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)

Answer = Callable[[OutboundMessage], SendOutcome]


class FixedClock:
    """A clock that moves only when told."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return self._now

    def advance(self, **by: float) -> None:
        """Move on, by what ``timedelta`` takes: ``advance(minutes=5)``."""
        self._now += timedelta(**by)


def accept(message: OutboundMessage) -> Accepted:
    """Accept every message under an id of its own, as a provider does on a good day."""
    if message.status_callback is None:
        return Accepted(sid=f"SM{secrets.token_hex(16)}")
    token = message.status_callback.rpartition("/")[2].partition("-")[0]
    return Accepted(sid=f"SM{int(token):032x}")


class FakeProvider:
    """Reads webhooks as Twilio's adapter does, and answers requests as a test decides.

    Args:
        answer: decides each request's outcome.
        clock: tells when a message was accepted; without one they all were at `START`.

    Attributes:
        sent: every request that was made, in order.
        answer: decides each request's outcome; may raise nothing.
        accepted: what the provider's list shows of them, in order.
        inbound: what people texted, for the provider's list; a test fills it.
        list_lag: seconds before a message shows up in the list.
        unreadable: why the list cannot be read, if it cannot.
        under_way: the ids of messages that have not ended, so that they cannot be deleted yet.
        deleted: the ids of messages that were deleted, in order.
        undeletable: why nothing can be deleted, if nothing can.
    """

    def __init__(self, answer: Answer = accept, *, clock: Clock | None = None) -> None:
        self.sent: list[OutboundMessage] = []
        self.answer = answer
        self.accepted: list[Listed] = []
        self.inbound: list[Listed] = []
        self.list_lag = 0.0
        self.unreadable: str | None = None
        self.under_way: set[str] = set()
        self.deleted: list[str] = []
        self.undeletable: Deletion | None = None
        self._clock: Clock = clock or FixedClock()
        self._twilio = TwilioProvider(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Open a line to this very object."""
        yield self

    async def send(self, message: OutboundMessage, *, begin_within: float) -> SendOutcome:
        """Remember a request and answer it."""
        del begin_within  # this one begins at once
        self.sent.append(message)
        outcome = self.answer(message)
        if isinstance(outcome, Accepted):
            self.take(message, sid=outcome.sid)
        return outcome

    def take(self, message: OutboundMessage, *, sid: str | None = None) -> Listed:
        """Put a message into the provider's list, as if it was accepted whatever we heard.

        Args:
            message: what was asked for.
            sid: the provider's id; without one, what `accept` gives.
        """
        listed = Listed(
            sid=sid or accept(message).sid,
            sender=message.sender,
            recipient=message.recipient,
            text=message.text,
            status=ProviderStatus.QUEUED,
            created=self._clock.now().replace(microsecond=0),
            direction=Direction.OUTBOUND_API,
        )
        self.accepted.append(listed)
        return listed

    async def messages(
        self, *, to: Address | None = None, sender: Address | None = None, since: datetime
    ) -> AsyncIterator[Listed]:
        """List what was accepted and texted, newest first."""
        if self.unreadable is not None:
            raise ListUnreadable(self.unreadable)
        until = self._clock.now() - timedelta(seconds=self.list_lag)
        since = since.replace(microsecond=0)
        listed = sorted([*self.inbound, *self.accepted], key=lambda one: one.created)
        for one in reversed(listed):
            fits = to in {None, one.recipient} and sender in {None, one.sender}
            if fits and since <= one.created <= until:
                yield one

    async def delete(self, sid: str) -> Deletion:
        """Forget a message, as Twilio does: only once it has ended."""
        if self.undeletable is not None:
            return self.undeletable
        if sid in self.under_way:
            return Deletion.TOO_EARLY
        self.inbound = [one for one in self.inbound if one.sid != sid]
        self.accepted = [one for one in self.accepted if one.sid != sid]
        self.deleted.append(sid)
        return Deletion.GONE

    def is_authentic(
        self, url: str, parameters: Sequence[tuple[str, str]], signature: str | None
    ) -> bool:
        """Check a signature as Twilio's adapter does."""
        return self._twilio.is_authentic(url, parameters, signature)

    def is_authentic_body(self, url: str, body: bytes, signature: str | None) -> bool:
        """Check the signature of a body that is no form as Twilio's adapter does."""
        return self._twilio.is_authentic_body(url, body, signature)

    def parse_inbound(self, parameters: Mapping[str, str]) -> InboundMessage:
        """Read an inbound webhook as Twilio's adapter does."""
        return self._twilio.parse_inbound(parameters)

    def inbound_of(self, listed: Listed) -> InboundMessage:
        """Read a missed text as Twilio's adapter does."""
        return self._twilio.inbound_of(listed)

    def parse_status(self, parameters: Mapping[str, str]) -> StatusUpdate:
        """Read a status callback as Twilio's adapter does."""
        return self._twilio.parse_status(parameters)

    def render_answer(self, texts: Sequence[str]) -> str:
        """Write TwiML."""
        return self._twilio.render_answer(texts)

    def answers_stop_itself(self, message: InboundMessage) -> bool:
        """Tell what Twilio would have answered."""
        return self._twilio.answers_stop_itself(message)

    def lifts_block_itself(self, message: InboundMessage) -> bool:
        """Tell what Twilio would have lifted."""
        return self._twilio.lifts_block_itself(message)

    def answers_help_itself(self, message: InboundMessage) -> bool:
        """Tell what Twilio would have answered."""
        return self._twilio.answers_help_itself(message)

    def keeps_blocking(self, code: int) -> bool:
        """Know Twilio's codes."""
        return self._twilio.keeps_blocking(code)

    def concerns_everybody(self, code: int) -> bool:
        """Know Twilio's codes."""
        return self._twilio.concerns_everybody(code)

    def is_opt_out(self, code: int) -> bool:
        """Know Twilio's codes."""
        return self._twilio.is_opt_out(code)

    def remedy(self, code: int) -> Remedy:
        """Know Twilio's codes."""
        return self._twilio.remedy(code)

    def explain(self, code: int) -> str:
        """Know Twilio's codes."""
        return self._twilio.explain(code)
