"""Many webhooks at once, and a stop while a bulletin goes out, on a real server."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.parse
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from broadcaster.app import create_app
from broadcaster.cli.server import WebServer
from broadcaster.core.messages import Accepted
from broadcaster.storage import audience
from broadcaster.storage.models import Delivery
from broadcaster.testing import FakeProvider
from tests.world import phone

PATH = "/webhooks/twilio/inbound"
ANNA = phone(1)
AT_ONCE = 20


@contextmanager
def serving(runtime):
    server = WebServer(create_app(runtime), host="127.0.0.1", port=0, threads=16)
    server.start()
    yield int(server.url.rpartition(":")[2])
    server.stop()


def _post(port, pairs, signature):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {
        "Host": "news.example.org",
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": signature,
    }
    connection.request("POST", PATH, urllib.parse.urlencode(pairs), headers)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def _all_at_once(work, number):
    barrier = threading.Barrier(number)
    results = []

    def run():
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize(
    ("body", "events"),
    [("NRC AAN", [("opt_in", "nrc")]), ("STOP", [("opt_out_all", "*")]), ("mooi weer", [])],
)
def test_21_twenty_identical_requests_have_one_effect_and_one_answer(twilio, world, body, events):
    pairs = twilio.fields(body, ANNA)
    signature = twilio.sign(pairs)

    with serving(world.runtime) as port:
        answers = _all_at_once(lambda: _post(port, pairs, signature), AT_ONCE)

    assert len(answers) == AT_ONCE
    assert {status for status, _body in answers} == {200}
    assert len({body for _status, body in answers}) == 1
    assert b"<Message>" in answers[0][1]
    assert world.events() == events


def test_a_chunked_body_is_read_whole_and_its_signature_counts(sqlite_twilio, sqlite_world):
    pairs = sqlite_twilio.fields("NRC AAN", ANNA)
    data = urllib.parse.urlencode(pairs).encode()
    with serving(sqlite_world.runtime) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {
            "Host": "news.example.org",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": sqlite_twilio.sign(pairs),
        }
        connection.request("POST", PATH, iter([data[:20], data[20:]]), headers, encode_chunked=True)
        assert connection.getresponse().status == 200
        connection.close()

    assert sqlite_world.events() == [("opt_in", "nrc")]


class SlowProvider:
    """Begins a request, and accepts it only when it is told to."""

    def __init__(self):
        self.begun = threading.Event()
        self.released = threading.Event()

    def __call__(self, _message):
        self.begun.set()
        assert self.released.wait(60)
        return Accepted(sid=f"SM{'a' * 32}")


class Order:
    """What happened, in order, and where the delivery stood when the answer was written."""

    def __init__(self, world):
        self.answered = threading.Event()
        self.stood = []
        self._world = world
        self._render = world.provider.render_answer
        world.provider.render_answer = self._write

    def _write(self, text):
        self.stood.append(_state(self._world))
        self.answered.set()
        return self._render(text)


def _state(world):
    with world.runtime.reading() as session:
        return session.execute(select(Delivery.state)).scalar_one()


def _until_stopped(world):
    while ("opt_out_all", "*") not in world.events():
        time.sleep(0.01)


@pytest.mark.parametrize("copies", [1, 2], ids=["once", "twice at once"])
def test_a_stop_is_answered_after_the_hand_over_under_way_and_nothing_follows(
    twilio, world, copies
):
    twilio.text("NRC AAN", ANNA)
    world.bulletin()
    slow = world.provider.answer = SlowProvider()
    order = Order(world)
    pairs = twilio.fields("STOP", ANNA)
    sending = threading.Thread(target=world.send)
    stopping = [threading.Thread(target=twilio.post, args=(pairs,)) for _ in range(copies)]

    sending.start()
    assert slow.begun.wait(60)
    for thread in stopping:
        thread.start()
    _until_stopped(world)
    # Written down, but not answered: that would tell Anna that nothing comes any more.
    answered_early = order.answered.wait(0.2)
    slow.released.set()
    for thread in (sending, *stopping):
        thread.join()
    world.send()

    assert not answered_early
    assert order.stood == ["accepted"] * copies
    assert len(world.provider.sent) == 1


def test_a_stop_that_comes_first_withdraws_what_is_queued_and_is_answered_at_once(twilio, world):
    twilio.text("NRC AAN", ANNA)
    number = world.bulletin()
    order = Order(world)
    world.provider.answer = SlowProvider()
    with world.runtime.transaction() as session:
        audience.freeze(session, number, 1, world.clock.now())

    twilio.text("STOP", ANNA)

    assert order.stood == ["skipped"]
    assert world.provider.sent == []


def test_a_stop_waits_for_a_lost_worker_no_longer_than_it_is_set_to(make_twilio):
    twilio = make_twilio(
        FakeProvider(),
        BROADCASTER_SENDING__BEGIN_WITHIN="0.2",
        BROADCASTER_SENDING__OPT_OUT_WAIT="0.3",
    )
    world = twilio.world
    twilio.text("NRC AAN", ANNA)
    world.bulletin()
    world.start()
    world.hand_over(world.claim())

    response = twilio.text("STOP", ANNA)

    assert b"afgemeld" in response.data
    assert _state(world) == "handed_over"
    assert world.events()[-1] == ("opt_out_all", "*")
