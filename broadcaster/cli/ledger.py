"""``broadcaster ledger``: take the ledger away and check it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from broadcaster.cli.files import check_output as _check_output
from broadcaster.cli.files import write as _write
from broadcaster.cli.ledger_questions import at_moment, audience, message
from broadcaster.cli.ledger_tables import mend_head, reindex, replay, verify_tables
from broadcaster.cli.output import complain, json_option, say, say_json, say_table
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.errors import BundleError
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.merkle import leaf_hash
from broadcaster.providers import witnesses
from broadcaster.runtime import Runtime
from broadcaster.services import (
    audit,
    exporting,
    proving,
    register,
    witnessing,
)
from broadcaster.services.audit import Format
from broadcaster.storage import filing, lists
from broadcaster.storage.filing import Choice


@click.group()
def ledger() -> None:
    """Export and check the consent ledger."""


@ledger.command()
@click.option("--format", "form", type=click.Choice([form.value for form in Format]), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--from", "since", metavar="MOMENT", help="Written at this moment or later.")
@click.option("--to", "until", metavar="MOMENT", help="Written before this moment.")
@click.option(
    "--list",
    "list_",
    default="",
    help="The list's stable id; a STOP and an erasure are under '*', all lists.",
)
@click.option("--event", default="", help="What happened, such as opt_in.")
@click.option("--method", default="", help="How, such as keyword.")
@click.option(
    "--actor",
    default="",
    help="Who: subject, provider, system, user-1 or another, or operator (cli in older imports).",
)
@click.option("--subject", default="", help="The token of a person, 32 digits.")
def export(
    *,
    form: str,
    output: Path,
    force: bool,
    since: str | None,
    until: str | None,
    list_: str,
    **others: str,
) -> None:
    """Write the ledger to a file: jsonl, csv, xlsx, or a bundle that anyone can verify.

    Filters take a part of it; a bundle is whole, or holds one person's or one list's entries with
    their proofs. Every export is written down.
    """
    _check_output(output, force=force)
    runtime = open_runtime()
    zone = runtime.settings.organisation.zone
    choice = Choice(
        since=_moment(since, zone) if since else None,
        until=_moment(until, zone) if until else None,
        list=_list_of(runtime, list_),
        **others,
    )
    _check_words(runtime, choice)
    part = _part(choice) if form == Format.BUNDLE else None
    if part is None:
        asked = exporting.ask(runtime, Format(form), choice, user_id=None, at_once=None)
        chunks = asked.chunks or iter(())
    else:
        chunks = exporting.give_part(runtime, part, user_id=None)
    _write(output, chunks)
    complain(f"Wrote {output}{'' if choice.is_all else ', a part of the ledger'}.")
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


for _question in (at_moment, audience, message, verify_tables, reindex, mend_head, replay):
    ledger.add_command(_question)


@ledger.command("register")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "markdown"]),
    help="Print the record in force, for your files (GDPR art. 30).",
)
@json_option
def show_register(*, form: str | None, as_json: bool) -> None:
    """Show the record of processing that entries name: the one in force, and earlier ones."""
    runtime = open_runtime()
    with runtime.reading() as session:
        filed = register.history(session)
    current = next((one for one in filed if one.in_force), None)
    if current is None:
        message = "The ledger holds no record yet; the first entry about a person logs one."
        raise NotFound(message)
    if as_json:
        say_json([register.described(one) for one in filed])
    elif form == "json":
        say_json(register.described(current))
    elif form == "markdown":
        say(register.as_markdown(current).rstrip("\n"))
    else:
        _say_register(current, filed)
    if register.is_outdated(runtime.settings.organisation, filed):
        complain("The settings say something else by now; the next entry logs the new record.")


def _say_register(current: register.Filed, filed: list[register.Filed]) -> None:
    for title, text in register.rows(current):
        say(f"{title}: {text}")
    say()
    say_table(
        ("SINCE", "ENTRY", "SHA-256", "IN FORCE"),
        [
            (
                one.since.isoformat(timespec="seconds"),
                str(one.entry),
                one.sha256,
                _yes(one.in_force),
            )
            for one in filed
        ],
    )


def _yes(truth: bool) -> str:  # noqa: FBT001 - it is what is said
    return "yes" if truth else ""


def _moment(text: str, zone: str) -> datetime:
    """Read a moment; without a zone it is the organisation's."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        message = f"'{text}' is no moment; write one such as 2026-03-03T14:00+01:00."
        raise InvalidInput(message) from None
    return when if when.tzinfo is not None else when.replace(tzinfo=ZoneInfo(zone))


def _list_of(runtime: Runtime, name: str) -> str:
    if not name:
        return ""
    with runtime.reading() as session:
        return lists.slug_of(session, name)


def _check_words(runtime: Runtime, choice: Choice) -> None:
    """Refuse what no entry can be filtered by: an empty file would look like an answer."""
    with runtime.reading() as session:
        facets = filing.facets(session)
    for name in filing.Facet._fields:
        wanted, known = getattr(choice, name), {getattr(one, name) for one in facets} - {""}
        if wanted and wanted not in known:
            message = f"No entry has the {name} '{wanted}'. There are: {', '.join(sorted(known))}."
            raise InvalidInput(message)


def _part(choice: Choice) -> Part | None:
    """Return the part of the log that a bundle can be of; None for all of it."""
    wanted = {name: value for name, value in choice._asdict().items() if value}
    if not wanted:
        return None
    (kind, value), *others = wanted.items()
    if others or kind not in {"subject", "list"}:
        message = (
            "A bundle is whole, or of one --subject or one --list; take jsonl, csv or xlsx to"
            " filter otherwise."
        )
        raise InvalidInput(message)
    try:
        return Part(kind, value)
    except BundleError as error:
        message = f"This is no subject or list: {error}."
        raise InvalidInput(message) from error
