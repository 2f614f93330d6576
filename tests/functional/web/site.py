"""A site with a real database, a clock that tests turn, and people at its doors."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcaster import resources
from broadcaster.app import create_app
from broadcaster.core.address import Address, Channel
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.keywords import load_vocabulary
from broadcaster.core.replies import load_replies
from broadcaster.core.sealing import Keyring, seal_address
from broadcaster.ledger.keys import NoteSigner
from broadcaster.runtime import Runtime
from broadcaster.services import bulletins, staff
from broadcaster.settings import load
from broadcaster.storage import deliveries, lists, tallies
from broadcaster.storage.models import (
    BroadcastList,
    Bulletin,
    Delivery,
    Document,
    Notice,
    Subscriber,
    Subscription,
)
from broadcaster.storage.session import WRITES, make_engine
from broadcaster.testing import FakeProvider, FixedClock

PASSWORD = "correct horse battery"


@dataclass
class Site:
    runtime: Runtime
    clock: FixedClock
    app: object
    numbers: list = field(default_factory=lambda: list(range(1, 100)))

    def browser(self):
        """Open a browser of its own, with its own cookies."""
        return self.app.test_client()

    def token(self, browser, path="/login"):
        """Return the form key of a page, as the browser would send it."""
        page = browser.get(path).text
        return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page).group(1)

    def post(self, browser, path, data=None, **more):
        """Send a form with the page's key."""
        filled = {"csrf_token": self.token(browser, "/account"), **(data or {})}
        return browser.post(path, data=filled, **more)

    def add_user(self, name="anna", role=staff.Role.EDITOR, language=None):
        with self.runtime.transaction() as session:
            return staff.add_user(
                session,
                name=name,
                password=PASSWORD,
                role=role,
                now=self.clock.now(),
                language=language,
            ).id

    def try_password(self, browser, name, password=PASSWORD, **more):
        data = {"name": name, "password": password, **more}
        if "csrf_token" not in data:
            data["csrf_token"] = self.token(browser)
        return browser.post("/login", data=data)

    def signed_in(self, name="anna", role=staff.Role.EDITOR, language="en"):
        """Return a browser in which this member is signed in."""
        self.add_user(name, role, language)
        browser = self.browser()
        assert self.try_password(browser, name).status_code == 303
        return browser

    def add_list(self, keyword="NRC", name="Ochtendnieuws", language="nl"):
        with self.runtime.transaction() as session:
            item = BroadcastList(
                slug=keyword.lower(),
                keyword=keyword,
                name=name,
                language=language,
                zone="Europe/Amsterdam",
                is_open=True,
                created=self.clock.now(),
            )
            session.add(item)
            session.flush()
            for channel, number in (
                (Channel.SMS, "+15550100001"),
                (Channel.WHATSAPP, "+15550100002"),
            ):
                sender = lists.get_or_add_sender(
                    session, Address(channel, number), self.clock.now()
                )
                lists.set_sender(session, item.id, sender)
            self._tell(session, item)
            return item.id

    def _tell(self, session, item):
        sha256 = f"{item.id:064x}"
        session.add(Document(sha256=sha256, kind="notice", text="notice", entry=0))
        session.flush()
        session.add(
            Notice(
                list_id=item.id,
                version=1,
                language=item.language,
                sha256=sha256,
                what="Het belangrijkste nieuws van de ochtend.",
                frequency="Hooguit één bericht per dag",
                hours="Maandag tot en met zaterdag, tussen 07:00 en 09:00",
                stored="Je nummer en je aanmelding, tot je je afmeldt",
                privacy_url="https://news.example.org/privacy",
                response_time="De redactie antwoordt binnen een werkdag",
                created=self.clock.now(),
            )
        )

    def subscribe(self, list_id, people=3, channel=Channel.SMS):
        """Put people on a list; return their ids."""
        keyring = self.runtime.keyring
        with self.runtime.transaction() as session:
            made = []
            for _ in range(people):
                number = self.numbers.pop(0)
                address = Address(channel, f"+15550101{number:03}")
                key, wrapped = keyring.new_subject_key()
                one = Subscriber(
                    subject=f"{number:032x}",
                    channel=channel,
                    address_index=keyring.blind_index(address),
                    address_sealed=seal_address(key, address),
                    key_wrapped=wrapped,
                    created=self.clock.now(),
                )
                session.add(one)
                session.flush()
                session.add(
                    Subscription(
                        subscriber_id=one.id,
                        list_id=list_id,
                        state="in",
                        entry=number,
                        since=self.clock.now(),
                    )
                )
                made.append(one.id)
            return made

    def draft(self, list_id, text="Goedemorgen. Dit is het nieuws.", author="writer"):
        with self.runtime.transaction() as session:
            found = next((user for user in staff.list_users(session) if user.name == author), None)
            author_id = found.id if found else None
        author_id = author_id or self.add_user(author)
        with self.runtime.transaction() as session:
            return bulletins.draft(
                session, list_id=list_id, text=text, author_id=author_id, now=self.clock.now()
            ).id

    def bulletin(self, bulletin_id):
        with self.runtime.reading() as session:
            return session.get(Bulletin, bulletin_id)

    def finish(self, bulletin_id, states, *, state=BulletinState.FINISHED):
        """Give a bulletin deliveries that ended like this: (subscriber, state, reason, code)."""
        with self.runtime.transaction() as session:
            bulletin = session.get(Bulletin, bulletin_id)
            bulletin.state = state.value
            bulletin.starts_at = bulletin.started = self.clock.now()
            bulletin.audience = len(states) if states else None
            if state is BulletinState.FINISHED:
                bulletin.ended = self.clock.now() + timedelta(seconds=12)
            sender = lists.senders(session, bulletin.list_id)[0]
            for subscriber_id, outcome, reason, code in states:
                session.add(
                    Delivery(
                        bulletin_id=bulletin_id,
                        subscriber_id=subscriber_id,
                        sender_id=sender.id,
                        state=outcome,
                        reason=reason,
                        error_code=code,
                        attempt=1,
                        changed=self.clock.now(),
                    )
                )
            self.recount(session, bulletin_id)

    def recount(self, session, bulletin_id):
        """Let the tallies of a bulletin follow deliveries that a test changed by hand."""
        session.flush()
        tallies.forget(session, bulletin_id)
        tallies.add(session, deliveries.counts(session, bulletin_id))


@cache
def _vocabulary():
    return load_vocabulary(resources.directory("config") / "keywords")


def build_site(
    home,
    database,
    *,
    public_url="http://localhost",
    mode="live",
    clock=None,
    engine=None,
    more=None,
):
    """Put a site together on a database file; ``more`` are settings as the environment has them."""
    environ = {
        **(more or {}),
        "BROADCASTER_PUBLIC_URL": public_url,
        "BROADCASTER_MODE": mode,
        "BROADCASTER_TWILIO__API_BASE": "http://127.0.0.1:1",
        "BROADCASTER_DATABASE__URL": f"sqlite:////{str(database).lstrip('/')}",
        "BROADCASTER_ORGANISATION__NAME": "De Ochtend",
        "BROADCASTER_ORGANISATION__PHONE": "+31 20 555 0123",
        "BROADCASTER_ORGANISATION__LANGUAGE": "en",
        "BROADCASTER_SECRETS__SESSION_KEY": "0123456789abcdef" * 4,
    }
    settings = load(environ, home)
    engine = engine or make_engine(settings.database.url)
    clock = clock or FixedClock()
    config = resources.directory("config")
    runtime = Runtime(
        settings=settings,
        database=engine,
        writer=engine.execution_options(**{WRITES: True}),
        clock=clock,
        provider=FakeProvider(clock=clock),
        keyring=Keyring(bytes(range(32))),
        signer=NoteSigner(
            name="news.example.org/ledger",
            private_key=Ed25519PrivateKey.from_private_bytes(b"k" * 32),
        ),
        read_vocabulary=_vocabulary,
        replies=load_replies(config / "replies"),
    )
    return Site(runtime=runtime, clock=clock, app=create_app(runtime))
