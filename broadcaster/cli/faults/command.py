"""The command itself: what is asked for, what this machine offers, and what is said at the end."""

from __future__ import annotations

import secrets
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click

from broadcaster.bootstrap import DISTRIBUTED
from broadcaster.cli.faults import report
from broadcaster.cli.faults.cluster import Cluster
from broadcaster.cli.faults.machine import Machine, look_around
from broadcaster.cli.faults.plan import Kind, Setup
from broadcaster.cli.faults.round import Outcome
from broadcaster.cli.faults.run import (
    EMBEDDED,
    POSTGRESQL,
    SQLITE,
    WORKERS,
    Run,
    setups,
)
from broadcaster.cli.faults.trial import try_all
from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.core.errors import InvalidInput

_SEED_BITS = 24
# A process that a signal ends has this much more than the signal's number as its code.
_SIGNALLED = 128


@click.command()
@click.option("--minutes", type=click.FloatRange(0, 10_000), default=5.0, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=None, help="Decides everything. [random]")
@click.option("--round", "number", type=click.IntRange(1), help="Play only this round of the seed.")
@click.option("--engine", type=click.Choice([EMBEDDED, DISTRIBUTED]), help="[default: both]")
@click.option("--database", type=click.Choice([SQLITE, POSTGRESQL]), help="[default: both]")
@click.option(
    "--workers", type=click.Choice([str(number) for number in WORKERS]), help="[default: both]"
)
@click.option(
    "--blow",
    "blows",
    type=click.Choice([kind.value for kind in Kind]),
    multiple=True,
    help="Only this kind, and kill; may be given again.  [default: all]",
)
@click.option("--planted", is_flag=True, help="See that each planted bug is caught (a checkout).")
@json_option
@click.pass_context
def faults(
    context: click.Context,
    *,
    minutes: float,
    seed: int | None,
    number: int | None,
    engine: str | None,
    database: str | None,
    workers: str | None,
    blows: tuple[str, ...],
    planted: bool,
    as_json: bool,
) -> None:
    """Send with real processes while everything fails, and judge it by the provider's journal.

    Processes are killed and frozen, the database server dies, the disk is full, the provider is
    slow, refuses, hangs and lies; people leave meanwhile. Nothing leaves this machine. Exits 1 if
    a promise was broken.
    """
    # Whoever ends us ends what we have started, too.
    signal.signal(signal.SIGTERM, _leave)
    machine = look_around()
    seed = secrets.randbits(_SEED_BITS) if seed is None else seed
    for sentence in machine.missing:
        complain(sentence)
    chosen = _setups(machine, engine, database, workers)
    directory = Path(tempfile.mkdtemp(prefix="broadcaster-faults-"))
    with ExitStack() as stack:
        if planted:
            passed = try_all(stack, machine, directory, seed=seed, as_json=as_json)
        else:
            cluster = _cluster(stack, machine, chosen)
            only = [Kind(one) for one in blows]
            run = Run(machine, directory, seed=seed, setups=chosen, cluster=cluster, only=only)
            options = f"--seed {seed}" + "".join(f" --blow {one}" for one in blows)
            passed = _play(run, options, minutes, number, as_json=as_json, seed=seed)
        if passed:
            shutil.rmtree(directory, ignore_errors=True)
    context.exit(0 if passed else 1)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(_SIGNALLED + number)


def _setups(
    machine: Machine, engine: str | None, database: str | None, workers: str | None
) -> list[Setup]:
    if engine == DISTRIBUTED and database == SQLITE:
        message = "The distributed engine needs PostgreSQL: leave out --database sqlite."
        raise InvalidInput(message)
    found = setups(
        machine,
        engine=engine,
        database=database,
        workers=int(workers) if workers else None,
    )
    if not found:
        message = "None of what was asked for can be played on this machine."
        raise InvalidInput(message)
    return found


def _cluster(stack: ExitStack, machine: Machine, chosen: list[Setup]) -> Cluster | None:
    if all(setup.database != POSTGRESQL for setup in chosen):
        return None
    cluster = Cluster(machine)
    stack.callback(cluster.close)
    cluster.start()
    return cluster


def _play(
    run: Run, options: str, minutes: float, number: int | None, *, as_json: bool, seed: int
) -> bool:
    """Play what was asked for, saying each round as it ends; tell whether all was kept."""
    if not as_json:
        say(f"Seed {seed}.")
        say(report.line(report.HEADS))
    outcomes: list[Outcome] = []
    for outcome in [run.play(number)] if number else run.rounds(minutes):
        outcomes.append(outcome)
        if not as_json:
            say(report.line(report.row(outcome)))
            if not outcome.passed:
                report.say_findings(outcome, _again(options, outcome))
    passed = all(one.passed for one in outcomes)
    if as_json:
        found = {one.value: n for one, n in report.offences(outcomes).items()}
        document = {"seed": seed, "passed": passed, "broken": found}
        say_json(document | {"rounds": report.to_json(outcomes)})
    else:
        report.say_totals(outcomes)
        say("")
        say("Every promise was kept." if passed else "PROMISES WERE BROKEN; see above.")
        say(f"Repeat: broadcaster faults --minutes {minutes:g} {options}")
    return passed


def _again(options: str, outcome: Outcome) -> str:
    setup = outcome.plan.setup
    return (
        f"broadcaster faults {options} --round {outcome.plan.number} --engine {setup.engine}"
        f" --database {setup.database} --workers {setup.workers}"
    )
