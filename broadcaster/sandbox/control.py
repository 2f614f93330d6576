"""The sandbox's own interface under /sandbox: texting, journal, state and faults, in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from json import JSONDecodeError

from aiohttp import web

from broadcaster.sandbox import conversation
from broadcaster.sandbox.errors import InvalidCommand
from broadcaster.sandbox.exchange import Exchange
from broadcaster.sandbox.faults import FaultPlan
from broadcaster.sandbox.inbound import Text

_LONGEST_NUMBER = 12


class Control:
    """Handlers for tests, for the demo, and for curious people."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return the routes of this interface."""
        return [
            web.get("/sandbox/journal", self.journal),
            web.get("/sandbox/state", self.state),
            web.get("/sandbox/faults", self.faults),
            web.post("/sandbox/faults", self.set_faults),
            web.post("/sandbox/inbound", self.inbound),
            web.get("/sandbox/phones/{name}/messages", self.messages),
            web.post("/sandbox/phones/{name}/read", self.read),
        ]

    async def journal(self, request: web.Request) -> web.Response:
        """Answer the entries after a number."""
        after = _number(request.query.get("after", "0"))
        limit = request.query.get("limit")
        entries = self._exchange.journal.after(after, None if limit is None else _number(limit))
        return web.json_response({"entries": entries, "last": self._exchange.journal.last})

    async def state(self, _: web.Request) -> web.Response:
        """Answer the set-up, without the secret, and what is remembered."""
        return web.json_response(state(self._exchange))

    async def faults(self, _: web.Request) -> web.Response:
        """Answer the fault plan and how often each fault struck."""
        return web.json_response(_faults(self._exchange))

    async def set_faults(self, request: web.Request) -> web.Response:
        """Replace the fault plan."""
        self._exchange.faults.apply(FaultPlan.from_json(await _json(request)))
        return web.json_response(_faults(self._exchange))

    async def inbound(self, request: web.Request) -> web.Response:
        """Let a phone text, and answer what the product said."""
        text = _text(await _json(request))
        received = await self._exchange.receive(text)
        return web.json_response(received.to_json())

    async def messages(self, request: web.Request) -> web.Response:
        """Answer what a phone shows."""
        phone = self._exchange.phone(request.match_info["name"])
        shown = conversation.bubbles(
            self._exchange.store, phone.number, zone=self._exchange.config.zone
        )
        return web.json_response({"name": phone.name, "messages": shown})

    async def read(self, request: web.Request) -> web.Response:
        """Mark what WhatsApp delivered to a phone as read."""
        phone = self._exchange.phone(request.match_info["name"])
        return web.json_response({"read": self._exchange.lifecycle.mark_read(phone.number)})


def state(exchange: Exchange) -> dict[str, object]:
    """Return the set-up, without the secret, and what is remembered."""
    config = exchange.config
    return {
        "account_sid": config.account_sid,
        "senders": list(config.senders),
        "phones": [
            {"name": phone.name, "number": phone.number, "condition": phone.condition.value}
            for phone in config.phones
        ],
        "webhook_base": exchange.inbound.base,
        "now": exchange.clock.now().isoformat(),
        "journal": exchange.journal.last,
        **exchange.store.summary(exchange.clock.now()),
    }


def _faults(exchange: Exchange) -> dict[str, object]:
    return {**exchange.faults.plan.to_json(), "struck": dict(exchange.faults.struck)}


async def _json(request: web.Request) -> object:
    """Read a JSON body; the type is required because a foreign form cannot set it."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send application/json.")
    try:
        document: object = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        message = "The body is not JSON."
        raise InvalidCommand(message) from error
    return document


def _text(document: object) -> Text:
    """Read who texts what to whom."""
    if not isinstance(document, Mapping):
        document = {}
    needed = [document.get(name) for name in ("from", "to", "body")]
    extra = document.get("params", {})
    unknown = document.keys() - {"from", "to", "body", "params"}
    parts = [*needed, *(extra.values() if isinstance(extra, Mapping) else [None])]
    if unknown or not all(isinstance(part, str) for part in parts):
        message = "A text is {from, to, body, params: {name: text}}."
        raise InvalidCommand(message)
    phone, sender, body = (str(part) for part in needed)
    return Text(phone=phone, sender=sender, body=body, extra=extra)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise web.HTTPBadRequest(text="after and limit are numbers.", reason=None)
    return int(text)
