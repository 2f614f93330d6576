"""A round, from an empty directory to a verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from broadcaster.cli.faults import records
from broadcaster.cli.faults.cluster import Cluster
from broadcaster.cli.faults.crowd import Crowd
from broadcaster.cli.faults.disturb import Keeper
from broadcaster.cli.faults.evidence import Evidence, keep, read_journal
from broadcaster.cli.faults.judge import Finding, early, judge
from broadcaster.cli.faults.machine import Machine
from broadcaster.cli.faults.plan import LATEST_ACCEPTANCE, SETTLE, Kind, Round
from broadcaster.cli.faults.stage import Stage, set_up
from broadcaster.sandbox.faults import FaultPlan

#: Seconds until everything unknown is looked up and sent again if need be, several times over.
PATIENCE = 90.0
#: Seconds after which nothing will change any more: a lost worker is noticed, the list is settled.
STANDSTILL = 16.0 + 2 * SETTLE
#: Seconds after which faults end even if somebody still waits.
_LONGEST = 25.0
_AHEAD = 1.0
_LOOK_AGAIN = 0.05
_READ_AGAIN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a round.

    Args:
        plan: the round.
        home: where its files are, as long as they are kept.
        findings: the broken promises.
        accepted: how many messages the provider took.
        spoilt: how many requests the provider answered wrongly, late, or not at all.
        left: how many people texted a stop.
        struck: how often each kind of blow was dealt.
        seconds: how long it took.
    """

    plan: Round
    home: Path
    findings: tuple[Finding, ...]
    accepted: int
    spoilt: int
    left: int
    struck: Counter[Kind]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings


def play(
    plan: Round,
    home: Path,
    machine: Machine,
    *,
    cluster: Cluster | None,
    tree: Path | None = None,
    until_red: bool = False,
) -> Outcome:
    """Play a round and judge it.

    Args:
        plan: the round.
        home: a directory that is not there yet.
        machine: what can be done here.
        cluster: the database server, where the round is on one.
        tree: the source tree that the product runs from; this very program's if left out.
        until_red: end as soon as the journal shows a broken promise.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        stage = set_up(stack, home, plan, cluster=cluster, tree=tree)
        crowd = Crowd(stage.line)
        stack.callback(crowd.close)
        keeper = Keeper(stage, machine)
        _gather(stage, crowd, keeper, plan)
        is_red = _watcher(stage) if until_red else _never
        _send(stage, crowd, keeper, plan, is_red)
        _settle(stage, keeper, plan, is_red)
        for product in stage.products:
            product.end()
        evidence = _evidence(stage, keeper, plan)
        # What was cut short may be unfinished; only what the journal shows counts then.
        findings = early(evidence.journal, _texts(evidence)) if is_red() else judge(evidence)
    keep(evidence, home / "evidence.json")
    return Outcome(
        plan=plan,
        home=home,
        findings=tuple(findings),
        accepted=_accepted(evidence),
        spoilt=sum(one.spoilt for one in evidence.journal.requests),
        left=len({one.person for one in plan.sayings}),
        struck=keeper.struck,
        seconds=time.monotonic() - began,
    )


def _gather(stage: Stage, crowd: Crowd, keeper: Keeper, plan: Round) -> None:
    """Start the processes and let everybody join."""
    for product in stage.products:
        product.start()
    for product in stage.products:
        product.wait_until_ready()
    crowd.join(plan.people)
    keeper.lay_crash_points(plan.disturbances)


def _send(
    stage: Stage, crowd: Crowd, keeper: Keeper, plan: Round, is_red: Callable[[], bool]
) -> None:
    """Let the bulletins go out while everything goes wrong, until nobody waits any more."""
    stage.line.set_faults(plan.faults)
    start, now = time.monotonic() + _AHEAD, stage.runtime.clock.now()
    for number, offset in enumerate(plan.bulletins, start=1):
        text = f"Ronde {plan.number}, bericht {number}. STOP = afmelden"
        stage.schedule(text, now + timedelta(seconds=_AHEAD + offset))
    if plan.from_first_request:
        start = _first_request(stage)
    keeper.plan(plan.disturbances, start)
    told = crowd.begin(plan.sayings, start)
    until = start + _LONGEST
    while time.monotonic() < until and not is_red():
        keeper.look()
        is_over = keeper.agenda.is_done and all(one.done() for one in told)
        if is_over and not records.anybody_waits(stage.runtime):
            return
        time.sleep(_LOOK_AGAIN)


def _first_request(stage: Stage) -> float:
    """Return the moment at which the provider has got the first request, or none came in time."""
    until = time.monotonic() + _LONGEST
    while time.monotonic() < until and not read_journal(stage.journal).requests:
        time.sleep(_LOOK_AGAIN)
    return time.monotonic()


def _settle(stage: Stage, keeper: Keeper, plan: Round, is_red: Callable[[], bool]) -> None:
    """Let nothing go wrong any more, and wait until every bulletin is over, or nothing moves."""
    stage.line.set_faults(FaultPlan(list_lag=plan.faults.list_lag))
    until = time.monotonic() + PATIENCE
    moved = time.monotonic()
    before: object = None
    while time.monotonic() < min(until, moved + STANDSTILL) and not is_red():
        keeper.look()
        if keeper.agenda.is_done:
            if set(records.states(stage.runtime).values()) <= records.OVER:
                break
            standing = records.standing(stage.runtime)
            if standing != before:
                before, moved = standing, time.monotonic()
        time.sleep(_READ_AGAIN)
    # What was cut off may still be accepted this much later.
    time.sleep(0.0 if is_red() else LATEST_ACCEPTANCE)


def _watcher(stage: Stage) -> Callable[[], bool]:
    """Return a look at the journal that tells whether it shows a broken promise already."""

    def is_red() -> bool:
        return bool(early(read_journal(stage.journal), list(stage.texts.values())))

    return is_red


def _never() -> bool:
    return False


def _evidence(stage: Stage, keeper: Keeper, plan: Round) -> Evidence:
    runtime = stage.runtime
    return Evidence(
        journal=read_journal(stage.journal),
        bulletins=records.read_bulletins(runtime),
        members=records.read_members(runtime),
        consents=records.read_consents(runtime),
        ledger_fault=records.ledger_fault(runtime),
        died=keeper.died,
        list_lag=plan.faults.list_lag,
    )


def _texts(evidence: Evidence) -> list[str]:
    return [one.text for one in evidence.bulletins]


def _accepted(evidence: Evidence) -> int:
    texts = set(_texts(evidence))
    return sum(one.accepted and one.body in texts for one in evidence.journal.requests)
