"""A small newsroom to test with: two lists on two senders, and people who text them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import delete, select

from broadcaster.bootstrap import build_runtime, make_keys
from broadcaster.core.address import Address
from broadcaster.core.messages import InboundMessage, OptOutType, ProviderStatus, StatusUpdate
from broadcaster.ledger.entry import ConsentEntry, parse
from broadcaster.runtime import Runtime
from broadcaster.services import (
    bulletins,
    claiming,
    dispatch,
    inbound,
    lists,
    outcomes,
    staff,
    starting,
    statuses,
    tending,
)
from broadcaster.services.lists import Told
from broadcaster.services.outcomes import Result
from broadcaster.services.staff import Role
from broadcaster.settings import load
from broadcaster.storage import deliveries, incidents, ledger, tallies
from broadcaster.storage import lists as stored_lists
from broadcaster.storage.models import (
    Bulletin,
    Delivery,
    Explained,
    Incident,
    Outreach,
    Pacing,
    StatusEvent,
    Tally,
)
from broadcaster.testing import ACCOUNT_SID, AUTH_TOKEN, FixedClock
from tests import again

WHATSAPP = "whatsapp:+15550100100"
SMS = "+15550100101"

TOLD = {
    "nl": Told(
        what="Het nieuws van de ochtend.",
        frequency="Hooguit één bericht per dag",
        hours="op werkdagen tussen 7 en 9 uur",
        stored="Je nummer, zolang je op de lijst staat.",
        response_time="Vragen beantwoordt de redactie binnen vier uur.",
    )
}


@dataclass
class World:
    """A runtime with lists, and short ways to act on it."""

    runtime: object
    clock: object
    provider: object
    sids: itertools.count = field(default_factory=itertools.count)

    def sid(self) -> str:
        """A message id that was never used."""
        return f"SM{next(self.sids):032x}"

    def text(self, author, body, *, to=None, sid=None, **extra):
        """Let somebody text us; return the answer."""
        answers = self.receive(author, body, to=to, sid=sid, **extra).answers
        return "\n".join(answers) or None

    def receive(self, author, body, *, to=None, sid=None, opt_out_type=None, button=None):
        """Let somebody text us; return what is done with it."""
        to = to or (WHATSAPP if author.startswith("whatsapp:") else SMS)
        message = InboundMessage(
            sid=sid or self.sid(),
            sender=Address.parse(to),
            author=Address.parse(author),
            body=body,
            button=button,
            opt_out_type=OptOutType(opt_out_type) if opt_out_type else None,
            parameters={"Body": body, "From": author, "To": to},
        )
        with self.runtime.transaction() as session:
            return inbound.receive(session, self.runtime, message)

    def entries(self) -> list[ConsentEntry]:
        """All consent entries in the ledger, in order."""
        with self.runtime.reading() as session:
            size = ledger.frontier(session).size
            parsed = [parse(row.leaf) for row in ledger.leaves(session, 0, size)]
        return [entry for entry in parsed if isinstance(entry, ConsentEntry)]

    def events(self) -> list[tuple[str, str]]:
        """Event and list of each consent entry."""
        return [(entry.event.value, entry.list) for entry in self.entries()]

    def bulletin(self, keyword="NRC", text="Goedemorgen!") -> int:
        """Schedule a bulletin for now."""
        now = self.clock.now()
        with self.runtime.transaction() as session:
            item = stored_lists.by_keyword(session, keyword)
            made = bulletins.draft(session, list_id=item.id, text=text, author_id=1, now=now)
            bulletins.schedule(
                session, made.id, version=made.version, starts_at=now, zone=item.zone, now=now
            )
            return made.id

    def send(self) -> int:
        """Do what the engine's ticks do, once."""
        starting.start_due(self.runtime)
        tending.tend(self.runtime)
        requests = asyncio.run(dispatch.send_waiting(self.runtime))
        tending.tend(self.runtime)
        return requests

    def start(self) -> None:
        """Start what is due, and send nothing yet."""
        starting.start_due(self.runtime)

    def claim(self, limit=100, *, worker="worker-1", **more):
        """Claim what waits, as a worker does before it hands anything over."""
        return list(claiming.claim(self.runtime, worker=worker, limit=limit, **more).ready)

    def hand_over(self, ready, *, worker="worker-1"):
        """Hand claims over; return those whose requests may begin, each with its attempt."""
        return claiming.hand_over(self.runtime, worker=worker, ready=ready)

    def write_down(self, handed, answer) -> None:
        """Write down that each of these hand-overs got this answer."""
        results = [Result(ready.claim, attempt, answer(ready)) for ready, attempt in handed]
        outcomes.write_down(self.runtime, results)

    def callback(self, delivery_id, status, *, sid=None, error=None) -> None:
        """Let the provider report the status of a message, under the id that `accept` gives it."""
        update = StatusUpdate(
            sid=sid or f"SM{delivery_id:032x}", status=ProviderStatus(status), error_code=error
        )
        token = statuses.callback_token(self.runtime, delivery_id)
        self.runtime.run(lambda session: statuses.apply(session, self.runtime, token, update))

    def deliveries(self) -> list[Delivery]:
        """All deliveries, in order."""
        with self.runtime.reading() as session:
            return list(session.execute(select(Delivery).order_by(Delivery.id)).scalars())

    def states(self) -> list[str]:
        """Where each delivery stands, in order."""
        return [one.state for one in self.deliveries()]

    def bulletin_state(self, number) -> tuple[str, str | None]:
        """Where a bulletin stands, and why it holds if it does."""
        with self.runtime.reading() as session:
            row = session.get(Bulletin, number)
            return row.state, row.held_reason

    def incidents(self) -> dict[str, int]:
        """What was noted for somebody to see, and how often."""
        with self.runtime.reading() as session:
            return {one.kind: one.count for one in incidents.recent(session, 20)}

    def anew(self, people, *, keyword="NRC") -> int:
        """Begin a bulletin to so many people as if there never was one; return its number.

        Hypothesis runs a test many times in one newsroom.
        """
        with self.runtime.transaction() as session:
            for table in (
                *(StatusEvent, Delivery, Explained, Tally, Bulletin),
                *(Pacing, Outreach, Incident),
            ):
                session.execute(delete(table))
        for number in range(people):
            self.text(phone(number), f"{keyword} AAN")
        self.clock.advance(seconds=1)
        made = self.bulletin(keyword)
        self.start()
        return made

    def check_tallies(self) -> None:
        """Make sure that what is counted as it happens comes to what the rows say."""
        with self.runtime.reading() as session:
            for number in session.execute(select(Bulletin.id)).scalars():
                assert tallies.of(session, number) == deliveries.counts(session, number)

    def report(self, number):
        """Tell what became of a bulletin."""
        with self.runtime.reading() as session:
            return bulletins.report(session, number)

    def recipients(self) -> list[str]:
        """Everybody a request was made for, in order."""
        return [message.recipient.wire for message in self.provider.sent]


def phone(number: int, *, whatsapp: bool = True) -> str:
    """An address from the range kept for fiction."""
    return f"{'whatsapp:' if whatsapp else ''}+1555010{number:04d}"


def populate(runtime) -> None:
    """Make the lists NRC and SPORT, and an editor."""
    if isinstance(runtime.clock, FixedClock):
        again.once(runtime, _populate)
    else:
        _populate(runtime)


def _populate(runtime) -> None:
    with runtime.transaction() as session:
        for keyword, name in (("NRC", "NRC Ochtend"), ("SPORT", "Sport vandaag")):
            lists.add(
                session,
                runtime,
                keyword=keyword,
                name=name,
                senders=[Address.parse(WHATSAPP), Address.parse(SMS)],
                zone="Europe/Amsterdam",
                told=TOLD,
            )
        staff.add_user(
            session,
            name="editor",
            password="a long enough password",
            role=Role.EDITOR,
            now=runtime.clock.now(),
        )


def make_runtime(url, home, clock, provider, **environ) -> Iterator[Runtime]:
    """Put a runtime together as the program does, on settings of its own."""
    environ = {
        "BROADCASTER_DATABASE__URL": url,
        "BROADCASTER_PUBLIC_URL": "https://news.example.org",
        "BROADCASTER_ORGANISATION__NAME": "De Testkrant",
        "BROADCASTER_ORGANISATION__CONTACT": "redactie@testkrant.example",
        "BROADCASTER_TWILIO__ACCOUNT_SID": ACCOUNT_SID,
        "BROADCASTER_TWILIO__AUTH_TOKEN": AUTH_TOKEN,
        # A clock that stands still gives out no slots; pace has tests of its own.
        "BROADCASTER_SENDING__WHATSAPP_RATE": "0",
        "BROADCASTER_SENDING__SMS_RATE": "0",
        "BROADCASTER_SENDING__WHATSAPP_DAILY_LIMIT": "0",
        **environ,
    }
    home.mkdir(exist_ok=True)
    make_keys(home, load(environ, home).ledger.origin)
    made = build_runtime(load(environ, home), clock=clock, provider=provider)
    yield made
    made.database.dispose()
