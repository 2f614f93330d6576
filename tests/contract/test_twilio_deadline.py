"""A request begins within its lease or not at all: afterwards a stop may have been answered."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from broadcaster.core.messages import Accepted, Deferred, Unknown
from tests.contract.twilio_stub import (
    accepting,
    hang,
    message,
    play,
    provider_at,
    reset,
    serving,
)

ROOT = Path(__file__).parents[2]


@contextmanager
def nobody_is_let_in():
    """A server whose queue of waiting lines is full."""
    with socket.socket() as listening, ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Counter(asyncio.Protocol):
    """Counts what reaches it on one line, and says nothing."""

    def __init__(self):
        self.received = b""
        self.closed = asyncio.Event()

    def data_received(self, data):
        self.received += data

    def connection_lost(self, error):
        del error  # however it ended
        self.closed.set()


@asynccontextmanager
async def counting():
    """A server that only counts; the lines it was asked for, each with the bytes that came."""
    lines = []

    def answer():
        lines.append(Counter())
        return lines[-1]

    server = await asyncio.get_running_loop().create_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lines


async def received(lines):
    """Tell what came on each line until it was closed."""
    return [await line.closed.wait() and line.received for line in lines]


def send(url, *, begin_within):
    async def story():
        async with provider_at(url, timeout=30.0).connect() as connection:
            return await connection.send(message(), begin_within=begin_within)

    return play(story)


def test_a_line_that_comes_too_late_carries_nothing():
    with nobody_is_let_in() as url:
        outcome = send(url, begin_within=0.2)

    assert isinstance(outcome, Deferred)


def test_a_moment_that_has_passed_asks_for_no_line():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        outcome = send(f"http://127.0.0.1:{server.getsockname()[1]}", begin_within=0.0)

        assert isinstance(outcome, Deferred)
        try:
            came = server.accept()
        except BlockingIOError:
            came = None
    assert came is None


def lose_time_with_a_line(connection, losing):
    """Let time pass between the moment a line is there and the moment a request begins."""
    connector = connection._client.http_client.session.connector
    connect = connector.connect

    async def connect_and_lose_time(*args, **kwargs):
        line = await connect(*args, **kwargs)
        losing()
        return line

    connector.connect = connect_and_lose_time


def lose_time_while_writing(connection, losing):
    """Let time pass when all is ready, and only the bytes have not been handed over."""
    session = connection._client.http_client.session

    class Slow(aiohttp.ClientRequest):
        async def send(self, line):
            response = await super().send(line)
            losing()
            return response

    session._request_class = Slow


PLACES = {"with a line": lose_time_with_a_line, "while writing": lose_time_while_writing}
in_each_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())


@in_each_place
def test_a_process_that_was_busy_until_its_moment_had_passed_writes_nothing(place):
    async def story():
        async with counting() as (url, lines):
            async with provider_at(url).connect() as connection:
                place(connection, lambda: time.sleep(0.3))
                outcome = await connection.send(message(), begin_within=0.2)
            return outcome, await received(lines)

    assert play(story) == (Deferred(retry_after=0.0), [b""])


@in_each_place
def test_a_line_that_was_there_before_is_no_excuse(place):
    """The usual case: a pool of lines, all of them warm."""

    async def story():
        async with serving(accepting()) as stub, provider_at(stub.url).connect() as connection:
            first = await connection.send(message(), begin_within=60)
            place(connection, lambda: time.sleep(0.3))
            second = await connection.send(message(), begin_within=0.2)
            place(connection, lambda: None)
            third = await connection.send(message("+15550100003"), begin_within=60)
            return first, second, third, [form["To"] for _, form in stub.seen]

    first, second, third, seen = play(story)
    assert isinstance(first, Accepted)
    assert second == Deferred(retry_after=0.0)
    assert isinstance(third, Accepted)
    assert seen == ["+15550100001", "+15550100003"]


def be_stopped(url, place):
    """Send one message; be stopped by the system before it is written. Runs on its own."""

    async def story():
        async with provider_at(url).connect() as connection:
            PLACES[place](connection, lambda: os.kill(os.getpid(), signal.SIGSTOP))
            return await connection.send(message(), begin_within=0.2)

    print(play(story))


@pytest.mark.parametrize("place", PLACES)
def test_a_process_that_was_stopped_until_its_moment_had_passed_writes_nothing(place):
    call = f"from tests.contract import test_twilio_deadline as t; t.be_stopped({{!r}}, {place!r})"

    async def story():
        async with counting() as (url, lines):
            sender = await asyncio.create_subprocess_exec(
                sys.executable, "-c", call.format(url), cwd=ROOT, stdout=subprocess.PIPE
            )
            await asyncio.to_thread(os.waitid, os.P_PID, sender.pid, os.WSTOPPED)
            await asyncio.sleep(0.3)  # its moment passes
            sender.send_signal(signal.SIGCONT)
            said, _ = await sender.communicate()
            return said.decode().strip(), await received(lines)

    assert play(story) == (repr(Deferred(retry_after=0.0)), [b""])


def test_what_was_written_is_never_called_deferred():
    """The other side of it: a request that did begin may have been accepted."""

    async def story(answer):
        async with serving(answer) as stub, provider_at(stub.url, timeout=0.3).connect() as line:
            return await line.send(message(), begin_within=0.2), len(stub.seen)

    assert play(lambda: story(hang)) == (Unknown(reason="timeout"), 1)
    assert play(lambda: story(reset)) == (Unknown(reason="connection_lost"), 1)
