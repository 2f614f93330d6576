"""Each planted bug still fits the code, and turns the judge red."""

from __future__ import annotations

import ast

import pytest

from broadcaster.cli.faults import planted, trial
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


def test_a_patch_that_does_not_fit_is_named(tmp_path):
    bug = BUGS[0]
    patch = tmp_path / "stale.patch"
    patch.write_text(bug.patch.read_text().replace("\n-", "\n-what was never there "))

    with pytest.raises(InvalidInput, match=r"stale\.patch does not fit"):
        planted.plant(
            planted.Bug(name="stale", about="", setup=bug.setup, patch=patch), tmp_path / "tree"
        )
