"""Twilio's REST interface: create, list, fetch, update and delete messages."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import uuid4

from aiohttp import web

from broadcaster.sandbox import errors, listing, parameters
from broadcaster.sandbox.errors import ApiError
from broadcaster.sandbox.exchange import Exchange
from broadcaster.sandbox.faults import BEFORE_ACCEPT, Fault
from broadcaster.sandbox.message import API_VERSION, UNDER_WAY, Direction, Message

_ROOT = f"/{API_VERSION}/Accounts/{{account_sid}}"
_GARBAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"

Work = Callable[["Call"], "Result"]


@dataclass(slots=True, kw_only=True)
class Call:
    """One request on its way through the interface, and what the journal will say of it."""

    operation: str
    request: web.Request
    raw: bytes
    time: datetime
    fault: Fault | None
    noted: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A successful answer."""

    status: HTTPStatus = HTTPStatus.OK
    document: dict[str, object] | None = None


class MessagesApi:
    """The Messages resource of one account."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        config = exchange.config
        self._account_sid = config.account_sid
        pair = f"{config.account_sid}:{config.auth_token}".encode()
        self._credentials = base64.b64encode(pair)
        self._under_way = 0

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return the routes of this resource."""
        many, one = f"{_ROOT}/Messages.json", f"{_ROOT}/Messages/{{sid}}.json"
        return [
            web.post(many, self._handler("create", self._create)),
            web.get(many, self._handler("list", self._list), allow_head=False),
            web.get(one, self._handler("fetch", self._fetch), allow_head=False),
            web.post(one, self._handler("update", self._update)),
            web.delete(one, self._handler("delete", self._delete)),
        ]

    def _handler(
        self, operation: str, work: Work
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._under_way += 1
            try:
                response = await self._serve(request, operation, work)
            finally:
                self._under_way -= 1
            return response

        return handle

    async def _serve(self, request: web.Request, operation: str, work: Work) -> web.StreamResponse:
        """Read a request, let it meet its fault, decide, and answer."""
        time = self._exchange.clock.now()
        raw = await request.read()
        drawn = self._exchange.faults.draw(operation)
        call = Call(operation=operation, request=request, raw=raw, time=time, fault=drawn.fault)
        if drawn.delay:
            await asyncio.sleep(drawn.delay)
        if drawn.fault in BEFORE_ACCEPT:
            return await self._fail(call, drawn.seconds)
        if drawn.fault is Fault.LATE_ACCEPT:
            self._exchange.activity.start(self._decide_later(call, work, drawn.seconds))
            return _cut_line(request)
        response = self._decide(call, work)
        if drawn.fault is None:
            return response
        return await self._spoil(call, response, drawn.seconds)

    def _decide(self, call: Call, work: Work) -> web.Response:
        """Do what was asked, write it into the journal, and make the answer."""
        try:
            self._authenticate(call.request)
            result = work(call)
        except ApiError as error:
            self._note(call, "refused", error.status, code=error.code)
            return self._answer(error.status, error.body(), error.headers)
        self._note(call, "accepted", result.status)
        return self._answer(result.status, result.document)

    async def _decide_later(self, call: Call, work: Work, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._decide(call, work)

    async def _fail(self, call: Call, seconds: float) -> web.StreamResponse:
        """Let a request fail that was not accepted."""
        error = None
        if call.fault is Fault.TOO_MANY_REQUESTS:
            error = errors.too_many_requests(self._under_way)
        elif call.fault is Fault.SERVER_ERROR:
            error = errors.internal()
        self._note_form(call)
        self._note(call, "failed", error.status if error else None)
        if error is not None:
            return self._answer(error.status, error.body(), error.headers)
        if call.fault is Fault.HANG_BEFORE_ACCEPT:
            await self._hold(seconds)
        return _cut_line(call.request)

    async def _spoil(
        self, call: Call, response: web.Response, seconds: float
    ) -> web.StreamResponse:
        """Lose or break the answer to a request that was decided."""
        if call.fault is Fault.SERVER_ERROR_AFTER_ACCEPT:
            error = errors.internal()
            return self._answer(error.status, error.body())
        if call.fault is Fault.GARBAGE_AFTER_ACCEPT:
            return web.Response(status=response.status, text=_GARBAGE, content_type="text/html")
        if call.fault is Fault.CUT_AFTER_ACCEPT:
            return await _cut_body(call.request, response)
        if call.fault is Fault.HANG_AFTER_ACCEPT:
            await self._hold(seconds)
        return _cut_line(call.request)

    async def _hold(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._exchange.stopping.wait(), seconds)

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            given.strip().encode(), self._credentials
        ):
            raise errors.authenticate()
        if request.match_info["account_sid"] != self._account_sid:
            raise errors.not_found(request.path)

    def _answer(
        self,
        status: HTTPStatus,
        document: dict[str, object] | None,
        headers: dict[str, str] | None = None,
    ) -> web.Response:
        given = {
            "Twilio-Request-Id": f"RQ{uuid4().hex}",
            "Twilio-Concurrent-Requests": str(self._under_way),
            **(headers or {}),
        }
        if document is None:
            return web.Response(status=status, headers=given)
        body = json.dumps(document, ensure_ascii=False).encode()
        return web.Response(
            status=status, headers=given, body=body, content_type="application/json"
        )

    def _note(
        self, call: Call, outcome: str, status: HTTPStatus | None, code: int | None = None
    ) -> None:
        self._exchange.journal.record(
            call.operation,
            outcome,
            time=call.time,
            answered_at=self._exchange.clock.now() if status is not None else None,
            http_status=None if status is None else int(status),
            code=code,
            fault=call.fault,
            **call.noted,
        )

    def _note_form(self, call: Call) -> None:
        """Note to whom a request went that will not be looked at any further."""
        if call.operation == "create":
            with suppress(ApiError):
                self._read_form(call)

    def _read_form(self, call: Call) -> parameters.Form:
        form = parameters.read_form(call.raw, call.request.content_type)
        for name, given in (
            ("to", "To"),
            ("from", "From"),
            ("body", "Body"),
            ("status_callback", "StatusCallback"),
            ("validity_period", "ValidityPeriod"),
        ):
            call.noted[name] = form.get(given, [None])[0]
        return form

    def _create(self, call: Call) -> Result:
        form = self._read_form(call)
        order = parameters.read_order(form, self._exchange.config.templates)
        message = self._exchange.sending.accept(order)
        call.noted["sid"] = message.sid
        document = message.to_json(self._account_sid)
        return Result(status=HTTPStatus.CREATED, document=document)

    def _list(self, call: Call) -> Result:
        call.noted["query"] = call.request.query_string
        query = listing.read_query(list(call.request.query.items()))
        call.noted |= {"to": query.to, "from": query.sender}
        relative = self._exchange.config.relative_page_uris
        lag = timedelta(seconds=self._exchange.faults.plan.list_lag)
        newest = self._exchange.clock.now() - lag

        def is_visible(message: Message) -> bool:
            return message.created <= newest

        document = listing.answer(
            self._exchange.store,
            query,
            account_sid=self._account_sid,
            base=None if relative else f"http://{call.request.host}",
            is_visible=is_visible,
        )
        return Result(document=document)

    def _fetch(self, call: Call) -> Result:
        return Result(document=self._find(call).to_json(self._account_sid))

    def _update(self, call: Call) -> Result:
        """Redact a text. Only an empty Body is accepted, and only once the message has left."""
        message = self._find(call)
        form = parameters.read_form(call.raw, call.request.content_type)
        parameters.refuse_unknown(form, ("Body", "Status"), repeatable=frozenset())
        if "Status" in form:
            raise ApiError(30409, "Only a scheduled message can be canceled")
        if form.get("Body") != [""]:
            raise ApiError(20001, "Body may only be updated to an empty string")
        self._refuse_under_way(message)
        message.body = ""
        message.updated = self._exchange.clock.now()
        return Result(document=message.to_json(self._account_sid))

    def _delete(self, call: Call) -> Result:
        message = self._find(call)
        self._refuse_under_way(message)
        message.deleted = True
        message.body = ""
        return Result(status=HTTPStatus.NO_CONTENT)

    def _refuse_under_way(self, message: Message) -> None:
        if message.direction is not Direction.INBOUND and message.status in UNDER_WAY:
            text = (
                "Cannot modify or delete message because delivery of the message is not yet "
                "complete."
            )
            raise ApiError(20009, text, status=HTTPStatus.CONFLICT)

    def _find(self, call: Call) -> Message:
        sid = call.request.match_info["sid"]
        call.noted["sid"] = sid
        message = self._exchange.store.find(sid)
        if message is None:
            raise errors.not_found(call.request.path)
        call.noted["to"] = message.to
        return message


def _cut_line(request: web.Request) -> web.Response:
    """Reset the connection; the response that aiohttp wants can no longer be written."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut_body(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Promise the whole body, send half, and close."""
    body = response.body if isinstance(response.body, bytes) else b"{}"
    half = web.StreamResponse(status=response.status)
    half.content_type = "application/json"
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half
