"""How soon every worker knows of a stop: ``uv run python -m tests.benchmarks.stop_noticed``.

Two workers send at full speed. Again and again somebody whose message a worker has claimed or is
handing over at that moment texts STOP. Counted is from the stop's commit to the last thing that any
worker still does about that person: a request that arrives at the provider (of a hand-over that came
first), or a hand-over that is refused. Stops that no worker had to notice any more are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from broadcaster.cli.runtime import settle_in
from broadcaster.core.address import Address, Channel
from broadcaster.core.delivery import State
from broadcaster.core.messages import InboundMessage
from broadcaster.core.sealing import open_address
from broadcaster.logs import configure
from broadcaster.runtime import Runtime
from broadcaster.services import claiming, dispatch, inbound
from broadcaster.services.claiming import Ready
from broadcaster.storage.models import Delivery, Subscriber
from tests.benchmarks.newsroom import KINDS, Newsroom, newsroom, start
from tests.benchmarks.processes import Stub, percentile, running_stub
from tests.world import SMS, WHATSAPP

WORKERS = 2
_LATENCY = 0.1
_GOAL = 0.15
_PAUSE = 0.01
_NUMBER = re.compile(r"To=[^&]*1555010([0-9]{8})")
Handed = list[tuple[Ready, int]]
_AT_HAND = (State.CLAIMED.value, State.HANDED_OVER.value)


class Stop(NamedTuple):
    """Somebody's stop: whose, of which delivery, and when it was committed."""

    subscriber_id: int
    delivery_id: int
    committed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """How late workers noticed stops, in seconds.

    Args:
        stops: how many people stopped.
        requests: for each request that arrived after the stop, how long after.
        refusals: for each hand-over that was refused, how long after.
        rate: requests a second while people stopped.
    """

    stops: int
    requests: Sequence[float]
    refusals: Sequence[float]
    rate: float


def main() -> None:
    """Print how soon stops are noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, nargs="*", default=[50, 500])
    given = parser.parse_args()
    for kind in KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            newsroom(kind, Path(folder), given.people) as place,
        ):
            for pool in given.concurrency:
                with place.copied() as copy, running_stub(_LATENCY, journal=True) as stub:
                    _report(kind, pool, _hammer(copy, stub, pool))


def _report(kind: str, pool: int, noticed: Noticed) -> None:
    print(
        f"{kind}, {WORKERS} workers, {pool} under way in each, {noticed.rate:,.0f} requests a"
        f" second, {noticed.stops} stops:"
    )
    every = [*noticed.requests, *noticed.refusals]
    for name, late in (
        ("a request that had been handed over", noticed.requests),
        ("a hand-over that was refused", noticed.refusals),
        (f"the last of both (goal: p99 under {_GOAL * 1e3:.0f} ms)", every),
    ):
        if late:
            middle, most = (percentile(late, share) * 1e3 for share in (0.5, 0.99))
            print(f"  {name}: {len(late)} times, median {middle:.0f} ms, p99 {most:.0f} ms")
    sys.stdout.flush()


def _hammer(place: Newsroom, stub: Stub, pool: int) -> Noticed:
    """Let people stop while a bulletin goes out."""
    with place.open(stub.url) as runtime:
        start(runtime)
        with _running_workers(place, stub, pool) as journals:
            stub.wait_for_first()
            stops = list(_stops(runtime))
    figures = stub.figures()
    requests = {int(_NUMBER.findall(form)[0]): moment for moment, form in figures["journal"]}
    lines = [line.split() for journal in journals for line in journal.read_text().splitlines()]
    refusals = {int(number): float(moment) for moment, number in lines}
    after = [requests.get(one.subscriber_id, 0.0) - one.committed for one in stops]
    refused = [refusals.get(one.delivery_id, 0.0) - one.committed for one in stops]
    return Noticed(
        stops=len(stops),
        requests=[late for late in after if late > 0],
        refusals=[late for late in refused if late > 0],
        rate=figures["requests"] / (figures["last"] - figures["first"]),
    )


def _stops(runtime: Runtime) -> Iterator[Stop]:
    """Let somebody stop whose message is at hand in a worker, until the bulletin is over."""
    at_hand = sa.select(Delivery.id, Delivery.subscriber_id)
    waiting = sa.select(Delivery.id).where(Delivery.state == State.QUEUED.value).limit(1)
    while True:
        state = random.choice(_AT_HAND)  # noqa: S311 - no secret
        with runtime.reading() as session:
            found = session.execute(at_hand.where(Delivery.state == state)).all()
            if not found and session.execute(waiting).first() is None:
                return
        if found:
            one = random.choice(found)  # noqa: S311 - no secret
            _text_stop(runtime, one.subscriber_id, one.id)
            yield Stop(one.subscriber_id, one.id, time.time())
        time.sleep(_PAUSE)


def _text_stop(runtime: Runtime, subscriber_id: int, number: int) -> None:
    with runtime.reading() as session:
        person = session.get_one(Subscriber, subscriber_id)
    key = runtime.keyring.unwrap(person.key_wrapped)
    message = InboundMessage(
        sid=f"SM{number:032x}",
        sender=Address.parse(WHATSAPP if person.channel == Channel.WHATSAPP else SMS),
        author=open_address(key, person.channel, person.address_sealed),
        body="STOP",
    )
    runtime.run(lambda session: inbound.receive(session, runtime, message))


@contextmanager
def _running_workers(place: Newsroom, stub: Stub, pool: int) -> Iterator[Sequence[Path]]:
    """Run workers until the block ends; give the files in which each notes what it refused."""
    fresh = multiprocessing.get_context("spawn")
    over = fresh.Event()
    journals = [place.home / f"refused-{number}-{pool}" for number in range(WORKERS)]
    workers = [
        fresh.Process(target=work, args=(place, stub.url, pool, journal, over))
        for journal in journals
    ]
    for worker in workers:
        worker.start()
    yield journals
    over.set()
    for worker in workers:
        worker.join()


def work(place: Newsroom, base: str, pool: int, journal: Path, over: Event) -> None:
    """Send as a worker does, and note each delivery that a hand-over refused."""
    hand_over = claiming.hand_over
    with (
        journal.open("w") as file,
        place.open(base, BROADCASTER_SENDING__CONCURRENCY=str(pool)) as runtime,
    ):

        def watched(runtime: Runtime, *, ready: Sequence[Ready], **more: Any) -> Handed:
            handed = hand_over(runtime, ready=ready, **more)
            now, going = time.time(), {one.claim.delivery_id for one, _ in handed}
            for one in ready:
                if one.claim.delivery_id not in going:
                    file.write(f"{now} {one.claim.delivery_id}\n")
            return handed

        configure(runtime.settings.log)
        claiming.hand_over = watched
        settle_in(runtime)
        while not over.is_set():
            asyncio.run(dispatch.send_waiting(runtime, goes_on=lambda: not over.is_set()))
            time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
