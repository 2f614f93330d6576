"""``broadcaster bulletin``: see how far a bulletin is; pause it, let it go on, stop it."""

from __future__ import annotations

from datetime import datetime

import click

from broadcaster.cli.output import json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.core.scheduling import in_words
from broadcaster.runtime import Runtime
from broadcaster.services import brakes, bulletins
from broadcaster.services.bulletins import Report

_WHY = {
    HeldReason.LATE: "it could not start in time",
    HeldReason.STANDSTILL: "nothing moved any more",
    HeldReason.REFUSED: "the provider refuses it to everybody",
    HeldReason.FAILURES: "too many of its messages failed",
    HeldReason.UNCERTAIN: "the provider gave no clear answers",
    HeldReason.RESTORED: "the database was put back from a backup",
    HeldReason.LEDGER: "the ledger is not what was written",
}
_number = click.argument("number", type=click.IntRange(1), metavar="N")


@click.group()
def bulletin() -> None:
    """Watch and brake a bulletin: N is its number, as in the address of its page."""


@bulletin.command()
@_number
@json_option
def show(number: int, *, as_json: bool) -> None:
    """Show how far bulletin N is; the numbers add up to its audience."""
    runtime = open_runtime()
    _tell(runtime, _report(runtime, number), as_json=as_json)


@bulletin.command()
@_number
@json_option
def pause(number: int, *, as_json: bool) -> None:
    """Let bulletin N wait; who has it keeps it."""
    runtime = open_runtime()
    now = runtime.clock.now()
    runtime.run(lambda session: brakes.pause(session, number, now=now))
    _done(runtime, number, "Paused.", as_json=as_json)


@bulletin.command()
@_number
@json_option
def resume(number: int, *, as_json: bool) -> None:
    """Let bulletin N go on with those who have not got it yet."""
    runtime = open_runtime()
    now = runtime.clock.now()
    waiting = _report(runtime, number).waiting
    runtime.run(lambda session: brakes.go_on(session, runtime, number, now=now))
    _done(runtime, number, f"It goes on with the {waiting:,} not yet sent.", as_json=as_json)


@bulletin.command()
@_number
@click.option("--yes", is_flag=True, help="Do not ask once more.")
@json_option
def stop(number: int, *, yes: bool, as_json: bool) -> None:
    """Stop bulletin N for good; who has it keeps it, and nobody else gets it."""
    runtime = open_runtime()
    found = _report(runtime, number)
    if not yes:
        waiting = f"{found.waiting:,} have not got it and never will. " if found.audience else ""
        click.confirm(f"{waiting}Stop bulletin {number} for good?", abort=True, err=True)
    now = runtime.clock.now()
    runtime.run(lambda session: brakes.stop(session, number, now=now))
    _done(runtime, number, "Stopped.", as_json=as_json)


def _done(runtime: Runtime, number: int, words: str, *, as_json: bool) -> None:
    if not as_json:
        say(words)
    _tell(runtime, _report(runtime, number), as_json=as_json)


def _report(runtime: Runtime, number: int) -> Report:
    with runtime.reading() as session:
        return bulletins.report(session, number)


def _tell(runtime: Runtime, found: Report, *, as_json: bool) -> None:
    if as_json:
        say_json(_described(found))
        return
    item = found.bulletin
    rows = [
        ("bulletin", str(item.id)),
        ("list", found.list.name),
        ("state", _state(runtime, found)),
    ]
    rows += [
        (label, in_words(moment, item.zone, "en"))
        for label, moment in (("starts", item.starts_at), ("stops", item.not_after))
        if moment is not None
    ]
    if item.audience is not None:
        rows.append(("audience", f"{item.audience:,}"))
        rows += [(f"  {state}", f"{n:,}") for state, n in _counts(found).items()]
    width = max(len(label) for label, _words in rows)
    for label, words in rows:
        say(f"{label.ljust(width)}  {words}")


def _state(runtime: Runtime, found: Report) -> str:
    item = found.bulletin
    if item.state != BulletinState.HELD or item.held_reason is None:
        return item.state
    why = _WHY.get(HeldReason(item.held_reason), item.held_reason)
    if item.held_code is None:
        return f"held: {why}"
    return f"held: {why}: {runtime.provider.explain(item.held_code)} (code {item.held_code})"


def _counts(found: Report) -> dict[str, int]:
    """Return how many stand where, in the order of a delivery's life."""
    return {state.value: found.of(state) for state in State if found.of(state)}


def _described(found: Report) -> dict[str, object]:
    item = found.bulletin
    return {
        "bulletin": item.id,
        "list": found.list.keyword,
        "state": item.state,
        "held_reason": item.held_reason,
        "held_code": item.held_code,
        "starts_at": _iso(item.starts_at),
        "not_after": _iso(item.not_after),
        "started": _iso(item.started),
        "ended": _iso(item.ended),
        "audience": item.audience,
        "waiting": found.waiting,
        "counts": _counts(found),
        "skipped": found.skipped,
        "failed": {str(code or ""): n for code, n in found.failed.items()},
        "undecided": found.undecided,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
