"""Twilio's own list of messages, read so that nobody concludes more from it than it says.

The list decides whether a message goes out again, so whatever looks odd makes it unreadable.
It is never asked for a date: Twilio filters by the date *sent*, which waiting messages lack.
Source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from urllib.parse import urlencode, urlsplit

from twilio.rest import Client  # type: ignore[import-untyped] # ships no types

from broadcaster.core.address import Address
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.messages import Listed
from broadcaster.providers.twilio.entries import parse_entry
from broadcaster.providers.twilio.reasons import reason_of

# A short look is enough for one person, or for what came in during the last minutes.
_GLANCE, _LARGEST_PAGE = 100, 1000
# Far more than any account sends in the time that is ever asked for: a list without end has one.
_MOST_PAGES = 5_000
# The order may not be strict: only so many older ones in a row mean that the rest is older too.
_OLDER_IN_A_ROW = 10
_API = "https://api.twilio.com"  # the transport leads it to where the API really is
_OK = 200
_QUERY = re.compile(r"[!-~]{1,4000}")


@dataclass(frozen=True, slots=True)
class _Page:
    """One page, newest first, and the query of the next, if there is one."""

    messages: Sequence[Listed]
    following: str | None

    @property
    def sids(self) -> frozenset[str]:
        return frozenset(one.sid for one in self.messages)

    def is_past(self, since: datetime) -> bool:
        last = self.messages[-_OLDER_IN_A_ROW:]
        return bool(last) and all(one.created < since for one in last)


async def read_messages(
    client: Client, *, to: Address | None, sender: Address | None, since: datetime
) -> AsyncIterator[Listed]:
    """Read the list, newest first, each message once.

    Args:
        client: the official client on our own transport.
        to: only messages to this address.
        sender: only messages from this address.
        since: the moment, aware, before which messages are left out.

    Raises:
        ListUnreadable: it could not be read to its end, or makes no sense.
    """
    reading = _Reading(client, to=to, sender=sender, since=since)
    while reading.goes_on:
        for message in await reading.turn():
            yield message


class _Reading:
    """One reading of the list, from its newest message to the oldest that is wanted."""

    def __init__(
        self, client: Client, *, to: Address | None, sender: Address | None, since: datetime
    ) -> None:
        self._client = client
        self._account_sid: str = client.account_sid
        self._path = f"/2010-04-01/Accounts/{self._account_sid}/Messages.json"
        self._to = to
        self._sender = sender
        # Twilio tells whole seconds: a message of this very second may be newer than it looks.
        self._since = since.replace(microsecond=0)
        self._following: str | None = self._query(_GLANCE)
        self._turned: set[str] = set()
        self._glanced: frozenset[str] = frozenset()
        self._before: frozenset[str] = frozenset()

    @property
    def goes_on(self) -> bool:
        """Tell whether there is a page to turn."""
        return self._following is not None

    async def turn(self) -> list[Listed]:
        """Read the next page; return what is wanted of it and was not on the one before.

        Raises:
            ListUnreadable: it cannot be read, or makes no sense.
        """
        query = self._following or ""
        if query in self._turned or len(self._turned) >= _MOST_PAGES:
            raise ListUnreadable(reason="repeated_page" if query in self._turned else "endless")
        page = self._parse(await self._fetch(query))
        # Messages that come meanwhile push others to the next page, but never all of them.
        if len(self._turned) > 1 and page.messages and page.sids <= self._before:
            raise ListUnreadable(reason="repeated_page")
        known = self._glanced | self._before
        self._glanced, self._before = self._glanced or page.sids, page.sids
        self._turned.add(query)
        self._following = self._after(page)
        return [one for one in page.messages if one.created >= self._since and one.sid not in known]

    def _query(self, size: int) -> str:
        filters = (("To", self._to), ("From", self._sender))
        chosen = [(name, address.wire) for name, address in filters if address is not None]
        return urlencode([*chosen, ("PageSize", str(size))])

    def _after(self, page: _Page) -> str | None:
        """Say what to ask for next: a glance that was too short begins again with large pages."""
        if page.following is None or page.is_past(self._since):
            return None
        return self._query(_LARGEST_PAGE) if len(self._turned) == 1 else page.following

    async def _fetch(self, query: str) -> str:
        try:
            response = await self._client.request_async("GET", f"{_API}{self._path}?{query}")
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing may be concluded
            raise ListUnreadable(reason_of(error)) from None
        if response.status_code != _OK:
            raise ListUnreadable(reason=f"http_{response.status_code}")
        text: str = response.text
        return text

    def _parse(self, text: str) -> _Page:
        """Read a page, and check that it is one of the list that was asked for."""
        try:
            document = json.loads(text)
            uri, link, entries = (document[name] for name in ("uri", "next_page_uri", "messages"))
            if not isinstance(entries, list):
                raise ListUnreadable(reason="garbage")
            messages = [parse_entry(entry, account_sid=self._account_sid) for entry in entries]
        except (ValueError, TypeError, LookupError, RecursionError):
            raise ListUnreadable(reason="garbage") from None
        self._query_of(uri)
        if not all(map(self._is_wanted, messages)):
            raise ListUnreadable(reason="other_address")
        if link is not None and _is_upside_down(messages):
            raise ListUnreadable(reason="order")
        return _Page(messages, None if link is None else self._query_of(link))

    def _is_wanted(self, message: Listed) -> bool:
        """Tell whether the filters were kept."""
        to, sender = self._to or message.recipient, self._sender or message.sender
        return message.recipient == to and message.sender == sender

    def _query_of(self, link: object) -> str:
        """Take only the query of a link; host and path are ours, whatever it says."""
        try:
            parts = urlsplit(link if isinstance(link, str) else "")
        except ValueError:
            raise ListUnreadable(reason="garbage") from None
        if parts.path != self._path or _QUERY.fullmatch(parts.query) is None:
            raise ListUnreadable(reason="foreign_link")
        return parts.query


def _is_upside_down(messages: Sequence[Listed]) -> bool:
    """Tell whether the oldest come first: then the newest ones would never be looked at."""
    rising = all(one.created <= other.created for one, other in pairwise(messages))
    return rising and bool(messages) and messages[0].created < messages[-1].created
