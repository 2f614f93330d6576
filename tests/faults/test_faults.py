"""A few short rounds of ``broadcaster faults``: real processes, blows, and no promise broken."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from broadcaster.cli.faults.plan import Setup
from broadcaster.cli.faults.run import Run

# Chosen so that together they have every kind of blow on each database.
ROUNDS = [
    (Setup(engine="embedded", database="sqlite", workers=3), 1),
    (Setup(engine="embedded", database="postgresql", workers=3), 1),
    (Setup(engine="distributed", database="postgresql", workers=3), 1),
]


@pytest.mark.parametrize(("setup", "number"), ROUNDS, ids=str)
def test_no_promise_is_broken(request, tmp_path, machine, setup, number):
    needs = setup.database == "postgresql"
    cluster = request.getfixturevalue("cluster") if needs else None
    run = Run(machine, tmp_path, seed=1, setups=[setup], cluster=cluster)

    outcome = run.play(number)

    assert outcome.findings == ()
    assert outcome.accepted > 0
    assert sum(outcome.struck.values()) > 0


def run(*arguments):
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "broadcaster", "faults", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_the_command_plays_a_round_and_prints_what_machines_read():
    done = run("--round", "1", "--seed", "1", "--database", "sqlite", "--workers", "1", "--json")
    said = json.loads(done.stdout)

    assert (done.returncode, said["seed"], said["passed"], said["broken"]) == (0, 1, True, {})
    [played] = said["rounds"]
    assert (played["setup"], played["findings"]) == ("embedded/sqlite/1", [])
    assert played["accepted"] > 0
    assert played["files"] is None


def test_what_cannot_be_is_refused_in_words():
    done = run("--engine", "distributed", "--database", "sqlite")

    assert (done.returncode, done.stdout) == (2, "")
    assert "needs PostgreSQL" in done.stderr
