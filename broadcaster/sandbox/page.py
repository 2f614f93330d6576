"""The phones on a web page: rendered here, kept fresh by server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from broadcaster.sandbox import addresses, conversation
from broadcaster.sandbox.addresses import Channel
from broadcaster.sandbox.config import Condition, Phone
from broadcaster.sandbox.errors import InvalidCommand
from broadcaster.sandbox.exchange import Exchange
from broadcaster.sandbox.inbound import Text

_HERE = Path(__file__).parent
_SHOWN = 200
_GATHER = 0.05
_HEARTBEAT = 15.0
_CONDITIONS = {
    Condition.ON: "",
    Condition.OFF: "switched off",
    Condition.LANDLINE: "a landline",
    Condition.UNKNOWN: "number not in use",
    Condition.FILTERED: "blocked by its carrier",
}


class Page:
    """The page, the form behind it, and its stream of changes."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._streams: set[_Stream] = set()
        self._shown = {phone.number: phone for phone in exchange.config.phones}
        environment = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True)
        self._template = environment.get_template("phones.html")
        exchange.store.watch(self._changed)

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return the routes of the page."""
        return [
            web.get("/", self.show),
            web.post("/sandbox/text", self.text),
            web.get("/sandbox/events", self.events),
            web.static("/static", _HERE / "static"),
        ]

    async def show(self, _: web.Request) -> web.Response:
        """Answer the page with everything on it, so that it can be read without script."""
        config = self._exchange.config
        html = self._template.render(
            phones=[self._phone(phone) for phone in config.phones],
            senders=[_sender(address) for address in config.senders],
            chips=config.chips,
            zone=config.zone,
            product_url=config.product_url or self._exchange.inbound.base,
        )
        return web.Response(text=html, content_type="text/html")

    async def text(self, request: web.Request) -> web.Response:
        """Take a text typed on the page."""
        form = await request.post()
        phone = self._exchange.phone(_field(form, "phone"))
        sender = _field(form, "sender")
        body = _field(form, "chip") or _field(form, "body")
        if not body.strip():
            message = "Type a text first."
            raise InvalidCommand(message)
        address = addresses.on_channel(phone.number, addresses.channel_of(sender))
        await self._exchange.receive(Text(phone=address, sender=sender, body=body))
        if request.headers.get("Accept", "").startswith("application/json"):
            return web.Response(status=HTTPStatus.NO_CONTENT)
        place = f"/#{_anchor(phone)}"
        raise web.HTTPSeeOther(place)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream what changes on the phones until the page is left."""
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)
        stream = _Stream(self._shown)
        self._streams.add(stream)
        try:
            while not self._exchange.stopping.is_set():
                for number in await stream.changes(self._exchange.stopping):
                    event = json.dumps(self._phone(self._shown[number]))
                    await response.write(f"data: {event}\n\n".encode())
                await response.write(b": still here\n\n")
        except ConnectionError:
            pass
        finally:
            self._streams.discard(stream)
        return response

    def _changed(self, number: str) -> None:
        if number in self._shown:
            for stream in self._streams:
                stream.mark(number)

    def _phone(self, phone: Phone) -> dict[str, object]:
        """Return what the page shows of a phone, which opens on the number it used last."""
        shown = conversation.bubbles(
            self._exchange.store, phone.number, zone=self._exchange.config.zone, newest=_SHOWN
        )
        return {
            "anchor": _anchor(phone),
            "name": phone.name,
            "number": phone.number,
            "initial": phone.name[:1].upper(),
            "condition": _CONDITIONS[phone.condition],
            "current": shown[-1]["sender"] if shown else "",
            "bubbles": shown,
        }


class _Stream:
    """The phones whose change one open page has not been told of."""

    def __init__(self, shown: dict[str, Phone]) -> None:
        self._waiting = set(shown)
        self._ready = asyncio.Event()
        self._ready.set()

    def mark(self, number: str) -> None:
        self._waiting.add(number)
        self._ready.set()

    async def changes(self, stopping: asyncio.Event) -> list[str]:
        """Wait for changes, gather those close together, and return the phones."""
        waits = [asyncio.create_task(event.wait()) for event in (self._ready, stopping)]
        await asyncio.wait(waits, timeout=_HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.sleep(_GATHER)
        numbers, self._waiting = sorted(self._waiting), set()
        self._ready.clear()
        return numbers


def _field(form: Mapping[str, object], name: str) -> str:
    """Return a text field of a form; a file counts as empty."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _anchor(phone: Phone) -> str:
    return "phone-" + "".join(c if c.isalnum() else "-" for c in phone.name.lower())


def _sender(address: str) -> dict[str, str]:
    is_whatsapp = addresses.channel_of(address) is Channel.WHATSAPP
    return {
        "address": address,
        "number": addresses.number_of(address),
        "channel": addresses.channel_of(address).value,
        "label": "WhatsApp" if is_whatsapp else "SMS",
    }
