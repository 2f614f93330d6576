"""``broadcaster people evidence | openings``: one person's evidence, and who opened it."""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from pathlib import Path

import click

from broadcaster.app import create_app
from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput
from broadcaster.ledger.fields import format_moment
from broadcaster.runtime import Runtime
from broadcaster.services import opening
from broadcaster.services.evidence import Pack
from broadcaster.services.opening import LEAST_REASON, MOST_REASON, Form, Opener
from broadcaster.services.recording import OPERATOR
from broadcaster.storage import openings as stored
from broadcaster.web import packs

_FORMS = click.Choice([Form.JSON.value, Form.HTML.value, Form.PDF.value])
_LONGEST = 1_000


@click.command()
@click.argument("who", metavar="TOKEN|SID|-")
@click.option(
    "--reason",
    required=True,
    help=(
        f"Why it is opened, in {LEAST_REASON} to {MOST_REASON} characters and without phone "
        "numbers; kept for ever."
    ),
)
@click.option("--format", "form", type=_FORMS, default=Form.JSON.value, show_default=True)
@click.option(
    "--masked",
    is_flag=True,
    help="Leave words and key out; of the number the first and last four characters stay.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--by", help="Who opens it; the name of this account on the machine if not given.")
def evidence(
    *, who: str, reason: str, form: str, masked: bool, output: Path, force: bool, by: str | None
) -> None:
    """Write everything about one person's consent, or about one message, to a file.

    TOKEN is what the ledger calls the person; SID is the id of a message. With - a number is read
    from standard input: +31… for SMS, whatsapp:+31… for WhatsApp. A number on the command line would
    be seen by everybody on this machine.
    """
    _check_output(output, force=force)
    runtime = open_runtime()
    chosen = Form(form)
    if chosen is Form.PDF:
        # Before it is recorded that somebody opened what could then not be printed.
        packs.find_printer()
    opener = Opener(name=f"{by or getpass.getuser()} ({OPERATOR})"[:80], is_full=not masked)
    why = opening.check_reason(reason)
    pack = opening.open_pack(runtime, _who(who), opener, reason=why, form=chosen)
    _write(output, _render(runtime, pack, chosen, why, opener.name))
    complain(f"Wrote {output}. The opening was recorded.")
    if not masked and pack.value["key"]:
        complain("It tells who the person is and what they wrote; keep it as such.")
    if chosen is Form.JSON:
        key = runtime.signer.key.to_text()
        complain(f"Check it: python -m broadcaster.ledger verify {output} --vkey '{key}'")


@click.command()
@click.argument("subject", metavar="[TOKEN]", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def openings(*, subject: str | None, limit: int, as_json: bool) -> None:
    """Show who opened whose evidence, when and why, the newest first."""
    runtime = open_runtime()
    with runtime.reading() as session:
        rows = [
            {
                "opened": format_moment(one.opened),
                "actor": one.actor,
                "subject": one.subject,
                "full": one.is_full,
                "form": one.form,
                "reason": one.reason,
            }
            for one in stored.newest(session, limit, subject=subject)
        ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        seen = "in full" if row["full"] else "masked"
        say(f"{row['opened']} {row['subject']} {seen}, {row['form']}, by {row['actor']}")
        say(f"    {row['reason']}")
    if not rows:
        complain("Nobody has opened anything.")


def _who(who: str) -> str:
    if who == "-":
        return sys.stdin.readline(_LONGEST).strip()
    if who.startswith(("+", "whatsapp:")):
        message = "Give a number on standard input, with - in its place: others see this line."
        raise InvalidInput(message)
    return who


def _render(runtime: Runtime, pack: Pack, form: Form, reason: str, opener: str) -> bytes:
    if form is Form.JSON:
        return pack.to_bytes()
    with create_app(runtime).test_request_context():
        if form is Form.PDF:
            return packs.as_pdf(pack, reason=reason, opener=opener)
        return packs.as_file(pack, reason=reason, opener=opener).encode()


def _check_output(output: Path, *, force: bool) -> None:
    if output.exists() and (not force or not output.is_file()):
        message = f"{output} exists already; choose another name or add --force."
        raise InvalidInput(message)
    if not output.parent.is_dir():
        message = f"The directory {output.parent} does not exist."
        raise InvalidInput(message)


def _write(output: Path, data: bytes) -> None:
    """Write beside the file and rename; nobody else on the machine may read it."""
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
