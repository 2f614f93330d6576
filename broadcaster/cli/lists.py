"""``broadcaster list``: broadcast lists and what their people are told."""

from __future__ import annotations

from dataclasses import asdict, replace

import click
from sqlalchemy.orm import Session

from broadcaster.cli.output import json_option, say, say_json, say_table
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.address import Address
from broadcaster.core.errors import InvalidInput
from broadcaster.runtime import Runtime
from broadcaster.services import lists as service
from broadcaster.services.lists import Told
from broadcaster.storage import lists as storage
from broadcaster.storage.models import BroadcastList


@click.group(name="list")
def list_() -> None:
    """Add and show broadcast lists."""


@list_.command()
@click.argument("keyword")
@click.option("--name", required=True, help="The list's name, as people read it.")
@click.option(
    "--sender",
    "senders",
    required=True,
    multiple=True,
    metavar="+31…|whatsapp:+31…",
    help="Your number that people text; once per channel.",
)
@click.option(
    "--language", default=None, help="nl, en, de, fr or es. [default: the organisation's]"
)
@click.option("--zone", default=None, help="Time zone of its hours. [default: the organisation's]")
@click.option("--what", required=True, help="What the bulletins are about.")
@click.option("--frequency", required=True, help="How often they come at most.")
@click.option("--hours", required=True, help="On which days and hours they come.")
@click.option("--stored", required=True, help="What is stored, and for how long.")
@click.option("--response-time", required=True, help="How soon questions are answered, by whom.")
def add(
    keyword: str,
    *,
    name: str,
    senders: tuple[str, ...],
    language: str | None,
    zone: str | None,
    **told: str,
) -> None:
    """Add a list that people join by texting KEYWORD and ON (AAN, AN, START, ALTA)."""
    runtime = open_runtime()
    organisation = runtime.settings.organisation
    with runtime.transaction() as session:
        item = service.add(
            session,
            runtime,
            keyword=keyword,
            name=name,
            senders=[Address.parse(sender) for sender in senders],
            zone=zone or organisation.zone,
            told={language or organisation.language: Told(**told)},
        )
    say(f"The list {item.name} is open; people join it with {item.keyword}.")


@list_.command()
@click.argument("keyword", required=False)
@json_option
def show(keyword: str | None, *, as_json: bool) -> None:
    """Show all lists, or one with what its people are told."""
    runtime = open_runtime()
    with runtime.reading() as session:
        if keyword is None:
            found = [_described(session, item) for item in storage.every(session)]
        else:
            found = [_described(session, storage.by_keyword(session, keyword))]
    if as_json:
        say_json(found)
    elif keyword is None:
        rows = [(str(row["keyword"]), str(row["state"]), str(row["name"])) for row in found]
        say_table(("KEYWORD", "STATE", "NAME"), rows)
    else:
        _say_one(found[0])


@list_.command(name="set")
@click.argument("keyword")
@click.option("--name", help="The list's name, as people read it.")
@click.option("--sender", "senders", multiple=True, help="Your number on its channel.")
@click.option("--open/--closed", "is_open", default=None, help="Whether people can join.")
@click.option("--language", default=None, help="The language whose notice changes.")
@click.option("--what", help="What the bulletins are about.")
@click.option("--frequency", help="How often they come at most.")
@click.option("--hours", help="On which days and hours they come.")
@click.option("--stored", help="What is stored, and for how long.")
@click.option("--response-time", help="How soon questions are answered, by whom.")
def set_(
    keyword: str,
    *,
    name: str | None,
    senders: tuple[str, ...],
    is_open: bool | None,
    language: str | None,
    **told: str | None,
) -> None:
    """Change a list; new promises make a new version of its notice."""
    runtime = open_runtime()
    promises = {key: text for key, text in told.items() if text is not None}
    if not promises and name is None and is_open is None and not senders:
        message = "Nothing to change; say what, such as --closed. All options: --help."
        raise InvalidInput(message)
    with runtime.transaction() as session:
        item = storage.by_keyword(session, keyword)
        service.change(
            session,
            runtime,
            item,
            name=name,
            is_open=is_open,
            senders=[Address.parse(sender) for sender in senders],
        )
        if promises or name is not None:
            version = _publish(session, runtime, item, language or item.language, promises)
            done = f"Who joins {item.name} from now on is told version {version} of its notice."
        else:
            done = f"The list {item.name} is changed."
    say(done)


def _publish(
    session: Session,
    runtime: Runtime,
    item: BroadcastList,
    language: str,
    promises: dict[str, str],
) -> int:
    told = service.told_now(session, item)
    known = told.get(language) or told[item.language]
    told[language] = replace(known, **promises)
    return service.publish_notice(session, runtime, item, told)


def _say_one(row: dict[str, object], indent: str = "") -> None:
    for key, value in row.items():
        label = f"{indent}{key.replace('_', ' ')}:"
        if isinstance(value, dict):
            say(label)
            _say_one(value, f"{indent}  ")
        else:
            say(f"{label} {', '.join(value) if isinstance(value, list) else value}")


def _described(session: Session, item: BroadcastList) -> dict[str, object]:
    notices = storage.notices(session, item.id)
    return {
        "keyword": item.keyword,
        "name": item.name,
        "state": "open" if item.is_open else "closed",
        "page": f"/l/{item.slug}",
        "zone": item.zone,
        "senders": [
            Address.parse(
                f"whatsapp:{one.address}" if one.channel == "whatsapp" else one.address
            ).wire
            for one in storage.senders(session, item.id)
        ],
        "notice": {
            language: {"version": notices[language].version, **asdict(told)}
            for language, told in service.told_now(session, item).items()
        },
    }
