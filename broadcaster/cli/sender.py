"""``broadcaster sender``: our own numbers, how fast each may send, and whether it stands still."""

from __future__ import annotations

from collections.abc import Callable

import click

from broadcaster.cli.output import json_option, say, say_json, say_table
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import InvalidInput
from broadcaster.services import senders
from broadcaster.services.senders import Standing

_DEFAULT, _NONE = "default", "none"
_address = click.argument("address", metavar="+31…|whatsapp:+31…")


@click.group()
def sender() -> None:
    """Show and set how fast your numbers send."""


@sender.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List your numbers: pace, daily limit, and whether one stands still."""
    runtime = open_runtime()
    with runtime.reading() as session:
        found = senders.every(session, runtime.settings, runtime.clock.now())
    if as_json:
        say_json([_described(one) for one in found])
        return
    heads = ("NUMBER", "PACE", "DAILY LIMIT", "STATE", "LISTS")
    say_table(heads, [_row(one, runtime.provider.explain) for one in found])


@sender.command(name="set")
@_address
@click.option(
    "--rate",
    metavar="R",
    help="Messages (SMS: segments) a second; 'none' is no limit, 'default' what the settings say.",
)
@click.option(
    "--daily-limit",
    metavar="N",
    help="People a day whom WhatsApp lets it write to outside their 24 hours; or none, default.",
)
def set_(address: str, *, rate: str | None, daily_limit: str | None) -> None:
    """Set how fast one of your numbers sends; bulletins under way follow within a second."""
    if rate is None and daily_limit is None:
        message = "Nothing to change; say what, such as --rate 40. All options: --help."
        raise InvalidInput(message)
    pace = None if rate is None else _rate(rate)
    limit = None if daily_limit is None else _daily_limit(daily_limit)
    wanted = Address.parse(address)
    runtime = open_runtime()
    with runtime.transaction() as session:
        if rate is not None:
            senders.set_rate(session, wanted, pace)
        if daily_limit is not None:
            senders.set_daily_limit(session, wanted, limit)
        now = runtime.clock.now()
        standings = senders.every(session, runtime.settings, now)
        found = next(one for one in standings if one.address == wanted)
    say(f"{wanted.wire} sends {_pace(found)}; its daily limit is {_limit(found)}.")


@sender.command()
@_address
def resume(address: str) -> None:
    """Let a number go on that the provider refused, once the cause is mended."""
    wanted = Address.parse(address)
    runtime = open_runtime()
    with runtime.transaction() as session:
        stood = senders.start_again(session, senders.find(session, wanted))
    said = (
        "goes on; if it is refused again, it stands still again." if stood else "was not stopped."
    )
    say(f"{wanted.wire} {said}")


def _rate(given: str) -> float | None:
    if given in {_DEFAULT, _NONE}:
        return None if given == _DEFAULT else 0.0
    try:
        rate = float(given)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= senders.FASTEST:
        message = (
            f"--rate takes a number over 0 and up to {senders.FASTEST:,.0f} a second, 'none' for"
            " no limit, or 'default' for what the settings say."
        )
        raise InvalidInput(message)
    return rate


def _daily_limit(given: str) -> int | None:
    if given in {_DEFAULT, _NONE}:
        return None if given == _DEFAULT else 0
    if not (given.isascii() and given.isdecimal() and 0 < int(given) <= senders.MOST_A_DAY):
        message = (
            f"--daily-limit takes a whole number of people, 1 to {senders.MOST_A_DAY:,}, 'none' for"
            " no limit, or 'default' for what the settings say."
        )
        raise InvalidInput(message)
    return int(given)


def _pace(one: Standing) -> str:
    if not one.rate:
        return "as fast as the provider takes it"
    unit = "segments" if one.address.channel is Channel.SMS else "messages"
    return f"{one.rate:g} {unit} a second"


def _limit(one: Standing) -> str:
    return f"{one.reached:,} of {one.daily_limit:,} used" if one.daily_limit else "none"


def _row(one: Standing, explain: Callable[[int], str]) -> tuple[str, ...]:
    state = "ready"
    if one.stopped_code is not None:
        state = f"stands still: {explain(one.stopped_code)} ({one.stopped_code})"
    elif one.paused_until is not None:
        state = f"slowed down until {one.paused_until:%H:%M:%S} UTC"
    return (one.address.wire, _pace(one), _limit(one), state, ", ".join(one.lists))


def _described(one: Standing) -> dict[str, object]:
    return {
        "sender": one.address.wire,
        "rate": one.rate or None,
        "own_rate": one.sender.rate,
        "daily_limit": one.daily_limit or None,
        "own_daily_limit": one.sender.daily_limit,
        "reached_within_24_hours": one.reached,
        "stopped_code": one.stopped_code,
        "paused_until": one.paused_until.isoformat() if one.paused_until else None,
        "lists": list(one.lists),
    }
