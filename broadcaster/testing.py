"""Fakes for tests, ours and yours: a clock that stands still and a provider that remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from broadcaster.core.messages import (
    Accepted,
    InboundMessage,
    OutboundMessage,
    SendOutcome,
    StatusUpdate,
)
from broadcaster.ports import Connection
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


def accept(message: OutboundMessage) -> SendOutcome:
    """Accept every message under an id of its own, as a provider does on a good day."""
    token = message.status_callback.rpartition("/")[2].partition("-")[0]
    return Accepted(sid=f"SM{int(token):032x}")


class FakeProvider:
    """Reads webhooks as Twilio's adapter does, and answers requests as a test decides.

    Attributes:
        sent: every request that was made, in order.
        answer: decides each request's outcome; may raise nothing.
    """

    def __init__(self, answer: Answer = accept) -> None:
        self.sent: list[OutboundMessage] = []
        self.answer = answer
        self._twilio = TwilioProvider(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Open a line to this very object."""
        yield self

    async def send(self, message: OutboundMessage, *, begin_within: float) -> SendOutcome:
        """Remember a request and answer it."""
        del begin_within  # this one begins at once
        self.sent.append(message)
        return self.answer(message)

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

    def explain(self, code: int) -> str:
        """Know Twilio's codes."""
        return self._twilio.explain(code)
