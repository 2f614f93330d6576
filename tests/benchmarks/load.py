"""How fast the stub itself is, asked by the least that can ask it: bare sockets, one request each.

``uv run python -m tests.benchmarks.load``
"""

from __future__ import annotations

import select
import socket

from tests.benchmarks.processes import Run, Stopwatch, Stub, alone, running_stub
from tests.benchmarks.stub import ACCOUNT_SID

REQUESTS = 60_000
LINES = 500
_FORM = (
    b"To=%2B155501000000001&From=%2B15550100101&Body=Goedemorgen%21+Dit+is+het+nieuws+van+vandaag."
    b"&StatusCallback=https%3A%2F%2Fnews.example.org%2Fwebhooks%2Ftwilio%2Fstatus%2F"
    b"1-00000000000000000000"
)
_REQUEST = (
    f"POST /2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "User-Agent: twilio-python/9.13.0 (Linux x86_64) Python/3.11.7\r\nAccept: application/json\r\n"
    "X-Twilio-Client: python-9.13.0\r\nAccept-Charset: utf-8\r\nAccept-Encoding: gzip, deflate\r\n"
    f"Authorization: Basic {'0' * 70}\r\nContent-Length: {len(_FORM)}\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
).encode() + _FORM


def main() -> None:
    """Print how many requests a second the stub answers."""
    with running_stub(0.0) as stub:
        for depth in (1, 10):
            run, processor = speed(stub, depth)
            print(
                f"stub, {LINES} lines with {depth} request(s) under way: {run.rate:,.0f} a second,"
                f" {processor:.0f} µs of its processor time each"
            )


def speed(stub: Stub, depth: int = 1) -> tuple[Run, float]:
    """Return what a warm stub without latency answers, and its processor time for each request."""
    alone(ask, stub.port, depth)
    stub.figures()
    run: Run = alone(ask, stub.port, depth)
    return run, 1e6 * stub.figures()["processor"] / run.messages


def ask(port: int, depth: int) -> Run:
    """Keep a number of requests under way on every line until all are answered."""
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(LINES)]
    by_number = {line.fileno(): line for line in lines}
    lines[0].sendall(_REQUEST)
    size = len(lines[0].recv(65_536))
    waiting = select.epoll()
    for line in lines:
        line.settimeout(0.0)
        waiting.register(line, select.EPOLLIN)
    missing = dict.fromkeys(by_number, 0)
    asked = answered = 0
    watch = Stopwatch()
    for line in lines:
        asked += _ask(line, missing, depth, size)
    while answered < asked:
        for number, _ in waiting.poll():
            missing[number] -= len(by_number[number].recv(1 << 18))
            if missing[number] == 0:
                answered += depth
                if asked < REQUESTS:
                    asked += _ask(by_number[number], missing, depth, size)
    return watch.stop(answered)


def _ask(line: socket.socket, missing: dict[int, int], depth: int, size: int) -> int:
    line.send(_REQUEST * depth)
    missing[line.fileno()] = size * depth
    return depth


if __name__ == "__main__":
    main()
