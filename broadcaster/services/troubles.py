"""What went wrong of late, told once for each thing that an editor knows by name: a bulletin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.storage import desk
from broadcaster.storage.models import Incident

#: What did not come back in this time needs nobody's attention any more.
OF_LATE = timedelta(days=2)
#: A promise may have been broken: these come first.
ALARMS = frozenset(
    {
        "duplicate",
        "skipped_but_sent",
        "restored_unexplained",
        "listing_slower_than_settling",
        "ledger_broken",
        "ledger_head_damaged",
    }
)
_READ = 200
_SHOWN = 6
_REFERENCE = re.compile(r"(bulletin|delivery) ([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One kind of trouble.

    Args:
        kind: which.
        count: how often it was seen.
        last: when last.
        bulletin_id: on which bulletin, if on one.
    """

    kind: str
    count: int
    last: datetime
    bulletin_id: int | None

    @property
    def is_alarm(self) -> bool:
        """Whether a promise may have been broken."""
        return self.kind in ALARMS


def of_late(session: Session, now: datetime, *, shown: Collection[str] = ()) -> list[Trouble]:
    """Return the trouble of the last days: alarms first, then the newest.

    Args:
        session: an open transaction.
        now: the present moment.
        shown: what is left out, as ``kind bulletin``.
    """
    incidents = desk.incidents_since(session, now - OF_LATE, _READ)
    bulletins = _bulletins(session, incidents)
    told: dict[str, Trouble] = {}
    for one in incidents:
        number = bulletins.get(one.reference)
        name = f"{one.kind} {number}"
        before = told.get(name)
        told[name] = (
            Trouble(kind=one.kind, count=one.count, last=one.last, bulletin_id=number)
            if before is None
            else replace(before, count=before.count + one.count)
        )
    found = [trouble for name, trouble in told.items() if name not in shown]
    return sorted(found, key=lambda one: not one.is_alarm)[:_SHOWN]


def _bulletins(session: Session, incidents: Iterable[Incident]) -> dict[str, int]:
    """Return the bulletin that each reference is about, if it is about one."""
    found = [_REFERENCE.fullmatch(one.reference) for one in incidents]
    named = {one.group(0): (one.group(1), int(one.group(2))) for one in found if one}
    deliveries = [number for what, number in named.values() if what == "delivery"]
    of_delivery = desk.bulletins_of(session, deliveries)
    return {
        reference: number if what == "bulletin" else of_delivery[number]
        for reference, (what, number) in named.items()
        if what == "bulletin" or number in of_delivery
    }
