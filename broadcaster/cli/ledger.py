"""``broadcaster ledger``: take the ledger away and check it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput
from broadcaster.services import audit
from broadcaster.services.audit import Format


@click.group()
def ledger() -> None:
    """Export and check the consent ledger."""


@ledger.command()
@click.option("--format", "form", type=click.Choice([form.value for form in Format]), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--force", is_flag=True, help="Replace an existing file.")
def export(*, form: str, output: Path, force: bool) -> None:
    """Write the whole ledger to a file: jsonl, csv, or a bundle that anyone can verify."""
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
