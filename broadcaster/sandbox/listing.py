"""Twilio's list of messages: filters, newest first, pages with tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from operator import attrgetter
from urllib.parse import urlencode

from broadcaster.sandbox.errors import ApiError
from broadcaster.sandbox.message import API_VERSION, Message
from broadcaster.sandbox.store import Store

_FILTERS = ("To", "From", "DateSent", "DateSent<", "DateSent>")
_KNOWN = (*_FILTERS, "PageSize", "Page", "PageToken")
_LONGEST_NUMBER = 9
_DEFAULT_PAGE, _LARGEST_PAGE = 50, 1000
_OLDER, _NEWER = "PA", "PB"
# No message waits longer than ValidityPeriod allows, so what was created earlier was sent earlier.
_LONGEST_WAIT = timedelta(seconds=36_000)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a list request asks for."""

    to: str | None
    sender: str | None
    since: datetime | None
    until: datetime | None
    page_size: int
    page: int
    token: str | None
    filters: tuple[tuple[str, str], ...]

    def matches(self, message: Message) -> bool:
        """Say whether a message belongs in the answer. Unsent messages have no sent date."""
        if message.deleted or (self.to is not None and message.to != self.to):
            return False
        if self.sender is not None and message.sender != self.sender:
            return False
        if self.since is None and self.until is None:
            return True
        sent = message.sent
        if sent is None or (self.since is not None and sent < self.since):
            return False
        return self.until is None or sent < self.until

    def is_too_old(self, message: Message) -> bool:
        """Say whether neither this message nor any created before it can match."""
        return self.since is not None and message.created < self.since - _LONGEST_WAIT


def read_query(parameters: Sequence[tuple[str, str]]) -> Query:
    """Check the parameters of a list request.

    Raises:
        ApiError: a parameter is unknown, repeated, or has no usable value.
    """
    given = dict(parameters)
    for name in given:
        if name not in _KNOWN:
            text = f"Unknown parameter: {name[:60]}"
            raise ApiError(20001, text)
    if len(given) < len(parameters):
        raise ApiError(20001, "A parameter was given more than once")
    on, after, before = (_span(given.get(k)) for k in ("DateSent", "DateSent>", "DateSent<"))
    starts = [span[0] for span in (on, after) if span]
    ends = [span[1] for span in (on, before) if span]
    return Query(
        to=given.get("To") or None,
        sender=given.get("From") or None,
        since=max(starts, default=None),
        until=min(ends, default=None),
        page_size=_number(given, "PageSize", _DEFAULT_PAGE, range(1, _LARGEST_PAGE + 1)),
        page=_number(given, "Page", 0, range(1_000_000_000)),
        token=given.get("PageToken") or None,
        filters=tuple((name, given[name]) for name in _FILTERS if given.get(name)),
    )


def _span(text: str | None) -> tuple[datetime, datetime] | None:
    """Return the moments from which and before which a date, or a date and time, reaches."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = "DateSent must be YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"
        raise ApiError(20001, message) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    is_day = len(text) <= len("2026-11-01")
    return moment, moment + (_DAY if is_day else _SECOND)


def _number(given: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = given.get(name)
    if not text:
        return default
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    if not is_number or int(text) not in allowed:
        text = f"{name} must be a number from {allowed[0]} to {allowed[-1]}"
        raise ApiError(20006, text)
    return int(text)


def answer(
    store: Store,
    query: Query,
    *,
    account_sid: str,
    base: str | None,
    is_visible: Callable[[Message], bool],
) -> dict[str, object]:
    """Return one page of messages in Twilio's JSON.

    Args:
        store: where the messages are.
        query: what was asked.
        account_sid: the account asked about.
        base: the scheme and host for absolute links, or ``None`` for relative ones.
        is_visible: whether the list shows this message yet.

    Returns:
        The page. With absolute links it also has a ``meta`` object, because the official client
        makes ``next_page_uri`` absolute by itself but takes ``meta.next_page_url`` as it is.
    """
    page, has_older, has_newer = _window(store, query, is_visible)
    link = partial(_link, query, f"{base or ''}/{API_VERSION}/Accounts/{account_sid}/Messages.json")
    older = link(query.page + 1, f"{_OLDER}{page[-1].sid}") if has_older else None
    newer = link(max(query.page - 1, 0), f"{_NEWER}{page[0].sid}") if has_newer else None
    start = query.page * query.page_size
    document: dict[str, object] = {
        "end": start + max(len(page) - 1, 0),
        "first_page_uri": link(0, None),
        "next_page_uri": older,
        "page": query.page,
        "page_size": query.page_size,
        "previous_page_uri": newer,
        "start": start,
        "uri": link(query.page, query.token),
        "messages": [message.to_json(account_sid) for message in page],
    }
    if base is not None:
        document["meta"] = {"key": "messages", "next_page_url": older, "previous_page_url": newer}
    return document


def _link(query: Query, path: str, page: int, token: str | None) -> str:
    """Return the link to a page of the same query."""
    parameters = [*query.filters, ("PageSize", str(query.page_size)), ("Page", str(page))]
    if token is not None:
        parameters.append(("PageToken", token))
    return f"{path}?{urlencode(parameters)}"


def _window(
    store: Store, query: Query, is_visible: Callable[[Message], bool]
) -> tuple[list[Message], bool, bool]:
    """Return the messages of a page, newest first, and whether there are older and newer ones."""
    source = store.candidates(to=query.to, sender=query.sender)

    def wanted(indexes: Iterable[int]) -> Iterator[Message]:
        for index in indexes:
            message = source[index]
            if query.is_too_old(message):
                return
            if query.matches(message) and is_visible(message):
                yield message

    size = query.page_size
    if query.token is None:
        older = wanted(range(len(source) - 1, -1, -1))
        skipped = sum(1 for _ in islice(older, query.page * size))
        page = list(islice(older, size + 1))
        return page[:size], len(page) > size, bool(skipped and page)
    position = _position(store, source, query.token)
    if query.token.startswith(_OLDER):
        page = list(islice(wanted(range(position - 1, -1, -1)), size + 1))
        return page[:size], len(page) > size, bool(page)
    page = list(islice(wanted(range(position + 1, len(source))), size + 1))
    return page[:size][::-1], bool(page), len(page) > size


def _position(store: Store, source: Sequence[Message], token: str) -> int:
    """Return the place in ``source`` that a page token names; deleted messages keep theirs."""
    named = store.find(token[2:], even_deleted=True)
    if named is None or token[:2] not in {_OLDER, _NEWER}:
        raise ApiError(20008, "The page token is invalid")
    return bisect_left(source, named.number, key=attrgetter("number"))
