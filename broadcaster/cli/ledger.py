"""``broadcaster ledger``: take the ledger away and check it."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.errors import BundleError
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.merkle import leaf_hash
from broadcaster.providers import witnesses
from broadcaster.services import audit, checking, history, parts, proving, replaying, witnessing
from broadcaster.services.audit import Format

_MOST_SHOWN = 50


@click.group()
def ledger() -> None:
    """Export and check the consent ledger."""


@ledger.command()
@click.option("--format", "form", type=click.Choice([form.value for form in Format]), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--subject", metavar="TOKEN", help="Only one person's entries; a bundle alone.")
@click.option("--list", "name", metavar="NAME", help="Only one list's entries; a bundle alone.")
def export(*, form: str, output: Path, force: bool, subject: str | None, name: str | None) -> None:
    """Write the whole ledger to a file: jsonl, csv, or a bundle that anyone can verify."""
    _check_output(output, force=force)
    part = _part(form, subject, name)
    runtime = open_runtime()
    chunks = audit.export(runtime, Format(form)) if part is None else parts.export(runtime, part)
    _write(output, chunks)
    complain(f"Wrote {output}.")
    if form == Format.BUNDLE.value:
        key = runtime.signer.key.to_text()
        complain(f"Check it: python -m broadcaster.ledger verify {output} --vkey '{key}'")
        complain(f"Where Broadcaster is not installed: python3 {output} --vkey '{key}'")


@ledger.command()
def checkpoint() -> None:
    """Sign the ledger as it stands and print the checkpoint; keep it outside of this machine."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        _size, signed = audit.checkpoint(session, runtime)
    say(signed.decode().rstrip("\n"))


@ledger.command()
@json_option
@click.option("--vkey", "only_vkey", is_flag=True, help="Print the public key alone.")
def show(*, as_json: bool, only_vkey: bool) -> None:
    """Show the ledger's size, root and public key."""
    runtime = open_runtime()
    with runtime.reading() as session:
        head = audit.head(session, runtime)
    if only_vkey:
        say(head.vkey)
        return
    if as_json:
        say_json({"size": head.size, "root": head.root, "vkey": head.vkey})
        return
    say(f"size: {head.size}\nroot: {head.root}\nvkey: {head.vkey}")


@ledger.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace an existing file.")
def receipt(*, index: int, output: Path | None, force: bool) -> None:
    """Write a receipt of one entry: proof for anyone that it is in the ledger."""
    if output is not None:
        _check_output(output, force=force)
    runtime = open_runtime()
    data = proving.receipt(runtime, index).to_bytes()
    if output is None:
        say(data.decode().rstrip("\n"))
        return
    _write(output, iter([data]))
    complain(f"Wrote {output}.")
    key = runtime.signer.key.to_text()
    complain(f"Check it: python -m broadcaster.ledger verify {output} --vkey '{key}'")


@ledger.command()
@click.argument("index", type=click.IntRange(min=0))
def prove(index: int) -> None:
    """Print the proof of one entry as JSON: its hash, the path of hashes, and the root."""
    runtime = open_runtime()
    found = proving.receipt(runtime, index)
    head = open_checkpoint(found.checkpoint, runtime.signer.key)
    say_json(
        {
            "index": index,
            "size": head.size,
            "root": head.root.hex(),
            "leaf_hash": leaf_hash(found.entry).hex(),
            "proof": [item.hex() for item in found.proof],
        }
    )


@ledger.command("verify")
@click.pass_context
def verify_tables(context: click.Context) -> None:
    """Verify the ledger in the database, and name every row that was changed."""
    runtime = open_runtime()
    found = 0
    for one in checking.check(runtime):
        found += 1
        if found <= _MOST_SHOWN:
            say(f"{one.where}: {one.what}")
    if found > _MOST_SHOWN:
        say(f"... and {found - _MOST_SHOWN:,} more")
    if found:
        complain("The ledger is NOT what was written. Stop sending, and restore it from a backup.")
        context.exit(1)
    with runtime.reading() as session:
        head = audit.head(session, runtime)
    say(f"Every entry is what was written: {head.size:,} entries, root {head.root}.")


@ledger.command()
@click.option("--check", "only_check", is_flag=True, help="Compare, and change nothing.")
@click.option("--repair", is_flag=True, help="Write into the tables what the ledger says.")
@click.pass_context
def replay(context: click.Context, *, only_check: bool, repair: bool) -> None:
    """Fold all entries into subscriptions and compare with the tables that are used."""
    if only_check == repair:
        message = "Say which: --check compares and changes nothing, --repair writes what differs."
        raise InvalidInput(message)
    found = 0
    for one in replaying.check(open_runtime(), repair=repair):
        found += 1
        say(f"{one.subject} {one.what}: the ledger says {one.ledger}; the table said {one.table}")
    if not found:
        say("The tables say what the ledger says.")
    elif repair:
        complain(f"Mended {found:,} {_counted('difference', found)}.")
    else:
        complain(
            f"{found:,} {_counted('difference', found)}; --repair writes what the ledger says."
        )
        context.exit(1)


@ledger.command()
@click.pass_context
def witness(context: click.Context) -> None:
    """Sign a checkpoint, and let every witness in the settings sign it, too."""
    runtime = open_runtime()
    if not runtime.settings.ledger.witnesses:
        message = "No witnesses are set; see ledger.witnesses in 'broadcaster config reference'."
        raise InvalidInput(message)
    failed = False
    for one in witnessing.ask_all(runtime, witnesses.post):
        failed = failed or one.size is None
        if one.size is not None:
            say(f"{one.name} has signed {one.size:,} entries.")
        else:
            complain(f"{one.name} has not signed: {one.trouble}.")
    if failed:
        context.exit(1)


@ledger.command("at")
@click.argument("name", metavar="LIST")
@click.argument("moment", metavar="MOMENT")
@json_option
def at_moment(*, name: str, moment: str, as_json: bool) -> None:
    """Say who was on a list at a moment, from the ledger alone: 2026-03-03T14:00+01:00."""
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        message = f"'{moment}' is no moment; write one such as 2026-03-03T14:00+01:00."
        raise InvalidInput(message) from None
    runtime = open_runtime()
    if when.tzinfo is None:
        when = when.replace(tzinfo=ZoneInfo(runtime.settings.organisation.zone))
    found = sorted(history.consenting(runtime, name, when))
    if as_json:
        say_json({"list": name, "moment": when.isoformat(), "count": len(found), "subjects": found})
        return
    for subject in found:
        say(subject)
    complain(f"{len(found):,} on {name} at {when.isoformat()}.")


def _part(form: str, subject: str | None, name: str | None) -> Part | None:
    given = [(kind, one) for kind, one in (("subject", subject), ("list", name)) if one is not None]
    if not given:
        return None
    if form != Format.BUNDLE.value or len(given) > 1:
        message = "--subject or --list goes with --format bundle, and one of them at a time."
        raise InvalidInput(message)
    try:
        return Part(*given[0])
    except BundleError as error:
        message = f"This is no subject or list: {error}."
        raise InvalidInput(message) from error


def _counted(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


def _check_output(output: Path, *, force: bool) -> None:
    if output.exists() and not output.is_file():
        # Renaming over a device or a pipe would replace it, for every program on the machine.
        message = f"{output} is no ordinary file; choose another name."
        raise InvalidInput(message)
    if output.exists() and not force:
        message = f"{output} exists already; choose another name or add --force."
        raise InvalidInput(message)
    if not output.parent.is_dir():
        message = f"The directory {output.parent} does not exist."
        raise InvalidInput(message)


def _write(output: Path, chunks: audit.Chunks) -> None:
    """Write beside the file and rename, so that there is never half an export."""
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            for chunk in chunks:
                out.write(chunk)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
