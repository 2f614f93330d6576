"""``broadcaster people find`` and ``erase``: find somebody, and forget them for good."""

from __future__ import annotations

import sys

import click

from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.address import Address
from broadcaster.core.erasure import UNREADABLE, Stage
from broadcaster.core.errors import NotFound
from broadcaster.runtime import Runtime
from broadcaster.services import erasing
from broadcaster.services.recording import OPERATOR
from broadcaster.storage.erasing import Holdings


@click.command()
@click.option("--number-stdin", is_flag=True, help="Read the number from standard input.")
@json_option
def find(*, number_stdin: bool, as_json: bool) -> None:
    """Tell the token of whoever is at a number, on each channel.

    The number is asked for, so that it is in no history of commands.
    """
    runtime = open_runtime()
    written = sys.stdin.readline() if number_stdin else click.prompt("Number", err=True)
    address = Address.parse(written.strip())
    with runtime.reading() as session:
        found = [
            {"token": one.subject, "channel": one.channel}
            for one in erasing.find(session, runtime, address)
        ]
    if not found:
        message = "Nobody here has this number."
        raise NotFound(message)
    if as_json:
        say_json(found)
        return
    for one in found:
        say(f"{one['token']}  {one['channel']}")


@click.command()
@click.argument("token")
@click.option(
    "--reason", default="", help="Why. The ledger keeps it for ever: it must not tell who they are."
)
@click.option("--dry-run", is_flag=True, help="Say what goes, what stays and why; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(*, token: str, reason: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Forget the person with this TOKEN. It cannot be undone; to repeat it goes on with it."""
    runtime = open_runtime()
    if dry_run:
        with runtime.reading() as session:
            _tell(erasing.preview(session, token), as_json=as_json)
        return
    with runtime.reading() as session:
        erasing.check(session, token, reason=reason)
    if not yes and not click.confirm("Nothing of this person can be brought back. Go on?"):
        say("Nothing was done.")
        return
    subscriber_id = runtime.run(
        lambda session: erasing.begin(session, runtime, token, reason=reason, actor=OPERATOR)
    )
    _report(runtime, subscriber_id, as_json=as_json)


def _tell(found: Holdings, *, as_json: bool) -> None:
    goes = {
        "address and key": 1,
        "sealed evidence": found.evidence,
        "texts": found.texts,
        "queued messages": found.waiting,
        "messages at the provider": found.messages,
    }
    stays = {
        "ledger entries": (found.entries + 1, "proof of consent; they name nobody, nor can they"),
        "deliveries": (found.deliveries, "the counts of bulletins; they lead to no number"),
        "suppression": (1, "a keyed hash, so that no import puts the number on a list again"),
    }
    if as_json:
        kept = {name: {"count": count, "why": why} for name, (count, why) in stays.items()}
        say_json({"goes": goes, "stays": kept})
        return
    say("This goes, also from copies of the database:")
    for name, number in goes.items():
        say(f"  {number:>6,} {name}")
    say("This stays:")
    for name, (number, why) in stays.items():
        say(f"  {number:>6,} {name}: {why}")
    say("Also looked for: whatever else the provider lists with this number.")


def _report(runtime: Runtime, subscriber_id: int, *, as_json: bool) -> None:
    found = erasing.advance(runtime, subscriber_id)
    if as_json:
        say_json({"stage": found.stage.value, "trouble": found.trouble, "messages": found.messages})
        return
    if found.stage is Stage.DONE:
        say("Forgotten: nothing of this person is left here or at the provider.")
    elif found.stage in UNREADABLE:
        say("Forgotten here: nothing of this person can be read any more.")
        complain(
            f"{found.messages:,} messages are still to be deleted at the provider "
            f"({found.trouble or 'later'}). That goes on by itself while Broadcaster runs."
        )
    else:
        say("Nothing goes to this person any more, and the ledger says so.")
        complain(
            f"The rest waits ({found.trouble or 'later'}), at most a day, and goes on by itself "
            "while Broadcaster runs; or repeat this command."
        )
