"""What stands in for a provider where none is set: it proves nothing and sends nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from broadcaster.core.errors import InvalidInput
from broadcaster.core.messages import InboundMessage, Listed, StatusUpdate
from broadcaster.core.remedy import Remedy
from broadcaster.ports import Connection


class UnconfiguredProvider:
    """Lets commands work that need no provider; everything else says what to set."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Refuse: there is nobody to connect to."""
        self._refuse()
        yield  # type: ignore[unreachable] # makes this a generator, as the Protocol asks

    def is_authentic(
        self, url: str, parameters: Sequence[tuple[str, str]], signature: str | None
    ) -> bool:
        """Believe nobody."""
        del url, parameters, signature
        return False

    def is_authentic_body(self, url: str, body: bytes, signature: str | None) -> bool:
        """Believe nobody."""
        del url, body, signature
        return False

    def parse_inbound(self, parameters: Mapping[str, str]) -> InboundMessage:
        """Refuse: nothing authentic can have come in."""
        del parameters
        self._refuse()

    def inbound_of(self, listed: Listed) -> InboundMessage:
        """Refuse: there is no list."""
        del listed
        self._refuse()

    def parse_status(self, parameters: Mapping[str, str]) -> StatusUpdate:
        """Refuse: nothing authentic can have come in."""
        del parameters
        self._refuse()

    def render_answer(self, texts: Sequence[str]) -> str:
        """Refuse: there is nobody to answer."""
        del texts
        self._refuse()

    def answers_stop_itself(self, message: InboundMessage) -> bool:
        """Tell that nobody else answers."""
        del message
        return False

    def lifts_block_itself(self, message: InboundMessage) -> bool:
        """Tell that nobody else lifts a block."""
        del message
        return False

    def answers_help_itself(self, message: InboundMessage) -> bool:
        """Tell that nobody else answers."""
        del message
        return False

    def keeps_blocking(self, code: int) -> bool:
        """Know no codes."""
        del code
        return False

    def concerns_everybody(self, code: int) -> bool:
        """Know no codes."""
        del code
        return False

    def is_opt_out(self, code: int) -> bool:
        """Know no codes."""
        del code
        return False

    def remedy(self, code: int) -> Remedy:
        """Know no codes."""
        del code
        return Remedy.FAIL

    def explain(self, code: int) -> str:
        """Know no codes."""
        return f"Error {code}."

    def _refuse(self) -> NoReturn:
        message = (
            "Twilio is not set up: set BROADCASTER_TWILIO__ACCOUNT_SID and "
            "BROADCASTER_TWILIO__AUTH_TOKEN, or try everything with: broadcaster demo"
        )
        raise InvalidInput(message)
