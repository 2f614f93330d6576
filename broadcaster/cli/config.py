"""``broadcaster config``: what is set, whether it is right, and what can be set."""

from __future__ import annotations

import dataclasses
import textwrap

import click

from broadcaster import settings
from broadcaster.cli.output import complain, json_option, say, say_json, say_table

# What follows the mark asks Twilio to try again when we were down.
_INBOUND = "/webhooks/twilio/inbound#rc=5&rp=all"


@click.group()
def config() -> None:
    """Show and check the settings."""


@config.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show every setting, where it comes from, and secrets only as dots."""
    rows = settings.describe(settings.load())
    if as_json:
        say_json([dataclasses.asdict(row) for row in rows])
        return
    say_table(("KEY", "FROM", "VALUE"), [(row.key, row.origin, row.value) for row in rows])


@config.command()
@json_option
@click.pass_context
def check(context: click.Context, *, as_json: bool) -> None:
    """Check all settings, also those that talking with Twilio needs; list every fault."""
    try:
        loaded = settings.load(live=True)
    except settings.SettingsError as error:
        if as_json:
            say_json({"ok": False, "faults": error.faults})
        else:
            complain(str(error))
        context.exit(2)
    webhook = loaded.public_url + _INBOUND
    if as_json:
        say_json({"ok": True, "faults": [], "webhook": webhook})
        return
    say("The settings are complete and right.")
    say(f"Tell Twilio to send incoming messages to {webhook} (HTTP POST).")


@config.command()
@json_option
@click.option("--toml", "as_toml", is_flag=True, help="Print a config.toml with every default.")
def reference(*, as_json: bool, as_toml: bool) -> None:
    """List every setting: name, variable, form, default and meaning."""
    if as_toml:
        click.echo(settings.base_toml(), nl=False)
        return
    rows = settings.reference()
    if as_json:
        say_json([dataclasses.asdict(row) for row in rows])
        return
    for row in rows:
        say(f"{row.key} = {row.default}")
        say(textwrap.indent(f"{row.about}\n{row.kind}; {row.variable}\n", "    "))
