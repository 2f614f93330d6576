"""What happens in a round follows from its seed alone, and everything gets its turn."""

from __future__ import annotations

import itertools

import pytest

from broadcaster.cli.faults.draw import draw
from broadcaster.cli.faults.machine import Machine
from broadcaster.cli.faults.plan import (
    JOIN,
    LATEST_ACCEPTANCE,
    LEASE,
    LEAVE,
    SETTLE,
    Kind,
    Setup,
)
from broadcaster.cli.faults.run import possible, setups
from broadcaster.sandbox.faults import Fault

EVERYTHING = Machine(
    strace="strace", mounts=True, postgresql="somewhere", server_user=None, missing=()
)
NOTHING = Machine(strace=None, mounts=False, postgresql=None, server_user=None, missing=())
ONE = Setup(engine="embedded", database="sqlite", workers=1)
MANY = [draw(7, number, ONE, list(Kind)) for number in range(200)]


def test_the_same_seed_and_number_give_the_same_round():
    assert draw(7, 3, ONE, list(Kind)) == draw(7, 3, ONE, list(Kind))
    assert draw(8, 3, ONE, list(Kind)) != draw(7, 3, ONE, list(Kind))


def test_every_fault_and_every_blow_gets_its_turn():
    faults = {rule.fault for plan in MANY for rule in plan.faults.rules if rule.probability}

    assert faults == set(Fault)
    assert {blow.kind for plan in MANY for blow in plan.disturbances} == set(Kind)
    assert {saying.body for plan in MANY for saying in plan.sayings} == {JOIN, *LEAVE}


def test_the_settling_time_is_longer_than_the_provider_takes():
    """What the product assumes of the provider must hold here, or a duplicate proves nothing."""
    latest = max(
        rule.seconds
        for plan in MANY
        for rule in plan.faults.rules
        if rule.fault is Fault.LATE_ACCEPT
    )
    lag = max(plan.faults.list_lag for plan in MANY)

    assert latest <= LATEST_ACCEPTANCE
    assert latest + lag < 0.6 * SETTLE


def test_a_process_stands_still_for_longer_than_its_lease():
    frozen = [
        blow.seconds for plan in MANY for blow in plan.disturbances if blow.kind is Kind.FREEZE
    ]

    assert min(frozen) > LEASE


def test_a_severe_round_leaves_out_no_fault():
    plan = draw(7, 1, ONE, list(Kind), is_severe=True)
    faults = {rule.fault for rule in plan.faults.rules if rule.operation == "create"}

    assert faults == {fault for fault in Fault if not fault.endswith("_callback")}
    assert [blow.kind for blow in plan.disturbances] == [Kind.KILL, Kind.KILL]


def test_every_set_up_is_played_where_the_machine_has_everything():
    found = setups(EVERYTHING, engine=None, database=None, workers=None)

    assert sorted(map(str, found)) == sorted(
        f"{pair}/{workers}"
        for pair, workers in itertools.product(
            ("embedded/sqlite", "embedded/postgresql", "distributed/postgresql"), (1, 3)
        )
    )
    assert [str(one) for one in setups(NOTHING, engine=None, database=None, workers=3)] == [
        "embedded/sqlite/3"
    ]


@pytest.mark.parametrize(
    ("machine", "database", "missing"),
    [
        (EVERYTHING, "sqlite", {Kind.RESTART_DATABASE}),
        (EVERYTHING, "postgresql", set()),
        (NOTHING, "sqlite", {Kind.RESTART_DATABASE, Kind.CRASH_POINT}),
        (NOTHING, "postgresql", {Kind.CRASH_POINT, Kind.FULL_DISK}),
    ],
)
def test_what_a_machine_cannot_do_is_left_out(machine, database, missing):
    setup = Setup(engine="embedded", database=database, workers=1)

    assert set(possible(machine, setup)) == set(Kind) - missing
