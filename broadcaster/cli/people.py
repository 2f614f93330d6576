"""``broadcaster people``: import people who agreed elsewhere, and what is done about single ones."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import IO

import click
from sqlalchemy.orm import Session

from broadcaster.cli.files import check_output, write
from broadcaster.cli.output import complain, json_option, say, say_json, say_table
from broadcaster.cli.people_erase import erase, find
from broadcaster.cli.people_evidence import evidence, openings
from broadcaster.cli.runtime import open_runtime, seldom_tidied
from broadcaster.core.address import Channel
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.core.importing import SENTENCES, Refusal
from broadcaster.runtime import Runtime
from broadcaster.services import consents, importing, sheet
from broadcaster.services.importing import Outcome
from broadcaster.services.recording import OPERATOR
from broadcaster.services.vetting import Order
from broadcaster.storage import imports as stored
from broadcaster.storage import staff

_TOLD_EVERY = 2.0  # seconds
_DELIMITERS = {";": "semicolon", ",": "comma", "\t": "tab"}


@click.group()
def people() -> None:
    """Find, import and forget people, and show what is known of one."""


for _command in (find, erase, evidence, openings):
    people.add_command(_command)


@people.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--list", "keyword", required=True, help="The keyword of the list.")
@click.option("--reason", required=True, help="Why; it stands in the ledger, for all to read.")
@click.option(
    "--channel",
    type=click.Choice([one.value for one in Channel]),
    help="On which channel they agreed to be reached. [default: the list's only one]",
)
@click.option("--by", help=f"Your user name. [default: the ledger says {OPERATOR}]")
@click.option("--dry-run", is_flag=True, help="Change nothing, and say what would happen.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write each refused row with its reason to this CSV file.",
)
@click.option("--force", is_flag=True, help="Replace an existing report.")
@json_option
def import_(
    file: Path,
    *,
    keyword: str,
    reason: str,
    channel: str | None,
    by: str | None,
    dry_run: bool,
    report: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Put people on a list by a CSV file in which each row proves that its person agreed.

    Columns: number, when (2026-03-03T14:00:00+01:00), medium, wording (the exact words, or sha256:
    and the hash of a notice in the ledger), source (where the proof is kept), and if known ip and
    form. A row that lacks one is refused. Run it again to go on where it stopped.
    """
    if report is not None:
        check_output(report, force=force)
    runtime = open_runtime()
    with closing(_open(file)) as opened:
        found = sheet.survey(opened)
    with runtime.reading() as session:
        order = importing.prepare(
            session,
            keyword=keyword,
            channel=Channel(channel) if channel else None,
            reason=reason,
            actor=_actor(session, by),
            sha256=found.sha256,
        )
    complain(f"{found.rows:,} rows, between fields a {_DELIMITERS[found.delimiter]}.")
    if dry_run:
        done = _rehearse(runtime, file, order, found, report)
    else:
        with seldom_tidied():
            done = importing.run(runtime, file, found, order, _progress(found.rows))
        if report is not None:
            _write_report(runtime, done.number, report)
    if as_json:
        say_json(_described(done, order))
    else:
        _say(done)


@people.command()
@click.argument("number", type=click.IntRange(min=1), required=False)
@json_option
def imports(number: int | None, *, as_json: bool) -> None:
    """Show all imports; with a number, the refused rows of one as CSV."""
    runtime = open_runtime()
    if number is not None:
        with runtime.reading() as session:
            if stored.get(session, number) is None:
                message = f"There is no import {number}."
                raise NotFound(message)
            for piece in importing.report(stored.refusals(session, number)):
                click.echo(piece, nl=False)
        return
    with runtime.reading() as session:
        found = [
            {
                "number": one.id,
                "list": item.slug,
                "channel": one.channel,
                "file_sha256": one.file_sha256,
                "reason": one.reason,
                "by": one.actor,
                "accepted": one.accepted,
                "already": one.already,
                "refused": one.refused,
                "line": one.line,
                "started": one.started.isoformat(),
                "finished": one.finished.isoformat() if one.finished else None,
            }
            for one, item in stored.every(session)
        ]
    if as_json:
        say_json(found)
        return
    heads = ("number", "list", "channel", "accepted", "already", "refused", "finished", "reason")
    rows = [["no" if row[head] is None else str(row[head]) for head in heads] for row in found]
    say_table([head.upper() for head in heads], rows)


@people.command()
@click.argument("token")
@click.option(
    "--format",
    "form",
    type=click.Choice(["27560", "kantara"]),
    required=True,
    help="ISO/IEC TS 27560 as JSON-LD, or Kantara receipts of what is agreed to now.",
)
def consent(token: str, *, form: str) -> None:
    """Print a person's consent, from the ledger alone, in the form of a standard.

    TOKEN is the random id by which the ledger names them; no number is opened.
    """
    runtime = open_runtime()
    with runtime.reading() as session:
        told = consents.of_person(session, token)
    write_as = {"27560": consents.as_iso27560, "kantara": consents.as_kantara}[form]
    say_json(write_as(told, runtime))


def _open(file: Path) -> IO[bytes]:
    opened = file.open("rb")
    if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        opened.close()
        message = f"{file} is no ordinary file; it is read twice."
        raise InvalidInput(message)
    return opened


def _actor(session: Session, name: str | None) -> str:
    if name is None:
        return OPERATOR
    user = staff.find_user(session, name)
    if user is None or not user.active:
        message = f"Nobody called {name!r} may sign in. All users: broadcaster user list"
        raise NotFound(message)
    # Never the name: entries stay for ever.
    return f"user-{user.id}"


def _rehearse(
    runtime: Runtime, file: Path, order: Order, found: sheet.Sheet, report: Path | None
) -> Outcome:
    with importing.rehearse(runtime, file, found, order, _progress(found.rows)) as (done, refusals):
        if report is not None:
            _write_refusals(report, refusals)
    return done


def _write_report(runtime: Runtime, number: int | None, report: Path) -> None:
    if number is not None:
        with runtime.reading() as session:
            _write_refusals(report, stored.refusals(session, number))


def _write_refusals(report: Path, refusals: Iterable[tuple[int, str]]) -> None:
    write(report, importing.report(refusals))
    complain(f"Wrote {report}.")


def _progress(rows: int) -> Callable[[int], None]:
    """Say now and then, and at the end, how many of so many rows are done."""
    told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if _is_watched() and (now - told >= _TOLD_EVERY or done >= rows):
            told = now
            complain(f"{min(done, rows):,} of {rows:,} rows are done.")

    return tell


def _is_watched() -> bool:
    """Tell whether somebody sits at a terminal; in a file of errors, progress is none."""
    return sys.stderr.isatty()


def _described(done: Outcome, order: Order) -> dict[str, object]:
    return {
        "import": done.number,
        "dry_run": done.number is None,
        "list": order.slug,
        "channel": order.channel.value,
        "file_sha256": done.sheet.sha256,
        "delimiter": done.sheet.delimiter,
        "rows": done.sheet.rows,
        "accepted": done.accepted,
        "already": done.already,
        "refused": done.refused,
        "reasons": dict(sorted(done.reasons.items())),
        "wordings": list(done.wordings),
        "went_on_after_line": done.went_on,
    }


def _say(done: Outcome) -> None:
    if done.went_on is not None:
        say("An earlier run had stopped on the way; this one went on. The numbers are of both.")
    is_dry = done.number is None
    joined = f"{done.accepted:,} {'would have ' if is_dry else ''}joined"
    already = f"{_counted(done.already)} on the list already"
    refused = f"{done.refused:,} would have been" if is_dry else _counted(done.refused)
    rows = f"{done.sheet.rows:,} {'row' if done.sheet.rows == 1 else 'rows'}"
    say(f"{rows}: {joined}, {already}, {refused} refused{':' if done.reasons else '.'}")
    for reason, number in sorted(done.reasons.items(), key=lambda one: (-one[1], one[0])):
        say(f"  {number:,}: {SENTENCES[Refusal(reason)]}")
    if is_dry:
        say("Nothing was changed.")
    elif done.refused:
        more = f"Its refused rows: broadcaster people imports {done.number}"
        say(f"This is import {done.number}. {more}")
    else:
        say(f"This is import {done.number}.")


def _counted(number: int) -> str:
    return f"{number:,} {'was' if number == 1 else 'were'}"
