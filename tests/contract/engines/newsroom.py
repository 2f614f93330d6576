"""A newsroom on each engine's own database, the sandbox as its provider, and workers to start."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from broadcaster.bootstrap import build_engine, build_runtime, prepare_queue
from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.sealing import seal_address
from broadcaster.runtime import Runtime
from broadcaster.sandbox.config import SandboxConfig
from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule
from broadcaster.sandbox.server import SandboxServer
from broadcaster.services import bulletins
from broadcaster.settings import load
from broadcaster.storage import lists
from broadcaster.storage.models import Bulletin, Delivery, Subscriber, Subscription
from broadcaster.testing import ACCOUNT_SID, AUTH_TOKEN
from tests.world import SMS, WHATSAPP, make_runtime, phone, populate

#: No callback is needed to judge who was written to, and nobody listens for one.
SILENT = FaultRule(fault=Fault.DROP_CALLBACK, operation="callback")
_PATIENCE = 120.0


@dataclass
class Newsroom:
    """A database with people on a list, and everything that may send to them."""

    environ: dict[str, str]
    runtime: Runtime
    sandbox: SandboxServer
    stack: ExitStack
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000, 9999)))

    def subscribe(self, people: int, keyword: str = "NRC", *, whatsapp: bool = False) -> list[str]:
        """Put people on a list; return their addresses."""
        joined = [
            Address.parse(phone(next(self.numbers), whatsapp=whatsapp)) for _ in range(people)
        ]
        with self.runtime.transaction() as session:
            list_id = lists.by_keyword(session, keyword).id
            now = self.runtime.clock.now()
            subscribers = [self._person(address, now) for address in joined]
            session.add_all(subscribers)
            session.flush()
            session.add_all(
                Subscription(subscriber_id=one.id, list_id=list_id, state="in", entry=1, since=now)
                for one in subscribers
            )
        return [address.wire for address in joined]

    def _person(self, address: Address, now: datetime) -> Subscriber:
        key, wrapped = self.runtime.keyring.new_subject_key()
        return Subscriber(
            subject=secrets.token_hex(16),
            channel=address.channel,
            address_index=self.runtime.keyring.blind_index(address),
            address_sealed=seal_address(key, address),
            key_wrapped=wrapped,
            created=now,
        )

    def bulletin(self, keyword: str = "NRC", text: str = "Hallo!") -> int:
        """Schedule a bulletin for now."""
        now = self.runtime.clock.now()
        with self.runtime.transaction() as session:
            item = lists.by_keyword(session, keyword)
            made = bulletins.draft(session, list_id=item.id, text=text, author_id=1, now=now)
            bulletins.schedule(
                session, made.id, version=made.version, starts_at=now, zone=item.zone, now=now
            )
            return made.id

    def engine(self, *, start: bool = True):
        """Give an engine of this process, as another process would have it."""
        runtime = build_runtime(load(self.environ))
        self.stack.callback(runtime.database.dispose)
        engine = build_engine(runtime)
        if start:
            engine.start()
            self.stack.callback(engine.stop)
        return engine

    def process(self, *arguments: str, wait: bool = True) -> subprocess.Popen:
        """Start the program, and return it once it says that it runs."""
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "broadcaster", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | self.environ,
            cwd=Path(__file__).parents[3],
        )
        self.stack.callback(_end, process)
        assert not wait or process.stdout.readline(), process.communicate()[1].decode()
        return process

    def soon_given_up(self) -> None:
        """Let what a killed worker was handing over count as lost after a few seconds."""
        self.environ["BROADCASTER_TWILIO__TIMEOUT"] = "1"
        self.environ["BROADCASTER_SENDING__SETTLE"] = "3"

    def slow(self, seconds: float) -> None:
        """Let the provider take its time for each message."""
        late = FaultRule(fault=Fault.LATENCY, seconds=seconds)
        self.sandbox.set_faults(FaultPlan(rules=(SILENT, late)))

    def accepted(self) -> list[str]:
        """Everybody whom the provider took a message for, once per message."""
        return [
            one["to"]
            for one in self.sandbox.journal()
            if one["kind"] == "create" and one["outcome"] == "accepted"
        ]

    def states(self, number: int) -> dict[str, int]:
        """How many deliveries of a bulletin are in each state."""
        with self.runtime.reading() as session:
            rows = session.execute(
                select(Delivery.state, func.count())
                .where(Delivery.bulletin_id == number)
                .group_by(Delivery.state)
            )
            return Counter(dict(rows.all()))

    def bulletin_state(self, number: int) -> str:
        """Where a bulletin stands."""
        with self.runtime.reading() as session:
            return session.execute(select(Bulletin.state).where(Bulletin.id == number)).scalar_one()

    def finished(self, *numbers: int) -> None:
        """Wait until bulletins are finished."""
        eventually(
            lambda: all(self.bulletin_state(one) == BulletinState.FINISHED for one in numbers)
        )


def eventually(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    until = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


@contextmanager
def newsroom_at(url: str, engine: str, home: Path) -> Iterator[Newsroom]:
    """Open a newsroom on a migrated database."""
    config = SandboxConfig(
        account_sid=ACCOUNT_SID,
        auth_token=AUTH_TOKEN,
        senders=(WHATSAPP, SMS),
        faults=FaultPlan(rules=(SILENT,)),
    )
    with SandboxServer(config) as sandbox, ExitStack() as stack:
        environ = {
            "BROADCASTER_HOME": str(home),
            "BROADCASTER_ENGINE": engine,
            "BROADCASTER_PUBLIC_URL": "http://127.0.0.1:9",
            "BROADCASTER_TWILIO__API_BASE": sandbox.url,
            "BROADCASTER_SENDING__LEASE": "2",
            "BROADCASTER_SENDING__CONCURRENCY": "8",
        }
        runtime = stack.enter_context(
            contextmanager(make_runtime)(url, home, None, None, **environ)
        )
        populate(runtime)
        prepare_queue(runtime.settings, runtime.database)
        environ |= {
            "BROADCASTER_DATABASE__URL": url,
            "BROADCASTER_TWILIO__ACCOUNT_SID": ACCOUNT_SID,
            "BROADCASTER_TWILIO__AUTH_TOKEN": AUTH_TOKEN,
            "BROADCASTER_SENDING__SMS_RATE": "0",
        }
        yield Newsroom(environ, runtime, sandbox, stack)
