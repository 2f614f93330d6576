"""Choosing what happens in a round, by the seed and the round's number alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from broadcaster.cli.faults.plan import (
    JOIN,
    LARGEST_LAG,
    LATEST_ACCEPTANCE,
    LEASE,
    LEAVE,
    TIMEOUT,
    Disturbance,
    Kind,
    Round,
    Saying,
    Setup,
)
from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule

_PEOPLE = (40, 90)
#: Seconds within which the bulletins of a round start.
_SPREAD = 4.0
_COME_BACK = 0.15
_OFTEN = 0.6
#: The N of a crash point is below two to this power; small ones come as often as large ones.
_DEEPEST = 8.0
#: System calls before or after which a crash has hurt somebody.
_CALLS = ("sendto", "recvfrom", "fdatasync", "pwrite64", "write")

#: What may go wrong with a request, and how many seconds it may take.
_SPANS: Mapping[Fault, tuple[float, float]] = {
    Fault.TOO_MANY_REQUESTS: (0, 0),
    Fault.SERVER_ERROR: (0, 0),
    Fault.CLOSE_BEFORE_ACCEPT: (0, 0),
    Fault.HANG_BEFORE_ACCEPT: (0.8 * TIMEOUT, 3 * TIMEOUT),
    Fault.LATE_ACCEPT: (0.1, LATEST_ACCEPTANCE),
    Fault.SERVER_ERROR_AFTER_ACCEPT: (0, 0),
    Fault.CLOSE_AFTER_ACCEPT: (0, 0),
    Fault.HANG_AFTER_ACCEPT: (0.8 * TIMEOUT, 3 * TIMEOUT),
    Fault.GARBAGE_AFTER_ACCEPT: (0, 0),
    Fault.CUT_AFTER_ACCEPT: (0, 0),
}
_FEWEST = 3


def draw(
    seed: int, number: int, setup: Setup, possible: Sequence[Kind], *, is_severe: bool = False
) -> Round:
    """Decide a round.

    Args:
        seed: of the run.
        number: of the round in its run.
        setup: what runs.
        possible: what can be done on this machine to this set-up.
        is_severe: leave nothing out, so that one round shows what others show now and then.
    """
    # Repeatable on purpose; nothing here is secret.
    dice = Random(f"{seed}/{number}/{setup}")  # noqa: S311
    people = dice.randint(*_PEOPLE)
    later = sorted(dice.uniform(0.0, _SPREAD) for _ in range(dice.randint(0, 2)))
    return Round(
        seed=seed,
        number=number,
        setup=setup,
        people=people,
        bulletins=(0.0, *later) if not is_severe else (0.0, _SPREAD / 2),
        from_first_request=is_severe or dice.random() < _OFTEN,
        concurrency=dice.choice((3, 6, 12)),
        rate=dice.choice((0, 0, 10, 20)),
        faults=_faults(dice, is_severe=is_severe),
        disturbances=_disturbances(dice, setup, possible, is_severe=is_severe),
        sayings=_sayings(dice, people),
    )


def _faults(dice: Random, *, is_severe: bool) -> FaultPlan:
    """Choose what the provider does wrong: some faults, not all, so that each gets its chance."""
    fewest = len(_SPANS) if is_severe else _FEWEST
    chosen = dice.sample(list(_SPANS), dice.randint(fewest, len(_SPANS)))
    rules = [
        FaultRule(fault=Fault.LATENCY, seconds=dice.uniform(0.1, 0.35)),
        FaultRule(fault=Fault.LATENCY, probability=0.2, seconds=dice.uniform(0.1, 0.5)),
    ]
    rules += [
        FaultRule(
            fault=fault,
            probability=dice.uniform(0.02, 0.06),
            seconds=dice.uniform(*_SPANS[fault]),
        )
        for fault in chosen
    ]
    return FaultPlan(
        rules=(*rules, *_about_callbacks(dice, is_severe=is_severe), *_about_the_list(dice)),
        seed=dice.getrandbits(32),
        list_lag=LARGEST_LAG if is_severe else dice.uniform(0.0, LARGEST_LAG),
    )


def _about_callbacks(dice: Random, *, is_severe: bool) -> list[FaultRule]:
    return [
        FaultRule(
            fault=fault,
            operation="callback",
            probability=dice.choice(often),
            seconds=dice.uniform(0.2, 1.0),
        )
        for fault, often in (
            (Fault.LATENCY, (0.0, 0.3)),
            (Fault.DROP_CALLBACK, (1.0,) if is_severe else (0.1, 0.5, 1.0)),
            (Fault.REPEAT_CALLBACK, (0.0, 0.3)),
            (Fault.REORDER_CALLBACK, (0.0, 0.3)),
        )
    ]


def _about_the_list(dice: Random) -> list[FaultRule]:
    often = dice.choice((0.0, 0.2, 0.6))
    spoilt = (Fault.SERVER_ERROR, Fault.GARBAGE_AFTER_ACCEPT, Fault.CUT_AFTER_ACCEPT)
    return [FaultRule(fault=dice.choice(spoilt), operation="list", probability=often)]


def _disturbances(
    dice: Random, setup: Setup, possible: Sequence[Kind], *, is_severe: bool
) -> tuple[Disturbance, ...]:
    chosen = [dice.choice(list(possible)) for _ in range(dice.randint(1, 3))]
    kills = 2 * setup.processes if is_severe else dice.randint(0, 2)
    kinds = [*([] if is_severe else dict.fromkeys(chosen)), *[Kind.KILL] * kills]
    blows = [_blow(dice, kind, setup) for kind in kinds]
    return tuple(sorted(blows, key=lambda one: one.at))


def _blow(dice: Random, kind: Kind, setup: Setup) -> Disturbance:
    is_traced = kind is Kind.CRASH_POINT
    calls = _CALLS if setup.database == "sqlite" else _CALLS[:2]
    return Disturbance(
        kind=kind,
        at=0.0 if is_traced else dice.uniform(0.1, 4.0),
        seconds=dice.uniform(LEASE + 0.5, 2 * LEASE),
        target=dice.randrange(setup.processes),
        call=dice.choice(calls) if is_traced else "",
        number=int(2 ** dice.uniform(0, _DEEPEST)) if is_traced else 0,
    )


def _sayings(dice: Random, people: int) -> tuple[Saying, ...]:
    """Let some leave while it goes out, and a few of them come back."""
    leaving = dice.sample(range(people), dice.randint(people // 10, people // 3))
    sayings = [
        Saying(at=dice.uniform(-0.5, 5.0), person=person, body=dice.choice(LEAVE))
        for person in leaving
    ]
    sayings += [
        Saying(at=one.at + dice.uniform(0.3, 2.0), person=one.person, body=JOIN)
        for one in sayings
        if dice.random() < _COME_BACK
    ]
    return tuple(sorted(sayings, key=lambda one: one.at))
