"""The tree of commands; a command's code is imported when it is called, so ``--help`` is quick."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from importlib import metadata
from typing import NamedTuple, cast

import click


class Registered(NamedTuple):
    """Where a command is and what it is for."""

    target: str
    about: str


COMMANDS: Mapping[str, Registered] = {
    "demo": Registered("broadcaster.cli.demo:demo", "Run everything, on simulated phones."),
    "init": Registered("broadcaster.cli.init:init", "Make the home directory, keys and database."),
    "serve": Registered("broadcaster.cli.serve:serve", "Answer the web and send what is due."),
    "worker": Registered("broadcaster.cli.worker:worker", "Send what is due, without the web."),
    "config": Registered("broadcaster.cli.config:config", "Show and check the settings."),
    "db": Registered("broadcaster.cli.database:db", "Bring the database up to date."),
    "user": Registered("broadcaster.cli.users:user", "Add people who may sign in."),
    "list": Registered("broadcaster.cli.lists:list_", "Add and show broadcast lists."),
    "people": Registered("broadcaster.cli.people:people", "Find, import and forget people."),
    "bulletin": Registered("broadcaster.cli.bulletin:bulletin", "Watch and brake a bulletin."),
    "sender": Registered("broadcaster.cli.sender:sender", "Show and set how fast you send."),
    "keywords": Registered("broadcaster.cli.keywords:keywords", "See how texts are understood."),
    "ledger": Registered("broadcaster.cli.ledger:ledger", "Export and check the consent ledger."),
    "keys": Registered("broadcaster.cli.keys:keys", "See and exchange keys."),
    "verify": Registered("broadcaster.cli.verify:verify", "Check a bundle, receipt or pack."),
    "twilio": Registered("broadcaster.cli.twilio:twilio", "See what Twilio's list tells."),
    "faults": Registered("broadcaster.cli.faults:faults", "Break everything, and judge what left."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports them when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command by its name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; offer the nearest name if there is none."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, list(COMMANDS), n=1, cutoff=0.5)
            advice = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(COMMANDS)}."
            message = f"No such command {name!r}. {advice}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, found.about) for name, found in COMMANDS.items()])


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
    del param
    if value and not ctx.resilient_parsing:
        click.echo(f"broadcaster {metadata.version('broadcaster')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def root() -> None:
    """Broadcast lists on WhatsApp and SMS, with a consent ledger that anyone can verify.

    Start with 'broadcaster demo'. BROADCASTER_HOME names the directory with keys and data.
    """
