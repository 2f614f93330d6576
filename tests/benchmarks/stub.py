"""A stand-in for Twilio's Messages.json that is far faster than whoever is measured against it.

It reads requests by their Content-Length, also several at once, answers each after a fixed latency
with a sid of its own, and counts. One timer serves all answers: they leave in the order they came.
Of its list it shows the newest messages.
``uv run python -m tests.benchmarks.load`` prints how fast it is itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import deque
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

ACCOUNT_SID = f"AC{'0' * 32}"
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_PLACE = "@" * 32
_NEWEST = 100


def _answer(status: str, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json;charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _message(sid: str, to: str, sender: str, text: str, moment: float) -> dict[str, object]:
    """Write a message as Twilio does, in all its length."""
    uri = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}"
    created = formatdate(moment).replace("-0000", "+0000")
    return {
        "account_sid": ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": text,
        "date_created": created,
        "date_sent": None,
        "date_updated": created,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": to,
        "uri": f"{uri}.json",
    }


def _created() -> tuple[bytes, ...]:
    """Write the answer to a create once, and cut it where the sid goes."""
    message = _message(f"SM{_PLACE}", "+15550100001", "+15550100101", "Goedemorgen! " * 4, 0.0)
    return tuple(_answer("201 CREATED", json.dumps(message).encode()).split(_PLACE.encode()))


_CREATED = _created()


class Figures:
    """What came in since the last look.

    Args:
        keeps: whether every request's moment and form are kept, not only their number.
    """

    def __init__(self, *, keeps: bool) -> None:
        self.number = 0
        self.keeps = keeps
        self._newest: deque[tuple[int, float, bytes]] = deque(maxlen=_NEWEST)
        self.clear()

    def clear(self) -> None:
        """Forget everything but the number that makes sids unique.

        What went out for another copy of the database would be strange to the next one, which
        would take itself for an old one put back.
        """
        self._newest.clear()
        self.began = self.number
        self.first = self.last = 0.0
        self.journal: list[tuple[float, bytes]] = []
        self.processor = _processor()

    def count(self, form: bytes) -> bytes:
        """Count a request and return its answer."""
        number = self.number = self.number + 1
        self.last = now = time.time()
        self.first = self.first or now
        self._newest.append((number, now, form))
        if self.keeps:
            self.journal.append((now, form))
        return (b"%032x" % number).join(_CREATED)

    def list(self, target: str) -> bytes:
        """Return the newest messages to, or from, an address, the newest first."""
        asked = dict(parse_qsl(urlsplit(target).query))
        found = []
        for number, moment, form in reversed(self._newest):
            fields = dict(parse_qsl(form.decode()))
            if all(asked.get(name, fields[name]) == fields[name] for name in ("To", "From")):
                words = (fields[name] for name in ("To", "From", "Body"))
                found.append(_message(f"SM{number:032x}", *words, moment))
        page = {"messages": found, "uri": target, "next_page_uri": None, "page_size": _NEWEST}
        return json.dumps(page).encode()

    def to_json(self) -> bytes:
        """Write the figures down."""
        return json.dumps(
            {
                "requests": self.number - self.began,
                "processor": _processor() - self.processor,
                "first": self.first,
                "last": self.last,
                "journal": [(moment, form.decode()) for moment, form in self.journal],
            }
        ).encode()


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Delay:
    """Lets answers leave a fixed time after their requests came.

    Args:
        seconds: how long; the same for all, so that a queue and one timer do.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Transport, bytes]] = deque()
        self._loop = asyncio.get_running_loop()

    def send(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Send an answer once its time has come."""
        if not self._seconds:
            transport.write(answer)
            return
        due = self._loop.time() + self._seconds
        if not self._waiting:
            self._loop.call_at(due, self._send_due)
        self._waiting.append((due, transport, answer))

    def _send_due(self) -> None:
        waiting, now = self._waiting, self._loop.time()
        while waiting and waiting[0][0] <= now:
            _, transport, answer = waiting.popleft()
            if not transport.is_closing():
                transport.write(answer)
        if waiting:
            self._loop.call_at(waiting[0][0], self._send_due)


class Line(asyncio.Protocol):
    """One connection; the requests on it are answered in order."""

    def __init__(self, figures: Figures, delay: Delay) -> None:
        self._figures = figures
        self._delay = delay
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete; several answers leave as one."""
        if self._rest:
            data = self._rest + data
        begin, answers = 0, []
        while (end := data.find(_END, begin)) >= 0:
            form = end + len(_END)
            if data.startswith(b"POST", begin):
                rest = form + _length(data, begin, end)
                if rest > len(data):
                    break
                answers.append(self._figures.count(data[form:rest]))
                begin = rest
            else:
                self._look(data[begin:end])
                begin = form
        self._rest = data[begin:]
        if answers:
            self._delay.send(self._transport, b"".join(answers) if answers[1:] else answers[0])

    def _look(self, request: bytes) -> None:
        """Answer a question: the benchmark's own, or the product's for a list of messages."""
        target = request.split(b" ", 2)[1].decode()
        if target != "/figures":
            self._delay.send(self._transport, _answer("200 OK", self._figures.list(target)))
            return
        self._transport.write(_answer("200 OK", self._figures.to_json()))
        self._figures.clear()


def _length(data: bytes, begin: int, end: int) -> int:
    """Read the Content-Length between two places; 0 where there is none."""
    at = data.find(b"Content-Length:", begin, end)
    if at < 0:
        at = data[:end].lower().find(_LENGTH, begin)
    if at < 0:
        return 0
    stop = data.find(b"\r", at, end)
    return int(data[at + len(_LENGTH) : stop if stop >= 0 else end])


async def _serve(latency: float, *, keeps: bool) -> None:
    figures, delay = Figures(keeps=keeps), Delay(latency)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Line(figures, delay), "127.0.0.1", 0, backlog=1024, reuse_address=True
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    _parser = argparse.ArgumentParser()
    _parser.add_argument("--latency", type=float, default=0.0)
    _parser.add_argument("--journal", action="store_true")
    _given = _parser.parse_args()
    asyncio.run(_serve(_given.latency, keeps=_given.journal))
