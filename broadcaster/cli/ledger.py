"""``broadcaster ledger``: take the ledger away and check it."""

from __future__ import annotations

from pathlib import Path

import click

from broadcaster.cli.files import check_output as _check_output
from broadcaster.cli.files import write as _write
from broadcaster.cli.ledger_questions import at_moment, audience, message
from broadcaster.cli.output import complain, json_option, say, say_json, say_table
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.merkle import leaf_hash
from broadcaster.providers import witnesses
from broadcaster.services import audit, checking, proving, register, replaying, witnessing
from broadcaster.services.audit import Format

_MOST_SHOWN = 50


@click.group()
def ledger() -> None:
    """Export and check the consent ledger."""


@ledger.command()
@click.option("--format", "form", type=click.Choice([form.value for form in Format]), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--force", is_flag=True, help="Replace an existing file.")
def export(*, form: str, output: Path, force: bool) -> None:
    """Write the whole ledger to a file: jsonl, csv, or a bundle that anyone can verify."""
    _check_output(output, force=force)
    runtime = open_runtime()
    _write(output, audit.export(runtime, Format(form)))
    complain(f"Wrote {output}.")
    if form == Format.BUNDLE.value:
        key = runtime.signer.key.to_text()
        complain(f"Check it: python -m broadcaster.ledger verify {output} --vkey '{key}'")


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


for _question in (at_moment, audience, message):
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


def _counted(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"
