"""Each planted bug still fits the code, and turns the judge and the simulation red."""

from __future__ import annotations

import ast

import pytest

from broadcaster.cli.faults import planted, simulation, trial
from broadcaster.core.errors import InvalidInput

BUGS = planted.bugs()
WANTED = {
    "retry blindly",
    "forget at restart",
    "mark before sending",
    "consent read at planning",
    "no claim",
    "no settling time",
}


def test_all_of_the_design_are_planted():
    assert {bug.name for bug in BUGS} == WANTED


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_it_still_fits_the_code(bug, tmp_path):
    tree = planted.plant(bug, tmp_path / "tree")

    for path in (tree / "broadcaster").rglob("*.py"):
        ast.parse(path.read_text())


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_it_is_caught(bug, tmp_path, machine, request):
    needs = bug.setup.database == "postgresql"
    cluster = request.getfixturevalue("cluster") if needs else None

    verdict = trial.attempt(bug, machine, tmp_path, seed=1, cluster=cluster)

    assert verdict.caught_by


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_simulation_catches_it(bug, tmp_path):
    assert trial.attempt_simulated(bug, tmp_path, seed=1).broken


def test_without_a_bug_the_program_that_catches_them_is_green():
    assert simulation.simulate(planted.SOURCE, seed=1, runs=5).broken is None


def test_a_simulation_that_cannot_run_is_no_catch(tmp_path):
    with pytest.raises(InvalidInput, match="did not run: the product is not in"):
        simulation.simulate(tmp_path, seed=1, runs=1)


def test_a_patch_that_does_not_fit_is_named(tmp_path):
    bug = BUGS[0]
    patch = tmp_path / "stale.patch"
    patch.write_text(bug.patch.read_text().replace("\n-", "\n-what was never there "))

    with pytest.raises(InvalidInput, match=r"stale\.patch does not fit"):
        planted.plant(
            planted.Bug(name="stale", about="", setup=bug.setup, patch=patch), tmp_path / "tree"
        )
