"""The ledger's filters: what was chosen in the form, read and written back into addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from broadcaster.storage.filing import Choice, Facet, Filed
from broadcaster.web.wording import gettext as _

NAMES = ("from", "to", "list", "event", "method", "actor", "subject")
_SUBJECT = re.compile(r"[0-9a-f]{32}")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")
_PLACE = re.compile(r"([0-9]{1,17})-([0-9]{1,16})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What was chosen.

    Args:
        typed: as it stands in the form.
        choice: what it means.
        faults: what cannot be understood, in the reader's language; it is left out of the choice.
    """

    typed: Mapping[str, str]
    choice: Choice
    faults: Sequence[str]

    @property
    def query(self) -> str:
        """The filters for an address."""
        return urlencode({name: value for name, value in self.typed.items() if value})

    def with_subject(self, subject: str) -> str:
        """The filters for an address, for one person."""
        return urlencode({"subject": subject})


def read(given: Mapping[str, str], zone: str) -> Filters:
    """Read what was chosen.

    Args:
        given: the form, or the address.
        zone: the organisation's, whose clock times are of.
    """
    typed = {name: given.get(name, "").strip() for name in NAMES}
    faults: list[str] = []
    since = _moment(typed["from"], zone, faults, fold=0)
    until = _moment(typed["to"], zone, faults, fold=1)
    subject = typed["subject"].lower()
    if subject and not _SUBJECT.fullmatch(subject):
        faults.append(_("A person's token has 32 digits from 0 to 9 and a to f."))
        subject = ""
    if since and until and until <= since:
        faults.append(_("The time to which you look is before the one from which you look."))
    if any(not value.isprintable() for value in typed.values()):
        faults.append(_("A filter holds a character that nothing in the ledger has."))
        typed = {name: value if value.isprintable() else "" for name, value in typed.items()}
    choice = Choice(
        since=since,
        until=until,
        event=typed["event"],
        list=typed["list"],
        method=typed["method"],
        actor=typed["actor"],
        subject=subject,
    )
    return Filters(typed=typed, choice=choice, faults=faults)


def options(facets: Sequence[Facet]) -> dict[str, list[str]]:
    """Return what there is to choose from, for each filter."""
    return {
        name: sorted({value for one in facets if (value := getattr(one, name))})
        for name in ("list", "event", "method", "actor")
    }


def read_place(written: str) -> Filed | None:
    """Read where a page begins; anything else is the beginning."""
    found = _PLACE.fullmatch(written)
    if found is None:
        return None
    try:
        return Filed(_EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
    except OverflowError:
        return None


def write_place(place: Filed | None) -> str | None:
    """Write where a page begins."""
    if place is None:
        return None
    return f"{(place.recorded - _EPOCH) // timedelta(microseconds=1)}-{place.idx}"


def _moment(text: str, zone: str, faults: list[str], *, fold: int) -> datetime | None:
    """Read a local time; of one that the clock shows twice, the one that leaves nothing out."""
    if not text:
        return None
    try:
        typed = datetime.fromisoformat(text if _LOCAL.fullmatch(text) else "")
        return typed.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)
    except (ValueError, OverflowError):
        faults.append(_("A date and time look like 2026-11-30T09:00."))
        return None
