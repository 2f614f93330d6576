"""Making and changing lists, and the notice of what their people are told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from broadcaster.core.address import Address
from broadcaster.core.errors import InvalidInput
from broadcaster.core.keywords import check_keyword
from broadcaster.core.notice import LANGUAGES, NoticeText
from broadcaster.core.scheduling import find_zone
from broadcaster.ledger.entry import DocumentKind
from broadcaster.runtime import Runtime
from broadcaster.services import documents
from broadcaster.storage import lists
from broadcaster.storage.models import BroadcastList, Notice

_SLUG_LENGTH = 40
_NAME_LENGTH = 80
_LINE_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What people on a list are told, apart from what follows from the list itself."""

    what: str
    frequency: str
    hours: str
    stored: str
    response_time: str


def add(
    session: Session,
    runtime: Runtime,
    *,
    keyword: str,
    name: str,
    senders: Sequence[Address],
    zone: str,
    told: Mapping[str, Told],
) -> BroadcastList:
    """Make a list and log its first notice, in every language it has.

    Args:
        session: an open transaction.
        runtime: vocabulary, settings and clock.
        keyword: the word that joins and leaves the list.
        name: its name, as people read it.
        senders: our own numbers that carry it, at most one per channel.
        zone: the IANA time zone of its hours.
        told: what people are told, by language; the first language is the list's own.

    Raises:
        InvalidInput: something cannot be accepted; nothing was stored.
    """
    now = runtime.clock.now()
    keyword = keyword.strip()
    check_keyword(runtime.vocabulary, keyword, [item.keyword for item in lists.every(session)])
    _check_name(name)
    _check_senders(senders)
    find_zone(zone)
    item = BroadcastList(
        slug=_free_slug(session, keyword),
        keyword=keyword,
        name=name.strip(),
        language=next(iter(told), ""),
        zone=zone,
        is_open=True,
        created=now,
    )
    session.add(item)
    session.flush()
    for address in senders:
        lists.set_sender(session, item.id, lists.get_or_add_sender(session, address, now))
    publish_notice(session, runtime, item, told)
    return item


def change(
    session: Session,
    runtime: Runtime,
    item: BroadcastList,
    *,
    name: str | None = None,
    is_open: bool | None = None,
    senders: Sequence[Address] = (),
) -> None:
    """Change what a list is called, whether people can join it, and who carries it.

    Raises:
        InvalidInput: something cannot be accepted; nothing was stored.
    """
    if name is not None:
        _check_name(name)
        item.name = name.strip()
    if is_open is not None:
        item.is_open = is_open
    _check_channels(senders)
    now = runtime.clock.now()
    for address in senders:
        lists.set_sender(session, item.id, lists.get_or_add_sender(session, address, now))
    session.flush()


def publish_notice(
    session: Session, runtime: Runtime, item: BroadcastList, told: Mapping[str, Told]
) -> int:
    """Log a new version of a list's notice; return its number.

    Who joins from now on accepts this one; who joined before keeps the one they accepted.
    """
    now = runtime.clock.now()
    _check_told(told)
    version = lists.next_notice_version(session, item.id)
    for language, promises in told.items():
        text = notice_text(runtime, item, language, promises)
        session.add(
            Notice(
                list_id=item.id,
                version=version,
                language=language,
                sha256=documents.log_once(session, DocumentKind.NOTICE, text.render(), now),
                what=promises.what,
                frequency=promises.frequency,
                hours=promises.hours,
                stored=promises.stored,
                privacy_url=text.privacy_url,
                response_time=promises.response_time,
                created=now,
            )
        )
    session.flush()
    return version


def notice_text(runtime: Runtime, item: BroadcastList, language: str, told: Told) -> NoticeText:
    """Put together what people on a list are told."""
    organisation = runtime.settings.organisation
    return NoticeText(
        organisation=organisation.name,
        list_name=item.name,
        keyword=item.keyword,
        language=language,
        what=told.what,
        frequency=told.frequency,
        hours=told.hours,
        stored=told.stored,
        privacy_url=organisation.privacy_url,
        response_time=told.response_time,
    )


def told_now(session: Session, item: BroadcastList) -> dict[str, Told]:
    """Return what people who join a list today are told, by language, the list's own first."""
    newest = lists.notices(session, item.id)
    ordered = sorted(newest.values(), key=lambda notice: notice.language != item.language)
    return {
        notice.language: Told(
            what=notice.what,
            frequency=notice.frequency,
            hours=notice.hours,
            stored=notice.stored,
            response_time=notice.response_time,
        )
        for notice in ordered
    }


def _free_slug(session: Session, keyword: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", keyword.lower()).strip("-")[:_SLUG_LENGTH] or "list"
    candidate, number = slug, 1
    while lists.by_slug(session, candidate) is not None:
        number += 1
        candidate = f"{slug}-{number}"
    return candidate


def _check_name(name: str) -> None:
    if not 0 < len(name.strip()) <= _NAME_LENGTH or not name.isprintable():
        message = f"A list's name has 1 to {_NAME_LENGTH} printable characters."
        raise InvalidInput(message)


def _check_senders(senders: Sequence[Address]) -> None:
    if not senders:
        message = "A list needs a sender: a number that people text to join it."
        raise InvalidInput(message)
    _check_channels(senders)


def _check_channels(senders: Sequence[Address]) -> None:
    channels = [address.channel for address in senders]
    if len(channels) != len(set(channels)):
        message = "A list has at most one sender on each channel."
        raise InvalidInput(message)


def _check_told(told: Mapping[str, Told]) -> None:
    if not told or any(language not in LANGUAGES for language in told):
        message = f"A list's notice is in one or more of {', '.join(LANGUAGES)}."
        raise InvalidInput(message)
    for language, promises in told.items():
        for label, text in (
            ("what it is about", promises.what),
            ("how often it comes", promises.frequency),
            ("when it comes", promises.hours),
            ("what is stored", promises.stored),
            ("how soon questions are answered", promises.response_time),
        ):
            if not 0 < len(text.strip()) <= _LINE_LENGTH or not text.isprintable():
                message = (
                    f"The notice ({language}) must say {label}, in one line of at most "
                    f"{_LINE_LENGTH} characters."
                )
                raise InvalidInput(message)
