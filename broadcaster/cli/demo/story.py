"""The story, played by itself: join, schedule, stop during sending, account, export, verify.

Everything is real on the way: HTTP, signatures, the official client, the database, the clock.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import cast

from broadcaster.cli.demo import cast as roles
from broadcaster.cli.demo.editor import Browser, PageError
from broadcaster.cli.demo.stage import AUDITOR, EDITOR, Stage
from broadcaster.cli.output import complain, say
from broadcaster.core.address import Address, Channel
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import TAKEN, SkipReason, State
from broadcaster.core.errors import BroadcasterError
from broadcaster.sandbox.errors import SandboxError
from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule
from broadcaster.services import bulletins
from broadcaster.services.bulletins import Report
from broadcaster.storage import lists

# Two requests at a time, each taking a moment: slow enough to stop during sending.
CONCURRENCY = 2
_REQUEST_SECONDS = 0.4
_PATIENCE = 15.0
_TEXT = "Goedemorgen! Het kabinet praat vandaag verder over de begroting. STOP = afmelden"
_KEYWORD = "NRC"


class StoryError(RuntimeError):
    """Something did not go as promised; the text says what."""


def play(stage: Stage) -> bool:
    """Play the story; print each step; tell whether everything went as promised."""
    began = time.monotonic()
    teller = _Teller(stage)
    try:
        for number, step in enumerate(teller.steps(), start=1):
            say(f"{number}. {step()}")
    except (
        StoryError,
        PageError,
        BroadcasterError,
        SandboxError,
        TimeoutError,
        OSError,
        subprocess.SubprocessError,
    ) as error:
        complain(f"FAILED: {error}")
        return False
    say(f"All as promised, in {time.monotonic() - began:.1f} seconds.")
    return True


class _Teller:
    """Tells the steps one after another; remembers what later ones need."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._browser = Browser(stage.url)
        self._path = ""

    def steps(self) -> list[Callable[[], str]]:
        return [
            self._join,
            self._ask,
            self._schedule,
            self._stop_during_sending,
            self._account,
            self._statuses,
            self._export,
            self._verify,
        ]

    def _join(self) -> str:
        for phone, sender in _ROUTES[:-1]:
            answer = self._text(phone, sender, f"{_KEYWORD} AAN")
            _expect("Ochtendnieuws" in answer, f"the confirmation says {answer!r}")
        return (
            f"{len(_ROUTES) - 1} phones text {_KEYWORD} AAN and get the confirmation: who, what, "
            "how often, how to leave."
        )

    def _ask(self) -> str:
        # A phone that never asked: guidance is given once an hour, and a home may be used again.
        now = self._stage.runtime.clock.now()
        phone = Address(Channel.WHATSAPP, f"+1555{now:%d%H%M%S}"[:12])
        answer = self._text(phone, roles.WHATSAPP, "Is dit de lijst van de krant?")
        _expect("STOP" in answer, f"the guidance says {answer!r}")
        return "Another phone only asks something: one helpful line, and no subscription."

    def _schedule(self) -> str:
        self._browser.sign_in(EDITOR, self._stage.passwords[EDITOR])
        with self._stage.runtime.reading() as session:
            item = lists.by_keyword(session, _KEYWORD)
            list_id, zone = item.id, item.zone
        self._path = self._browser.write_bulletin(list_id, _TEXT)
        moment = self._stage.runtime.clock.now() + timedelta(seconds=2)
        self._browser.schedule(self._path, moment, zone)
        self._stage.sandbox.set_faults(
            FaultPlan(rules=(FaultRule(fault=Fault.LATENCY, seconds=_REQUEST_SECONDS),))
        )
        return "The editor signs in, writes a bulletin in the form and schedules it."

    def _stop_during_sending(self) -> str:
        self._wait(lambda: bool(self._bodies_sent()), "the first message of the bulletin")
        phone, sender = _ROUTES[-2]
        _expect(phone.wire not in self._recipients(), "the last phone got it before it could stop")
        answer = self._text(phone, sender, "Stop maar, dank je")
        _expect("afgemeld" in answer, f"the confirmation of the stop says {answer!r}")
        self._wait(
            lambda: self._report().bulletin.state == BulletinState.FINISHED,
            "the end of the bulletin",
        )
        _expect(phone.wire not in self._recipients(), "a message went to a phone that had stopped")
        return "It starts on time. One phone texts STOP while it goes out, and gets nothing of it."

    def _account(self) -> str:
        report = self._report()
        joined = len(_ROUTES) - 1
        recipients = self._recipients()
        wanted = {phone.wire for phone, _sender in _ROUTES[:-2]}
        _expect(report.audience == joined, f"the audience is {report.audience}, not {joined}")
        _expect(sum(report.by_state.values()) == report.audience, "the outcomes do not add up")
        _expect(report.of(*TAKEN) == joined - 1, "not everybody else got it")
        _expect(report.skipped == {SkipReason.LEFT.value: 1}, "the account misses who left")
        _expect(sorted(recipients) == sorted(wanted), "the provider's journal says otherwise")
        page = self._browser.get(self._path)
        _expect("FAILED" not in page, "the report page shows a failure")
        return (
            f"The account: {report.audience} in the audience, {report.of(*TAKEN)} sent, "
            "1 left during sending. The provider's journal agrees."
        )

    def _statuses(self) -> str:
        self._stage.sandbox.set_faults(FaultPlan())
        self._stage.sandbox.settle(timeout=_PATIENCE)
        self._wait(
            lambda: self._report().of(State.DELIVERED, State.READ) == len(_ROUTES) - 2,
            "the reports of delivery",
        )
        return "Signed status callbacks report every message delivered."

    def _export(self) -> str:
        auditor = Browser(self._stage.url)
        auditor.sign_in(AUDITOR, self._stage.passwords[AUDITOR])
        data = auditor.download("/ledger/export", auditor.get("/ledger"), {"format": "bundle"})
        self._bundle.write_bytes(data)
        return f"The auditor downloads the ledger: {len(data):,} bytes."

    def _verify(self) -> str:
        key = self._stage.runtime.signer.key.to_text()
        command = [
            *(sys.executable, "-m", "broadcaster.ledger", "verify", str(self._bundle)),
            *("--vkey", key),
        ]
        done = subprocess.run(  # noqa: S603 - our own verifier, on our own file
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        _expect(done.returncode == 0, f"the verifier says:\n{done.stdout}{done.stderr}")
        return "A separate program verifies it: signature, every entry, the tree, the histories."

    @property
    def _bundle(self) -> Path:
        return self._stage.home / "ledger-bundle.zip"

    def _text(self, phone: Address, sender: Address, body: str) -> str:
        done = self._stage.sandbox.inbound(phone.wire, sender.wire, body)
        _expect(done["status"] == 200, f"the webhook answered {done['status']}")  # noqa: PLR2004 - OK
        return "\n".join(cast("list[str]", done["replies"]))

    def _bodies_sent(self) -> list[dict[str, object]]:
        return [
            entry
            for entry in self._stage.sandbox.journal()
            if entry["kind"] == "create" and entry["outcome"] == "accepted"
        ]

    def _recipients(self) -> list[str]:
        return [str(entry["to"]) for entry in self._bodies_sent()]

    def _report(self) -> Report:
        number = int(self._path.rpartition("/")[2])
        with self._stage.runtime.reading() as session:
            return bulletins.report(session, number)

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + _PATIENCE
        while not done():
            _expect(time.monotonic() < until, f"{what} did not come within {_PATIENCE:.0f} seconds")
            time.sleep(0.05)


_ROUTES = tuple(
    (Address(sender.channel, phone.number), sender)
    for phone, sender in zip(
        roles.PHONES,
        (roles.WHATSAPP, roles.WHATSAPP, roles.SMS, roles.WHATSAPP, roles.SMS, roles.WHATSAPP),
        strict=True,
    )
)


def _expect(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise StoryError(otherwise)
