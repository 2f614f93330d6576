"""What real processes do first when they start again: listen (P11), and see how old they are (P12).

The texts and the messages are those of the provider's own list, which the product reads when it
comes back; nothing in our process tells it anything.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

import pytest

from broadcaster.cli.faults import records
from broadcaster.cli.faults.crowd import Crowd, address
from broadcaster.cli.faults.evidence import read_journal
from broadcaster.cli.faults.plan import JOIN, Round, Setup
from broadcaster.cli.faults.stage import Stage, set_up
from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.sandbox.faults import FaultPlan
from broadcaster.services import bulletins
from tests.backup import kept

EMBEDDED = Setup(engine="embedded", database="sqlite", workers=1)
DISTRIBUTED = Setup(engine="distributed", database="postgresql", workers=2)
_PEOPLE = 12
_PATIENCE = 60.0


@pytest.fixture(params=[EMBEDDED, DISTRIBUTED], ids=lambda setup: setup.engine)
def stage(request, tmp_path):
    """The product on its stage: twelve people have joined, and all its processes are down again."""
    plan = Round(
        seed=0,
        number=1,
        setup=request.param,
        people=_PEOPLE,
        bulletins=(),
        from_first_request=False,
        concurrency=10,
        rate=0,
        faults=FaultPlan(),
        disturbances=(),
        sayings=(),
    )
    needs = plan.setup.database == "postgresql"
    cluster = request.getfixturevalue("cluster") if needs else None
    with ExitStack() as stack:
        made = set_up(stack, tmp_path / "stage", plan, cluster=cluster)
        crowd = Crowd(made.line)
        stack.callback(crowd.close)
        start(made)
        crowd.join(_PEOPLE)
        end(made)
        yield made


def start(stage: Stage) -> None:
    for product in stage.products:
        product.start()
    for product in stage.products:
        product.wait_until_ready()


def end(stage: Stage) -> None:
    for product in stage.products:
        product.end()


def schedule(stage: Stage, text: str) -> int:
    return stage.schedule(text, stage.runtime.clock.now() + timedelta(seconds=1))


def send_now(stage: Stage, number: int) -> None:
    """Press "Send now" on a bulletin that was held before anybody had it."""
    now = stage.runtime.clock.now()
    with stage.runtime.transaction() as session:
        version = bulletins.check(session, number).bulletin.version
        bulletins.schedule(session, number, version=version, starts_at=now, zone="UTC", now=now)


def wait_for(stage: Stage, number: int, state: BulletinState) -> None:
    until = time.monotonic() + _PATIENCE
    while records.states(stage.runtime)[number] is not state:
        assert time.monotonic() < until, records.states(stage.runtime)[number]
        time.sleep(0.05)


def asked(stage: Stage, number: int) -> Counter[str]:
    """Count the requests for a bulletin by whom they were for, as the provider saw them."""
    requests = read_journal(stage.journal).requests
    return Counter(one.to for one in requests if one.body == stage.texts[number])


def everybody(people: int = _PEOPLE) -> Counter[str]:
    return Counter(address(person) for person in range(people))


def test_what_was_texted_while_nothing_ran_counts_before_anything_goes_out(stage):
    assert not stage.line.text(0, "STOP")
    assert not stage.line.text(1, "NRC UIT")
    assert not stage.line.text(_PEOPLE, JOIN)
    number = schedule(stage, "Terug van weggeweest. STOP = afmelden")
    start(stage)
    wait_for(stage, number, BulletinState.FINISHED)
    end(stage)

    stayed = everybody(_PEOPLE + 1)
    for person in (0, 1):
        del stayed[address(person)]
    assert asked(stage, number) == stayed


def test_a_restored_backup_sends_nothing_that_has_been_sent(stage):
    first = schedule(stage, "Het eerste bericht. STOP = afmelden")
    stage.runtime.database.dispose()
    with kept(stage.runtime.settings.database.url) as put_back:
        start(stage)
        wait_for(stage, first, BulletinState.FINISHED)
        end(stage)
        assert asked(stage, first) == everybody()
        stage.runtime.database.dispose()
        put_back()

    second = schedule(stage, "Het tweede bericht. STOP = afmelden")
    start(stage)
    # What the backup had still to send turns out to have been sent, by everybody's name.
    wait_for(stage, first, BulletinState.FINISHED)
    wait_for(stage, second, BulletinState.HELD)
    held = {one.number: one.held_for for one in records.read_bulletins(stage.runtime)}
    assert held[second] == HeldReason.RESTORED
    assert asked(stage, second) == Counter()

    send_now(stage, second)
    wait_for(stage, second, BulletinState.FINISHED)
    end(stage)
    assert asked(stage, first) == everybody()
    assert asked(stage, second) == everybody()
