"""Twilio as a provider: what the rest of the product may ask of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from twilio.rest import Client  # type: ignore[import-untyped] # ships no types

from broadcaster.core.messages import InboundMessage, Listed, StatusUpdate
from broadcaster.core.remedy import Remedy
from broadcaster.providers.twilio import answers, carrier, codes, entries, webhooks
from broadcaster.providers.twilio.api_base import parse_api_base
from broadcaster.providers.twilio.connection import TwilioConnection
from broadcaster.providers.twilio.signature import is_valid_body, is_valid_form
from broadcaster.providers.twilio.transport import Transport

_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")


class TwilioProvider:
    """One account at Twilio.

    Args:
        account_sid: the account's name, ``AC`` and 32 hexadecimal digits.
        auth_token: its secret; signs webhooks and opens the API.
        secondary_token: a second secret that also signs, while the two are being exchanged.
        api_base: where the API is; plain http only to this machine.
        timeout: seconds to wait for a line, and again for an answer.
        pool: how many requests may be under way at once.

    Raises:
        ValueError: an argument cannot be right. The secrets are not repeated.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        secondary_token: str | None = None,
        api_base: str = "https://api.twilio.com",
        timeout: float = 10.0,
        pool: int = 50,
    ) -> None:
        if _ACCOUNT_SID.fullmatch(account_sid) is None:
            message = "Twilio's account SID must be AC and 32 hexadecimal digits; see its console."
            raise ValueError(message)
        if not auth_token:
            message = "Twilio's auth token is empty; without it anybody could sign a webhook."
            raise ValueError(message)
        if not timeout > 0 or pool < 1:
            message = "Twilio's time-out must be over 0 seconds and its pool at least 1."
            raise ValueError(message)
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._tokens = tuple(token for token in (auth_token, secondary_token) if token)
        self._base = parse_api_base(api_base)
        self._timeout = timeout
        self._pool = pool

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[TwilioConnection]:
        """Open a pool of connections for sending; leaving closes them."""
        auth = (self._account_sid, self._auth_token)
        transport = Transport(base=self._base, auth=auth, timeout=self._timeout, pool=self._pool)
        async with transport:
            # An environment of our own: else the library reads the process's for TWILIO_EDGE.
            environment = {"TWILIO_ACCOUNT_SID": self._account_sid}
            client = Client(*auth, http_client=transport, environment=environment)
            yield TwilioConnection(client)

    def is_authentic(
        self, url: str, parameters: Sequence[tuple[str, str]], signature: str | None
    ) -> bool:
        """Tell whether Twilio itself made this form request to this URL. Never raises."""
        return is_valid_form(self._tokens, url, parameters, signature)

    def is_authentic_body(self, url: str, body: bytes, signature: str | None) -> bool:
        """Tell whether Twilio itself made this request, whose body is JSON. Never raises."""
        return is_valid_body(self._tokens, url, body, signature)

    def parse_inbound(self, parameters: Mapping[str, str]) -> InboundMessage:
        """Read an inbound webhook.

        Raises:
            MalformedWebhook: a field is missing or has no strict form.
            InvalidAddress: the author's address is unusable.
        """
        return webhooks.parse_inbound(parameters, account_sid=self._account_sid)

    def inbound_of(self, listed: Listed) -> InboundMessage:
        """Read a text whose webhook we missed, from Twilio's list.

        Raises:
            MalformedWebhook: it is no inbound message, or not to one of our numbers.
            InvalidAddress: the author's address is unusable.
        """
        return entries.inbound_of(listed, account_sid=self._account_sid)

    def parse_status(self, parameters: Mapping[str, str]) -> StatusUpdate:
        """Read a status callback.

        Raises:
            MalformedWebhook: a field is missing or has no strict form.
        """
        return webhooks.parse_status(parameters, account_sid=self._account_sid)

    def render_answer(self, texts: Sequence[str]) -> str:
        """Write the webhook's answer as TwiML: a message for each text, or none."""
        return answers.render_answer(texts)

    def answers_stop_itself(self, message: InboundMessage) -> bool:
        """Tell whether Twilio has already blocked the author and confirmed the stop."""
        return carrier.answers_stop_itself(message)

    def lifts_block_itself(self, message: InboundMessage) -> bool:
        """Tell whether Twilio has lifted its own block of the author at this text."""
        return carrier.lifts_block_itself(message)

    def answers_help_itself(self, message: InboundMessage) -> bool:
        """Tell whether Twilio has given the help text of Advanced Opt-Out."""
        return carrier.answers_help_itself(message)

    def keeps_blocking(self, code: int) -> bool:
        """Tell whether Twilio refuses this person until they text START."""
        return code == codes.STOPPED_AT_TWILIO

    def concerns_everybody(self, code: int) -> bool:
        """Tell whether every other recipient would be refused for the same reason."""
        return code in codes.CONCERNING_EVERYBODY

    def is_opt_out(self, code: int) -> bool:
        """Tell whether an error code means that the person stopped or blocked us at Twilio."""
        return codes.explain(code).group is codes.Group.OPT_OUT

    def remedy(self, code: int) -> Remedy:
        """Tell what to do about a refusal or failure with this code."""
        return codes.remedy(code)

    def explain(self, code: int) -> str:
        """Say in a plain English sentence why Twilio refused or failed to deliver."""
        return codes.explain(code).sentence
