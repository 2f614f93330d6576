"""The promises under every order of steps, crashes and faults that Hypothesis can think of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.simulated import Fate, Situation
from tests.faults.simulation import open_newsroom, play

_RUNS = int(os.environ.get("TEST_SIMULATION_RUNS", "125"))
# In what part of the runs each must be met: a simulation that does nothing must not be green.
_LEAST = {**dict.fromkeys(Fate, 0.1), **dict.fromkeys(Situation, 0.02)}


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    return open_newsroom(tmp_path_factory.mktemp("newsroom"))


@pytest.mark.parametrize("part", [0, 1])
def test_the_promises_hold_in_any_order_of_steps(template, part):
    played = play(template, _RUNS)

    met = {one: played.met[one] / played.runs for one in _LEAST}
    assert {one: rarely for one, rarely in met.items() if rarely < _LEAST[one]} == {}
