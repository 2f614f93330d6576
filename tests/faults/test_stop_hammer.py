"""Stop means stop (P2): half of the audience texts it while two workers send, and the journal judges.

Most of these texts are aimed at the seconds around the person's own message: it is claimed
then, or handed over, or on its way, which is where a stop can be lost.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from broadcaster.cli.faults import round as rounds
from broadcaster.cli.faults.crowd import address
from broadcaster.cli.faults.evidence import Said, read_journal
from broadcaster.cli.faults.plan import LEAVE, Disturbance, Kind, Round, Saying, Setup
from broadcaster.core.delivery import TAKEN, SkipReason, State
from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule

EMBEDDED = Setup(engine="embedded", database="sqlite", workers=2)
DISTRIBUTED = Setup(engine="distributed", database="postgresql", workers=2)
_PEOPLE = 300
_RATE = 30
#: Every third person is on SMS; each channel's messages leave at this pace, in the order of joining.
_ON_SMS = 3
_TWILIO_WAITS = 15.0
#: So many stops at least come in time, and so many too late.
_ENOUGH = 15

#: Requests take their time, so that many are under way when somebody stops.
SLOWLY = FaultPlan(
    rules=(
        FaultRule(fault=Fault.LATENCY, seconds=0.1),
        FaultRule(fault=Fault.LATENCY, probability=0.3, seconds=0.4),
        FaultRule(fault=Fault.DROP_CALLBACK, operation="callback", probability=0.5),
    )
)


def hammering(setup: Setup, *disturbances: Disturbance) -> Round:
    """Plan a broadcast during which every second person texts a stop."""
    dice = Random(f"{setup}/{len(disturbances)}")  # noqa: S311 - repeatable on purpose
    sayings = [
        Saying(at=_near_their_turn(dice, person), person=person, body=dice.choice(LEAVE))
        for person in dice.sample(range(_PEOPLE), _PEOPLE // 2)
    ]
    return Round(
        seed=0,
        number=1,
        setup=setup,
        people=_PEOPLE,
        bulletins=(0.0,),
        from_first_request=True,
        concurrency=50,
        rate=_RATE,
        faults=SLOWLY,
        disturbances=disturbances,
        sayings=tuple(sorted(sayings, key=lambda one: one.at)),
    )


def _near_their_turn(dice: Random, person: int) -> float:
    """Choose a moment around the one at which a person's message is due."""
    is_on_sms = address(person).startswith("+")
    before = person // _ON_SMS if is_on_sms else person - person // _ON_SMS
    return before / _RATE + dice.uniform(-1.2, 2.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Somebody who texted a stop while the bulletin went out.

    Args:
        said: the text, and when it was answered.
        asked: when requests for this person arrived at the provider.
        state: what the product says became of their delivery.
        reason: and why.
    """

    said: Said
    asked: tuple[datetime, ...]
    state: State
    reason: str | None

    @property
    def seconds(self) -> float:
        """How long the answer took; longer than anybody waits where there was none."""
        if self.said.answered is None:
            return math.inf
        return (self.said.answered - self.said.sent).total_seconds()

    @property
    def is_broken(self) -> bool:
        """Whether a request arrived after the stop was answered."""
        answered = self.said.answered
        return answered is not None and any(moment > answered for moment in self.asked)

    @property
    def is_told(self) -> bool:
        """Whether the product says what happened."""
        if not self.asked:
            return (self.state, self.reason) == (State.SKIPPED, SkipReason.LEFT)
        # On SMS the provider itself may have been faster than the stop's webhook: 21610.
        return self.state in TAKEN or (self.state is State.FAILED and self.said.phone[0] == "+")


def read_stopped(home: Path) -> list[Stopped]:
    """Read what became of everybody who stopped."""
    journal = read_journal(home / "journal.jsonl")
    evidence = json.loads((home / "evidence.json").read_text())
    texts = {one["text"] for one in evidence["bulletins"]}
    members = {one["phone"]: one for one in evidence["members"]}
    asked: dict[str, list[datetime]] = {}
    for request in journal.requests:
        if request.body in texts:
            asked.setdefault(request.to, []).append(request.arrived)
    return [
        Stopped(
            said=said,
            asked=tuple(asked.get(said.phone, ())),
            state=State(members[said.phone]["state"]),
            reason=members[said.phone]["reason"],
        )
        for said in journal.texts
        if said.body in LEAVE
    ]


CASES = [
    pytest.param(hammering(EMBEDDED), id="embedded"),
    pytest.param(hammering(DISTRIBUTED), id="distributed"),
    # The first process answers the web, the second one only sends.
    pytest.param(
        hammering(
            EMBEDDED,
            Disturbance(kind=Kind.FREEZE, at=1.5, seconds=1.5, target=1),
            Disturbance(kind=Kind.FREEZE, at=4.0, seconds=3.0, target=1),
        ),
        id="a worker stands still",
    ),
]


@pytest.mark.parametrize("plan", CASES)
def test_no_request_arrives_after_a_stop_was_answered(request, tmp_path, machine, plan):
    needs = plan.setup.database == "postgresql"
    cluster = request.getfixturevalue("cluster") if needs else None
    home = tmp_path / "round"

    outcome = rounds.play(plan, home, machine, cluster=cluster)
    stopped = read_stopped(home)

    took = sorted(one.seconds for one in stopped)
    in_time = [one for one in stopped if not one.asked]
    print(
        f"{len(stopped)} stops, {len(in_time)} in time; answered within"
        f" {took[math.ceil(0.99 * len(took)) - 1]:.2f} s (p99), {took[-1]:.2f} s at most"
    )
    assert outcome.findings == ()
    assert len(stopped) == _PEOPLE // 2
    assert [one for one in stopped if one.is_broken] == []
    assert [one for one in stopped if not one.is_told] == []
    # Twilio gives up on a webhook after that; the person would get no confirmation.
    assert took[-1] < _TWILIO_WAITS
    # With everybody in time, or nobody, the moments would have been missed.
    assert min(len(in_time), len(stopped) - len(in_time)) >= _ENOUGH
    assert outcome.struck[Kind.FREEZE] == len(plan.disturbances)
