"""``broadcaster ledger at | audience | message``: what the ledger alone answers."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click
from sqlalchemy.orm import Session

from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.core.looking_back import read_moment
from broadcaster.ledger.entry import ConsentEntry, parse
from broadcaster.ledger.fields import format_moment
from broadcaster.runtime import Runtime
from broadcaster.services import allowing, history, proving, rederiving
from broadcaster.services.allowing import Allowed
from broadcaster.services.rederiving import Derived
from broadcaster.storage import frozen, ledger, lists

_NAMED = 5


@click.command("at")
@click.argument("name", metavar="LIST")
@click.argument("moment", metavar="MOMENT")
@json_option
def at_moment(*, name: str, moment: str, as_json: bool) -> None:
    """Say who was on a list at a moment, from the ledger alone: 2026-03-03T14:00+01:00.

    Without +01:00 the clock of the organisation's time zone is meant. What counts is what had been
    recorded by then.
    """
    runtime = open_runtime()
    when = read_moment(moment, runtime.settings.organisation.zone, runtime.clock.now())
    with runtime.reading() as session:
        name = lists.slug_of(session, name)
    found = sorted(history.consenting(runtime, name, when))
    if as_json:
        say_json({"list": name, "moment": when.isoformat(), "count": len(found), "subjects": found})
        return
    for subject in found:
        say(subject)
    here = when.astimezone(ZoneInfo(runtime.settings.organisation.zone))
    complain(f"{len(found):,} on {name} at {here.isoformat()}.")


@click.command()
@click.argument("bulletin", type=click.IntRange(1), metavar="BULLETIN")
@json_option
@click.pass_context
def audience(context: click.Context, *, bulletin: int, as_json: bool) -> None:
    """Derive the audience of a bulletin from the ledger again, and compare it with what was sent.

    BULLETIN is its number, as in the address of its page. Exits 1 if there is a difference.
    """
    runtime = open_runtime()
    try:
        found = rederiving.rederive(runtime, bulletin)
    except NotFound as error:
        message = f"There is no bulletin {bulletin}. {_begun(runtime)}"
        raise NotFound(message) from error
    except InvalidInput as error:
        message = f"{error} {_begun(runtime)}"
        raise InvalidInput(message) from error
    if as_json:
        say_json(_as_json(found))
    else:
        _tell(found)
    if found.different:
        context.exit(1)


def _begun(runtime: Runtime) -> str:
    """Say which bulletins have an audience."""
    with runtime.reading() as session:
        found = frozen.begun(session, _NAMED + 1)
    if not found:
        return "None has begun yet."
    zone = ZoneInfo(runtime.settings.organisation.zone)
    named = ", ".join(
        f"{one.id} ({item.slug}, {one.started.astimezone(zone):%Y-%m-%d})"
        for one, item in found[:_NAMED]
        if one.started is not None
    )
    if len(found) <= _NAMED:
        return f"These have begun: {named}."
    return (
        f"The newest that have begun: {named}. All: {runtime.settings.public_url}/ledger/audience"
    )


@click.command()
@click.argument("named", metavar="SID|DELIVERY")
@json_option
@click.pass_context
def message(context: click.Context, *, named: str, as_json: bool) -> None:
    """Say which entry allowed a message: its id at the provider, or the number of its delivery.

    Exits 1 if the ledger does not allow it.
    """
    runtime = open_runtime()
    with runtime.reading() as session:
        found = allowing.find(session, named)
        entry, words = _entry_of(session, found)
    if as_json:
        index = found.sent.entry if found.fault is None else None
        receipt = proving.receipt(runtime, index) if index is not None else None
        leaf = receipt.entry.decode() if receipt else None
        proof = receipt.to_bytes().decode() if receipt else None
        say_json({**_message(found), "leaf": leaf, "receipt": proof})
    else:
        _say_message(found, entry, words)
    if found.fault is not None:
        context.exit(1)


def _entry_of(session: Session, found: Allowed) -> tuple[ConsentEntry | None, int | None]:
    """Return the entry that allowed a message, and the entry with the words its person was told."""
    sent = found.sent
    if sent.entry is None or found.fault is not None or not allowing.was_handed_over(sent):
        return None, None
    entry = parse(ledger.entries_at(session, [sent.entry])[sent.entry].leaf)
    if not isinstance(entry, ConsentEntry):
        return None, None
    told = entry.notice.sha256 if entry.notice is not None else ""
    return entry, ledger.places(session, [told]).get(told)


def _message(found: Allowed) -> dict[str, object]:
    sent = found.sent
    return {
        "delivery": sent.id,
        "sid": sent.sid,
        "bulletin": sent.bulletin_id,
        "list": found.item.slug,
        "subject": sent.subject,
        "state": sent.state,
        "handed_over": sent.handed and format_moment(sent.handed),
        "entry": sent.entry,
        "fault": found.fault,
    }


def _say_message(found: Allowed, entry: ConsentEntry | None, words: int | None) -> None:
    sent = found.sent
    if entry is not None:
        how = f"by {entry.method.value} on {entry.channel.value}"
        say(f"Entry {sent.entry} allowed it: {entry.event.value}, list {entry.list}, {how}.")
    elif found.fault is None:
        say("It was not handed over, so no entry had to allow it.")
    rows = {
        "message": f"{sent.sid}, delivery {sent.id}" if sent.sid else f"delivery {sent.id}",
        "bulletin": f"{sent.bulletin_id}, to {found.item.name} ({found.item.slug})",
        "person": sent.subject or "not there any more",
        **({"handed over": format_moment(sent.handed)} if sent.handed else {}),
        "state": f"{sent.state}, {sent.reason}" if sent.reason else sent.state,
        **(_rows_of(sent.entry, entry, words) if entry is not None else {}),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        say(f"{name.ljust(width)}  {value}")
    if found.fault is not None:
        complain(f"NOT allowed by the ledger: {found.fault}.")
    elif entry is not None:
        file = f"entry-{sent.entry}.tlog-proof"
        complain(f"Proof for anybody: broadcaster ledger receipt {sent.entry} -o {file}")
        named = sent.sid or sent.subject
        complain(f"With their words: broadcaster people evidence {named} --reason … -o FILE")


def _rows_of(index: int | None, entry: ConsentEntry, words: int | None) -> dict[str, str]:
    rows = {
        "entry": f"{index}, by {entry.actor}, under rule {entry.rule}",
        "happened": format_moment(entry.occurred),
        "recorded": format_moment(entry.recorded),
        "notice": "none",
    }
    if entry.notice is not None:
        notice = f"{entry.notice.id}, version {entry.notice.version}, in {entry.notice.lang}"
        where = f"entry {words}" if words is not None else "not in the ledger"
        rows["notice"] = f"{notice}; its words are {where}"
    if entry.reason is not None:
        rows["reason"] = entry.reason
    return rows


def _as_json(found: Derived) -> dict[str, object]:
    return {
        "bulletin": found.bulletin.id,
        "list": found.item.slug,
        "ledger_size": found.size,
        "frozen": format_moment(found.moment),
        "in_both": found.both,
        "only_ledger": found.only_ledger,
        "only_sent": found.only_sent,
        "wrong_entries": found.wrong,
        "difference": found.different,
        "sent": found.sent,
        "withheld": dict(sorted(found.withheld.items())),
        "unreachable": found.unreachable,
        "erased": found.erased,
        "recovered": found.recovered,
        "differences": [
            {"kind": one.kind, "subject": one.subject, "delivery": one.delivery, "what": one.what}
            for one in found.differences
        ],
    }


def _tell(found: Derived) -> None:
    frozen = f"frozen {format_moment(found.moment)}"
    if found.size is None:
        say(
            f"Bulletin {found.bulletin.id} to {found.item.slug}, {frozen}; compared by that moment."
        )
    else:
        say(f"Bulletin {found.bulletin.id} to {found.item.slug}, {frozen} at entry {found.size:,}.")
    rows = {
        "by the ledger and in the audience": found.both,
        "only by the ledger": found.only_ledger,
        "only in the audience": found.only_sent,
        "not accounted for by an entry": found.wrong,
        "handed over": found.sent,
        **{f"withheld, {why}": number for why, number in sorted(found.withheld.items())},
        "on a channel without a number of ours": found.unreachable,
        "erased since": found.erased,
        "known from the provider's list alone": found.recovered,
    }
    must = list(rows)[:4]
    for name, number in rows.items():
        if number or name in must:
            say(f"{number:>9,}  {name}")
    for one in found.differences:
        of = f"delivery {one.delivery}" if one.delivery else "nobody's delivery"
        say(f"{one.subject or 'somebody erased'} ({of}): {one.what}")
    if found.different > len(found.differences):
        say(f"... and {found.different - len(found.differences):,} more")
    if found.different:
        complain(f"The ledger and what was sent DIFFER: {found.different:,}.")
    else:
        complain("No difference: what was sent is what the ledger allows.")
