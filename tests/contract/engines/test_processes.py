"""Real processes, started, stopped and killed: what one leaves, another finishes."""

from __future__ import annotations

import signal
import socket
from datetime import timedelta

import pytest

from broadcaster.app import create_app
from broadcaster.cli.demo.editor import Browser
from broadcaster.cli.server import WebServer
from broadcaster.core.delivery import TAKEN, State
from tests.contract.engines.newsroom import eventually


def test_what_is_scheduled_in_one_process_is_sent_by_another(newsroom):
    people = newsroom.subscribe(10)
    newsroom.process("worker")
    server = WebServer(create_app(newsroom.runtime), host="127.0.0.1", port=0, threads=4)
    server.start()
    newsroom.stack.callback(server.stop)

    editor = Browser(server.url)
    editor.sign_in("editor", "a long enough password")
    path = editor.write_bulletin(1, "Goedemorgen!")
    editor.schedule(path, newsroom.runtime.clock.now() + timedelta(seconds=2), "Europe/Amsterdam")
    newsroom.finished(int(path.rpartition("/")[2]))

    assert sorted(newsroom.accepted()) == people


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_leaves_nothing_under_way(newsroom, number):
    people = newsroom.subscribe(80)
    newsroom.slow(0.2)
    bulletin = newsroom.bulletin()
    worker = newsroom.process("worker")
    eventually(lambda: len(newsroom.accepted()) > 5)

    worker.send_signal(number)
    _printed, log = worker.communicate(timeout=30)

    assert worker.returncode == 128 + number
    assert b"Traceback" not in log
    taken = len(newsroom.accepted())
    assert newsroom.states(bulletin) == {State.ACCEPTED: taken, State.QUEUED: len(people) - taken}


def test_what_killed_workers_leave_is_finished_by_the_next(newsroom):
    """On the same host, and twice in a row: no name, lock or row of the dead is in the way."""
    people = newsroom.subscribe(100)
    newsroom.soon_given_up()
    newsroom.slow(0.2)
    bulletin = newsroom.bulletin()
    for more in (5, 25):
        worker = newsroom.process("worker", "--concurrency", "4")
        eventually(lambda more=more: len(newsroom.accepted()) > more)
        worker.kill()
        worker.wait()
    newsroom.slow(0)

    newsroom.process("worker")
    newsroom.finished(bulletin)

    assert sorted(newsroom.accepted()) == people
    assert newsroom.states(bulletin).keys() <= TAKEN


def test_what_a_killed_worker_leaves_is_finished_by_the_other(newsroom):
    people = newsroom.subscribe(100)
    newsroom.soon_given_up()
    newsroom.slow(0.2)
    bulletin = newsroom.bulletin()
    workers = [newsroom.process("worker", "--concurrency", "4") for _ in range(2)]
    eventually(lambda: len(newsroom.accepted()) > 10)

    workers[0].kill()
    newsroom.finished(bulletin)

    assert sorted(newsroom.accepted()) == people
    assert newsroom.states(bulletin).keys() <= TAKEN


def test_a_worker_works_once(newsroom):
    people = newsroom.subscribe(10)
    bulletin = newsroom.bulletin()

    worker = newsroom.process("worker", "--once", wait=False)
    _printed, log = worker.communicate(timeout=60)

    assert worker.returncode == 0, log
    assert newsroom.states(bulletin) == {State.ACCEPTED: len(people)}


@pytest.mark.parametrize(
    ("arguments", "sends"),
    [((), {"embedded"}), (("--worker",), {"embedded", "distributed"}), (("--no-worker",), set())],
)
def test_the_web_sends_by_itself_where_it_is_meant_to(newsroom, engine_name, arguments, sends):
    people = newsroom.subscribe(5)
    bulletin = newsroom.bulletin()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    web = newsroom.process("serve", "--port", port, *arguments)

    if engine_name in sends:
        newsroom.finished(bulletin)
        assert sorted(newsroom.accepted()) == people
        return
    assert b"It sends nothing itself" in web.stdout.readline()
    web.terminate()
    web.wait()
    assert newsroom.states(bulletin) == {}
