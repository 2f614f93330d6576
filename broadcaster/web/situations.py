"""Why a bulletin waits, what that means for people, and what an editor can do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.services.bulletins import Report
from broadcaster.services.settling import settling_time
from broadcaster.storage import deliveries, incidents, installation, pacing, verification
from broadcaster.storage.models import Bulletin, Sender
from broadcaster.storage.senders import of_bulletin, unheard_since
from broadcaster.web import refusals
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.formats import moment
from broadcaster.web.spans import span
from broadcaster.web.until import time_of
from broadcaster.web.wording import gettext as _

# A shorter wait is over before anybody has read of it.
_NOTICEABLE = timedelta(seconds=3)
# Whom the provider had a fault with is asked again sooner than this.
_PUT_OFF = timedelta(minutes=10)
# Progress is noted every five seconds.
_STANDS = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What keeps a bulletin, in words.

    Args:
        key: names it for the page, which loads again when it becomes another.
        title: what it is about.
        words: what is known and what can be done, a paragraph each.
        may_go_on: whether a person may let it go on, or go out, at this moment.
        stopped: a sender that stands still, if that is what keeps it.
    """

    key: str
    title: str
    words: list[str]
    may_go_on: bool = True
    stopped: Sender | None = None


def situation(found: Report, now: datetime) -> Situation | None:
    """Return what keeps a bulletin; None where nothing does."""
    bulletin = found.bulletin
    words: dict[str, Callable[[], Situation | None]] = {
        BulletinState.PAUSED: lambda: Situation(
            key="paused", title=_("Does it go on?"), words=_end(bulletin)
        ),
        BulletinState.HELD: lambda: _held(found),
        BulletinState.SCHEDULED: lambda: _unheard(bulletin, now),
        BulletinState.SENDING: lambda: _standing_still(found, now) or _put_off(found, now),
    }
    known = words.get(bulletin.state)
    return known() if known else None


def slowed_until(found: Report, now: datetime) -> datetime | None:
    """Return until when a number waits because Twilio told it to go slower, where that shows."""
    if found.bulletin.state != BulletinState.SENDING or not found.waiting:
        return None
    buckets = [bucket for _sender, bucket in of_bulletin(reading(), found.bulletin.id) if bucket]
    waits = [pacing.paused_until(bucket, now) for bucket in buckets]
    return max((until for until in waits if until and until - now > _NOTICEABLE), default=None)


def mark(found: Report, of: Situation | None) -> str:
    """Name what the page shows; once it is another, the whole page is loaded again."""
    parts = [found.bulletin.state, of.key if of else "", str(found.of(State.HELD) or "")]
    return "-".join(part for part in parts if part)


def _held(found: Report) -> Situation:
    words: dict[str | None, Callable[[], Situation]] = {
        HeldReason.REFUSED: lambda: _refused(found),
        HeldReason.FAILURES: lambda: Situation(
            key="failures",
            title=_("Too many messages failed"),
            words=[
                _(
                    "Below you see why each of them failed. Once that is solved, or if it needs no"
                    " solving, let it go on: what failed so far is then no reason to stop again."
                ),
                *_end(found.bulletin),
            ],
        ),
        HeldReason.UNCERTAIN: lambda: Situation(
            key="uncertain", title=_("Twilio gave no clear answers"), words=_unclear(found.bulletin)
        ),
        HeldReason.STANDSTILL: lambda: Situation(
            key="standstill", title=_("Does it go on?"), words=_stood_still(found.bulletin)
        ),
        HeldReason.RESTORED: lambda: _restored(found.bulletin),
        HeldReason.LEDGER: lambda: _broken(found.bulletin),
    }
    if found.bulletin.held_reason in words:
        return words[found.bulletin.held_reason]()
    if found.bulletin.held_code is not None:
        return _refused(found)
    if found.bulletin.audience is not None:
        return Situation(key="held", title=_("Does it go on?"), words=_end(found.bulletin))
    return _late(found.bulletin)


def _late(bulletin: Bulletin) -> Situation:
    words = [
        _(
            "Nothing goes out more than %(grace)s late unless somebody says so. Send it now if it"
            " is still news, choose another moment, or drop it.",
            grace=span(_grace()),
        )
    ]
    if unheard_since(reading(), bulletin.id) is not None:
        words.insert(
            0,
            _(
                "It waited because Twilio's list of incoming texts cannot be read, and somebody may"
                " have left. Once you send it, it waits for that list again."
            ),
        )
    return Situation(key="late", title=_("Does it still go?"), words=words)


def _stood_still(bulletin: Bulletin) -> list[str]:
    return [
        _(
            "For more than %(grace)s nothing moved: mostly our server was down, or Twilio could not"
            " be reached. If it is still news, let it go on.",
            grace=span(_grace()),
        ),
        *_end(bulletin),
    ]


def _unclear(bulletin: Bulletin) -> list[str]:
    return [
        _(
            "Twilio may have taken these messages or not. Whoever Twilio's own list shows has it,"
            " and nobody gets it twice."
        ),
        _(
            "Mostly Twilio has trouble, or something stands between our server and Twilio. Once"
            " that is solved, let it go on: what was unclear so far is then no reason to stop"
            " again."
        ),
        *_end(bulletin),
    ]


def _refused(found: Report) -> Situation:
    code = found.bulletin.held_code
    words = [refusals.explain(code)] if code is not None else []
    stopped = _stopped(found)
    if stopped is not None:
        words.append(
            _(
                "The number %(number)s stands still until you try again, for other bulletins too.",
                number=stopped[0].address,
            )
        )
    words.append(_("Put that right first. Nobody is missed and nobody gets it twice."))
    return Situation(key="refused", title=_("What Twilio says"), words=words + _end(found.bulletin))


def _restored(bulletin: Bulletin) -> Situation:
    since = installation.get(reading()).restored
    if bulletin.compared is None or since is not None:
        settled = (since or runtime().clock.now()) + timedelta(
            seconds=settling_time(reading(), runtime())
        )
        return Situation(
            key="comparing",
            title=_("It is being compared with Twilio's list"),
            words=[
                _(
                    "The database was put back from a backup, so it does not know what went out"
                    " after that backup was made. Twilio's own list tells; until it has been read,"
                    " nothing goes out, and nobody gets anything twice."
                ),
                _(
                    "Nothing to do for you yet: after %(time)s, when that list shows everything, it"
                    " is read, and this page changes by itself.",
                    time=time_of(settled, bulletin.zone, near=runtime().clock.now()),
                ),
            ],
            may_go_on=False,
        )
    return Situation(
        key="compared",
        title=_("It was compared with Twilio's list"),
        words=[_compared(bulletin, bulletin.compared), *_end(bulletin)],
    )


def _compared(bulletin: Bulletin, when: datetime) -> str:
    """Say what the comparison came to, and no more than it did."""
    compared = _(
        "The database was put back from a backup. On %(moment)s this bulletin was compared with"
        " Twilio's list.",
        moment=moment(when, bulletin.zone),
    )
    if bulletin.audience is not None:
        found = _("Who had it already is counted below and does not get it again.")
    elif incidents.was_noted(reading(), "restored_unexplained", when):
        found = _(
            "Nothing on that list is known to be of it; but there are messages of which nobody"
            " knows what they were of. Look in Twilio's log before you send it: whoever had it"
            " would get it twice."
        )
    else:
        found = _("Nothing of it had gone out. If it is still news, say so.")
    return f"{compared} {found}"


def _broken(bulletin: Bulletin) -> Situation:
    if verification.is_broken(reading()):
        return Situation(
            key="broken",
            title=_("The consent ledger is not what was written"),
            words=[
                _(
                    "Something was changed in it, so nobody knows for sure who may be written to."
                    " Nothing goes out until it has been put back and verified."
                ),
                _(
                    "Nothing to do for you yet: whoever runs the server finds what was changed on"
                    " the page of the ledger, and this page changes once it was verified."
                ),
            ],
            may_go_on=False,
        )
    words = [
        _("The ledger was put back and verified. If it is still news, say so."),
        *_end(bulletin),
    ]
    return Situation(key="whole", title=_("Does it still go?"), words=words)


def _unheard(bulletin: Bulletin, now: datetime) -> Situation | None:
    is_due = bulletin.starts_at is not None and bulletin.starts_at <= now
    if not is_due or unheard_since(reading(), bulletin.id) is None:
        return None
    return Situation(
        key="unheard",
        title=_("It waits for Twilio"),
        words=[
            _(
                "Waits: Twilio's list of incoming texts cannot be read, and somebody may have left."
                " It is asked again every few seconds; after %(grace)s the bulletin holds.",
                grace=span(_grace()),
            )
        ],
    )


def _standing_still(found: Report, now: datetime) -> Situation | None:
    stopped = _stopped(found) if found.waiting else None
    if stopped is None:
        return _cannot_hear(found, now)
    sender, code = stopped
    return Situation(
        key="standing",
        title=_("A number stands still"),
        words=[
            _(
                "Twilio refused everything from %(number)s: %(sentence)s (code %(code)s)",
                number=sender.address,
                sentence=refusals.explain(code),
                code=code,
            ),
            _("Put that right first, then let the number go on. Who waits for it keeps waiting."),
        ],
        stopped=sender,
    )


def _put_off(found: Report, now: datetime) -> Situation | None:
    """Say that everybody who is left waits for room under WhatsApp's daily limit."""
    if not found.waiting:
        return None
    turn = deliveries.next_turn(reading(), found.bulletin.id)
    if turn is None or turn - now < _PUT_OFF:
        return None
    zone = found.bulletin.zone
    return Situation(
        key="limit",
        title=_("The rest waits for room"),
        words=[
            _(
                "WhatsApp lets this number write to no more people today who wrote more than 24"
                " hours ago. From %(time)s there is room again, and it goes on by itself.",
                time=time_of(turn, zone, near=now),
            ),
            *_end(found.bulletin),
        ],
    )


def _cannot_hear(found: Report, now: datetime) -> Situation | None:
    """Say why nobody gets further: a process that has begun sends nothing before it could hear."""
    moved = found.bulletin.moved
    stands = found.waiting and moved is not None and now - moved > _STANDS
    if not stands or unheard_since(reading(), found.bulletin.id) is None:
        return None
    return Situation(
        key="deaf",
        title=_("It waits for Twilio"),
        words=[
            _(
                "Nobody gets it at this moment: Twilio's list of incoming texts cannot be read, and"
                " somebody may have left. It is asked again every few seconds; after %(grace)s the"
                " bulletin holds.",
                grace=span(_grace()),
            )
        ],
        may_go_on=False,
    )


def _stopped(found: Report) -> tuple[Sender, int] | None:
    """Return a number that it goes out from and that stands still, and the code."""
    for sender, bucket in of_bulletin(reading(), found.bulletin.id):
        if bucket is not None and bucket.stopped_code is not None:
            return sender, bucket.stopped_code
    return None


def _end(bulletin: Bulletin) -> list[str]:
    """Say that its time runs on while it waits."""
    if bulletin.not_after is None or bulletin.audience is None:
        return []
    end = time_of(bulletin.not_after, bulletin.zone, near=runtime().clock.now())
    return [_("Its time runs on: whoever has not got it by %(time)s will not get it.", time=end)]


def _grace() -> timedelta:
    return timedelta(minutes=runtime().settings.sending.grace_minutes)
