"""A sandbox, a product that records what it is told, and the official client between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit, urlunsplit

import pytest
from aiohttp import web
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from broadcaster.sandbox.clock import MovableClock
from broadcaster.sandbox.config import Condition, Phone, SandboxConfig, Timing
from broadcaster.sandbox.server import SandboxServer

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a token that signs"
SMS = "+15550100000"
WHATSAPP = "whatsapp:+15550100000"
ANNA = "+15550100001"
QUICK = Timing(sent=0.01, delivered=0.02, failed=0.02)
PHONES = (
    Phone(name="Anna", number=ANNA),
    Phone(name="Bram", number="+15550100002", condition=Condition.OFF),
    Phone(name="Cora", number="+15550100003", condition=Condition.LANDLINE),
    Phone(name="Dirk", number="+15550100004", condition=Condition.UNKNOWN),
)


@dataclass
class Heard:
    """One request the product received."""

    path: str
    form: dict[str, str]
    is_signed: bool
    headers: Mapping[str, str]


@dataclass
class Reaction:
    """What the product answers to an inbound message."""

    body: str = "<Response/>"
    status: int = 200
    content_type: str = "text/xml"


@dataclass
class Product:
    """A web server that checks signatures as the product does, and keeps what it heard."""

    base: str = ""
    heard: list[Heard] = field(default_factory=list)
    react: Callable[[dict[str, str]], Reaction] = lambda _: Reaction()

    def says(self, *replies: str) -> None:
        """Answer every inbound message with these texts."""
        verbs = "".join(f"<Message>{reply}</Message>" for reply in replies)
        self.react = lambda _: Reaction(body=f"<Response>{verbs}</Response>")

    def reacts(self, body: str = "", *, status: int = 200, content_type: str = "text/xml") -> None:
        """Answer every inbound message with exactly this."""
        self.react = lambda _: Reaction(body=body, status=status, content_type=content_type)

    def callbacks(self) -> list[Heard]:
        """Return the status callbacks heard so far."""
        return [heard for heard in self.heard if heard.path.startswith("/status")]

    async def handle(self, request: web.Request) -> web.Response:
        form = dict((await request.post()).items())
        signature = request.headers.get("X-Twilio-Signature", "")
        validator = RequestValidator(TOKEN)
        is_signed = validator.validate(f"{self.base}{request.path_qs}", form, signature)
        self.heard.append(Heard(request.path_qs, form, is_signed, request.headers))
        if request.path.startswith("/status"):
            return web.Response(status=204)
        reaction = self.react(form)
        return web.Response(
            status=reaction.status, text=reaction.body, content_type=reaction.content_type
        )

    async def serve(self, started: Future[asyncio.Event]) -> None:
        stopping = asyncio.Event()
        app = web.Application()
        app.router.add_post("/{anything:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.loop = asyncio.get_running_loop()
        started.set_result(stopping)
        await stopping.wait()
        await runner.cleanup()


class LoopbackHttpClient(TwilioHttpClient):
    """The official HTTP client, sent to another scheme and host; all else is the library's."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=10)
        self.session.trust_env = False
        self._base = urlsplit(base)

    def request(self, method, url, *args, **kwargs):
        there = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        return super().request(method, urlunsplit(there), *args, **kwargs)


@pytest.fixture
def product() -> Iterator[Product]:
    product = Product()
    started: Future[asyncio.Event] = Future()
    thread = Thread(target=lambda: asyncio.run(product.serve(started)), daemon=True)
    thread.start()
    stopping = started.result(10)
    yield product
    product.loop.call_soon_threadsafe(stopping.set)
    thread.join(10)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def start(product, clock) -> Iterator[Callable[..., SandboxServer]]:
    """Start sandboxes with other settings than the usual."""
    running: list[SandboxServer] = []

    def start(**settings: object) -> SandboxServer:
        usual: dict[str, object] = {
            "account_sid": ACCOUNT,
            "auth_token": TOKEN,
            "senders": (WHATSAPP, SMS),
            "phones": PHONES,
            "webhook_base": product.base,
            "timing": QUICK,
        }
        server = SandboxServer(SandboxConfig(**(usual | settings)), clock=clock)
        running.append(server.start())
        return server

    start.timing = Timing
    yield start
    for server in running:
        server.stop()


@pytest.fixture
def sandbox(start) -> SandboxServer:
    return start()


@pytest.fixture
def connect() -> Callable[..., Client]:
    """Make official clients that talk to a loopback address."""
    clients: list[Client] = []

    def connect(base: str, token: str = TOKEN) -> Client:
        client = Client(ACCOUNT, token, http_client=LoopbackHttpClient(base))
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.http_client.session.close()


@pytest.fixture
def client(sandbox, connect) -> Client:
    return connect(sandbox.url)


@pytest.fixture(scope="session")
def specification_path() -> Path:
    """Twilio's own OpenAPI description, which lies beside the repository."""
    path = Path(__file__).parents[4] / "shared" / "data" / "twilio_messages_openapi.json"
    if not path.is_file():
        pytest.skip("Twilio's OpenAPI description is not at ../shared/data.")
    return path
