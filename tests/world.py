"""A small newsroom to test with: two lists on two senders, and people who text them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from broadcaster.bootstrap import build_runtime, make_keys
from broadcaster.core.address import Address
from broadcaster.core.messages import InboundMessage, OptOutType
from broadcaster.ledger.entry import ConsentEntry, parse
from broadcaster.runtime import Runtime
from broadcaster.services import bulletins, dispatch, inbound, lists, staff
from broadcaster.services.lists import Told
from broadcaster.services.staff import Role
from broadcaster.settings import load
from broadcaster.storage import ledger
from broadcaster.storage import lists as stored_lists
from broadcaster.testing import ACCOUNT_SID, AUTH_TOKEN

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
        dispatch.start_due(self.runtime)
        return asyncio.run(dispatch.send_waiting(self.runtime))

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
        **environ,
    }
    home.mkdir(exist_ok=True)
    make_keys(home, load(environ, home).ledger.origin)
    made = build_runtime(load(environ, home), clock=clock, provider=provider)
    yield made
    made.database.dispose()
