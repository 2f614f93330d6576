"""Faults strike as often as told, the same way for the same seed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.sandbox.errors import InvalidCommand
from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule, Faults

REQUEST_FAULTS = [fault for fault in Fault if not fault.endswith("_callback")]
rules = st.builds(
    FaultRule,
    fault=st.sampled_from(REQUEST_FAULTS),
    probability=st.floats(0, 1),
    next=st.none() | st.integers(0, 5),
    seconds=st.floats(0, 2),
)
plans = st.builds(FaultPlan, rules=st.lists(rules, max_size=4).map(tuple), seed=st.integers())


@given(plans)
def test_the_same_seed_gives_the_same_faults(plan):
    one, other = Faults(plan), Faults(plan)
    assert [one.draw("create") for _ in range(30)] == [other.draw("create") for _ in range(30)]


@given(plans)
def test_a_plan_goes_over_the_line_and_is_the_same(plan):
    assert FaultPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@given(plans)
def test_a_counted_rule_never_strikes_more_often(plan):
    faults = Faults(plan)
    for _ in range(30):
        faults.draw("create")
    for fault in REQUEST_FAULTS:
        limits = [rule.next for rule in plan.rules if rule.fault is fault]
        if None not in limits:
            assert faults.struck[fault] <= sum(limits)


def test_next_counts_only_its_operation():
    plan = FaultPlan(rules=(FaultRule(fault=Fault.SERVER_ERROR, next=2),))
    faults = Faults(plan)
    assert faults.draw("list").fault is None
    assert [faults.draw("create").fault for _ in range(3)] == [Fault.SERVER_ERROR] * 2 + [None]


def test_latency_adds_up_beside_another_fault():
    faults = Faults(
        FaultPlan(
            rules=(
                FaultRule(fault=Fault.LATENCY, seconds=0.25),
                FaultRule(fault=Fault.CLOSE_AFTER_ACCEPT),
                FaultRule(fault=Fault.LATENCY, seconds=0.5),
            )
        )
    )
    drawn = faults.draw("create")
    assert (drawn.delay, drawn.fault) == (0.75, Fault.CLOSE_AFTER_ACCEPT)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"rules": [{}]},
        {"rules": [{"fault": "unheard of"}]},
        {"rules": [{"fault": "latency", "often": 1}]},
        {"rules": [{"fault": "latency", "operation": "sing"}]},
        {"rules": [{"fault": "latency", "probability": 2}]},
        {"rules": [{"fault": "drop_callback"}]},
        {"rules": [{"fault": "server_error", "operation": "callback"}]},
        {"rules": 1},
        {"speed": 1},
    ],
)
def test_a_plan_that_is_none_is_refused(document):
    with pytest.raises(InvalidCommand):
        FaultPlan.from_json(document)
