"""A new installation of the product for one round: settings, keys, tables, a list, an editor."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from broadcaster import resources, settings
from broadcaster.bootstrap import build_runtime, make_keys, prepare_queue
from broadcaster.cli.faults.plan import LEASE, SETTLE, TIMEOUT, Round
from broadcaster.cli.faults.ports import HOST
from broadcaster.core.address import Address
from broadcaster.runtime import Runtime
from broadcaster.services import lists, staff
from broadcaster.services.lists import Told
from broadcaster.services.staff import Role
from broadcaster.storage import schema
from broadcaster.storage.session import WRITES, make_engine

WHATSAPP = "whatsapp:+15550109990"
SMS = "+15550109991"
KEYWORD = "NRC"
_SID_BYTES = 16
_TOLD = {
    "nl": Told(
        what="Het nieuws van de ochtend.",
        frequency="Hooguit drie berichten per dag",
        hours="op werkdagen tussen 7 en 9 uur",
        stored="Je nummer, zolang je op de lijst staat.",
        response_time="Vragen beantwoordt de redactie binnen vier uur.",
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at the pretended provider, made for one round."""

    sid: str
    token: str

    @classmethod
    def new(cls) -> Account:
        """Make one up."""
        return cls(sid=f"AC{secrets.token_hex(_SID_BYTES)}", token=secrets.token_hex(_SID_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a round plays.

    Args:
        home: the product's home directory.
        port: the port of its web.
        account: at the pretended provider.
        tree: the source tree that the product runs from; this very program's if None.
    """

    home: Path
    port: int
    account: Account
    tree: Path | None

    @property
    def journal(self) -> Path:
        """The file in which the provider writes what it accepts."""
        return self.home / "journal.jsonl"

    def of_ours(self) -> dict[str, str]:
        """Return the environment of a process that runs this very program's code."""
        return self._running(Path(resources.__file__).parents[1])

    def of_the_product(self) -> dict[str, str]:
        """Return the environment of a process of the product, without its settings."""
        return self._running(self.tree) if self.tree else self.of_ours()

    def _running(self, tree: Path) -> dict[str, str]:
        # Nothing of our own environment: a developer's account must never be used.
        return {"PATH": os.defpath, "PYTHONPATH": str(tree), "HOME": str(self.home)}


def surroundings(place: Place, plan: Round, *, provider: str, database: str) -> dict[str, str]:
    """Return the environment of the product's processes, with settings that hurry."""
    given = {
        "public_url": f"http://{HOST}:{place.port}",
        "engine": plan.setup.engine,
        "organisation.name": "De Proefkrant",
        "organisation.contact": "redactie@proefkrant.example",
        "database.url": database,
        "twilio.account_sid": place.account.sid,
        "twilio.auth_token": place.account.token,
        "twilio.api_base": provider,
        "twilio.timeout": str(TIMEOUT),
        "sending.concurrency": str(plan.concurrency),
        "sending.lease": str(LEASE),
        "sending.settle": str(SETTLE),
        "sending.sms_rate": str(plan.rate),
        "sending.whatsapp_rate": str(plan.rate),
        "sending.failure_percent": "0",
    }
    variables = {row.key: row.variable for row in settings.reference()}
    named = {variables[key]: value for key, value in given.items() if key in variables}
    return place.of_the_product() | named | {"BROADCASTER_HOME": str(place.home)}


def installed(home: Path, environ: dict[str, str]) -> Runtime:
    """Make keys, tables, one list on two senders, and an editor; return our own view of it."""
    loaded = settings.load(environ, home)
    make_keys(home, loaded.ledger.origin)
    engine = make_engine(loaded.database.url).execution_options(**{WRITES: True})
    schema.upgrade(engine)
    prepare_queue(loaded, engine)
    engine.dispose()
    runtime = build_runtime(settings.load(environ, home))
    with runtime.transaction() as session:
        lists.add(
            session,
            runtime,
            keyword=KEYWORD,
            name="De Proefkrant Ochtend",
            senders=[Address.parse(WHATSAPP), Address.parse(SMS)],
            zone=loaded.organisation.zone,
            told=_TOLD,
        )
        staff.add_user(
            session,
            name="editor",
            password=secrets.token_urlsafe(_SID_BYTES),
            role=Role.EDITOR,
            now=runtime.clock.now(),
        )
    return runtime
