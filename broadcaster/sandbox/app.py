"""The web application around an exchange."""

from __future__ import annotations

from aiohttp import web

from broadcaster.sandbox.api import MessagesApi
from broadcaster.sandbox.control import Control
from broadcaster.sandbox.exchange import Exchange
from broadcaster.sandbox.guard import add_headers, guard
from broadcaster.sandbox.page import Page

_LARGEST_REQUEST = 1024 * 1024


def build(exchange: Exchange) -> web.Application:
    """Return the application: Twilio's interface, the control interface, and the phones."""
    app = web.Application(middlewares=[guard], client_max_size=_LARGEST_REQUEST)
    app.add_routes(MessagesApi(exchange).routes())
    app.add_routes(Control(exchange).routes())
    app.add_routes(Page(exchange).routes())
    app.on_response_prepare.append(add_headers)
    return app
