"""A server in Twilio's place that says what a test wants, and the real sandbox beside it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from aiohttp import web

from broadcaster.core.address import Address
from broadcaster.core.messages import OutboundMessage
from broadcaster.providers.twilio import TwilioProvider
from broadcaster.sandbox.config import SandboxConfig, Timing
from broadcaster.sandbox.faults import FaultPlan, FaultRule
from broadcaster.sandbox.server import SandboxServer

ACCOUNT = "AC" + "0a" * 16
TOKEN = "geheim-token"
SID = "SM" + "1b" * 16
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
CALLBACK = "https://broadcaster.example/webhooks/twilio/status?d=17"
NOWHERE = "http://127.0.0.1:9/status"  # the discard port: nobody listens
TEXT = "Nieuws: één & twee + drie\nRef B142 😀"
OURS = "+15550100099"
PATIENCE = 30.0  # far more than any of this takes; a hung test fails instead of hanging


def message(number="+15550100001", prefix="", callback=CALLBACK, **more):
    return OutboundMessage(
        sender=Address.parse(prefix + OURS),
        recipient=Address.parse(prefix + number),
        text=TEXT,
        status_callback=callback,
        **more,
    )


class Stub:
    """A server in Twilio's place that writes down what it saw and answers as it is told."""

    def __init__(self, answer):
        self.answer = answer
        self.seen = []
        self.closing = asyncio.Event()
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request):
        self.seen.append((request, dict(await request.post())))
        return await self.answer(self, request)


@asynccontextmanager
async def serving(answer):
    """A stub on a free port of this machine."""
    stub = Stub(answer)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stub.port = runner.addresses[0][1]
        yield stub
    finally:
        stub.closing.set()
        await runner.cleanup()


def provider_at(url, **options):
    return TwilioProvider(
        account_sid=ACCOUNT, auth_token=TOKEN, api_base=url, **({"timeout": 10.0} | options)
    )


def play(story):
    """Run one story to its end."""

    async def bounded():
        async with asyncio.timeout(PATIENCE):
            return await story()

    return asyncio.run(bounded())


def answering(status, body, **headers):
    """An answer with this status and body."""
    content = json.dumps(body) if isinstance(body, (dict, list)) else body

    async def answer(stub, request):
        raw = content if isinstance(content, bytes) else content.encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            status=status, body=raw, headers={"Content-Type": "application/json"} | named
        )

    return answer


def accepting(sid=SID):
    return answering(201, {"sid": sid, "status": "queued", "error_code": None})


async def hang(stub, request):
    await stub.closing.wait()
    return web.Response()


async def reset(stub, request):
    request.transport.abort()
    return web.Response()


async def cut(stub, request):
    response = web.StreamResponse(status=201, headers={"Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"sid": "' + SID.encode())
    request.transport.close()
    return response


async def speak_no_http(stub, request):
    request.transport.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    request.transport.close()
    return web.Response()


def sandbox(*faults, operation="create", clock=None, slow=False, **options):
    """A sandbox that speaks as Twilio does, with these faults at the next request."""
    takes = PATIENCE if slow else 0.0
    rules = tuple(
        FaultRule(fault=fault, operation=operation, next=1, seconds=PATIENCE) for fault in faults
    )
    config = SandboxConfig(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        senders=(OURS, f"whatsapp:{OURS}"),
        timing=Timing(sent=takes, delivered=takes, failed=takes),
        faults=FaultPlan(rules=rules),
        **options,
    )
    return SandboxServer(config, clock=clock)
