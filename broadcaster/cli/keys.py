"""``broadcaster keys``: which keys there are, exchanging the master key, the public one for auditors."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.services import rotating
from broadcaster.storage import keystore


@click.group()
def keys() -> None:
    """See which keys there are, and exchange the master key."""


@keys.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Tell which keys there are and how old; no secret is printed."""
    runtime = open_runtime()
    path, table = keystore.path_of(runtime.settings), runtime.keyring.table
    found: dict[str, dict[str, object]] = {
        "ledger": {"name": runtime.signer.name, "vkey": runtime.signer.key.to_text()},
        "master": {
            "fingerprint": keystore.fingerprint(runtime.keyring.master_key),
            "origin": runtime.settings.origins.get("secrets.master_key", ""),
        },
        "key_store": {
            "path": str(path),
            "name": table.name,
            "generation": table.generation,
            "changed": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(),
            "opened_by": keystore.masters(path),
            "index_epochs": sorted(table.indexes),
            "leaves_renewed": len(table.leaves),
        },
    }
    if as_json:
        say_json(found)
        return
    for name, about in found.items():
        say(name.replace("_", " "))
        for what, value in about.items():
            written = ", ".join(map(str, value)) if isinstance(value, list) else value
            say(f"  {what.replace('_', ' ')}: {written}")


@keys.command()
@click.option("--finish", is_flag=True, help="Let only the new key open the key store.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rotate(*, finish: bool, yes: bool) -> None:
    """Exchange the master key: begin, restart everything, then --finish."""
    runtime = open_runtime()
    if finish:
        if not yes:
            click.confirm("What still runs with the old master key will fail. Go on?", abort=True)
        dismissed = rotating.finish(runtime)
        say("Only the new master key opens the key store." if dismissed else "Nothing to finish.")
        return
    begun = rotating.begin(runtime)
    if begun.is_in_place:
        say(f"{begun.path} holds the new master key {begun.fingerprint}. Keep a copy of it.")
    else:
        say(f"{begun.path} holds the new master key {begun.fingerprint}.")
        complain("Set it in the old one's place (BROADCASTER_SECRETS__MASTER_KEY or its file).")
    complain("Then restart everything that runs, and: broadcaster keys rotate --finish")


@keys.command("export-public")
@json_option
def export_public(*, as_json: bool) -> None:
    """Print the ledger's public key (vkey), for auditors."""
    signer = open_runtime().signer
    if as_json:
        say_json({"name": signer.name, "vkey": signer.key.to_text()})
        return
    say(signer.key.to_text())
