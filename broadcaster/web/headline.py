"""What a bulletin's page says first: what will happen, happens, has happened, or why nothing does."""

from __future__ import annotations

from collections.abc import Callable

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import OPEN, State
from broadcaster.core.scheduling import in_words
from broadcaster.services.bulletins import Report
from broadcaster.storage.models import Bulletin
from broadcaster.web.formats import clock_time, moment, number
from broadcaster.web.languages import current
from broadcaster.web.wording import gettext as _


def headline(found: Report) -> str:
    """Say where a bulletin stands, in a sentence or two."""
    bulletin = found.bulletin
    words: dict[BulletinState, Callable[[], str]] = {
        BulletinState.DRAFT: lambda: _("A draft: nothing goes out."),
        BulletinState.SCHEDULED: lambda: _("Goes out on %(moment)s.", moment=_due(bulletin)),
        BulletinState.HELD: lambda: _held(found),
        BulletinState.PAUSED: lambda: _paused(bulletin),
        BulletinState.SENDING: lambda: _("Going out since %(moment)s.", moment=_started(bulletin)),
        BulletinState.FINISHED: lambda: _finished(bulletin),
        BulletinState.CANCELLED: lambda: _cancelled(bulletin),
    }
    return words[BulletinState(bulletin.state)]()


def brief(bulletin: Bulletin) -> str:
    """Say in a few words why a bulletin waits for a person."""
    if bulletin.state == BulletinState.PAUSED:
        return _("paused; say whether it goes on")
    words: dict[str | None, Callable[[], str]] = {
        "refused": lambda: _("stopped on its way: Twilio refuses it to everybody"),
        "failures": lambda: _("stopped on its way: too many messages failed"),
        "uncertain": lambda: _("stopped on its way: Twilio gave no clear answers"),
        "standstill": lambda: _("stopped on its way: nothing moved any more"),
        "restored": lambda: _("held: the database was put back from a backup"),
        "ledger": lambda: _("held: the consent ledger is not what was written"),
    }
    if bulletin.held_reason in words:
        return words[bulletin.held_reason]()
    if bulletin.audience is None:
        return _("was not sent in time; say whether it still goes")
    return _("stopped on its way; say whether it goes on")


def _due(bulletin: Bulletin) -> str:
    if bulletin.starts_at is None:
        return ""
    return in_words(bulletin.starts_at, bulletin.zone, current())


def _started(bulletin: Bulletin) -> str:
    return moment(bulletin.started, bulletin.zone) if bulletin.started else ""


def _paused(bulletin: Bulletin) -> str:
    return _("Paused on %(moment)s.", moment=moment(bulletin.changed, bulletin.zone)) + _kept()


def _kept() -> str:
    return " " + _("Who has it keeps it; the rest waits for you.")


def _held(found: Report) -> str:
    if found.bulletin.audience is None:
        return _not_begun(found.bulletin)
    return _on_its_way(found) + _kept()


def _not_begun(bulletin: Bulletin) -> str:
    if bulletin.held_reason == "restored":
        return _(
            "It was due on %(moment)s, but the database was put back from a backup, so it waits"
            " for you.",
            moment=_due(bulletin),
        )
    if bulletin.held_reason == "ledger":
        return _(
            "It was due on %(moment)s, but the consent ledger is not what was written, so it waits"
            " for you.",
            moment=_due(bulletin),
        )
    return _(
        "It was due on %(moment)s but could not start in time, so it waits for you."
        " Nobody has got it.",
        moment=_due(bulletin),
    )


def _on_its_way(found: Report) -> str:
    bulletin = found.bulletin
    words: dict[str | None, Callable[[], str]] = {
        "standstill": lambda: _("It came to a standstill on its way."),
        "failures": lambda: _failing(found),
        "uncertain": lambda: _(
            "It stopped by itself: to too many requests Twilio gave no clear answer."
        ),
        "restored": lambda: _(
            "It was held on its way, because the database was put back from a backup."
        ),
        "ledger": lambda: _(
            "It was held on its way, because the consent ledger is not what was written."
        ),
        "late": lambda: _(
            "The rest was due on %(moment)s but could not start in time.", moment=_due(bulletin)
        ),
    }
    if bulletin.held_reason in words:
        return words[bulletin.held_reason]()
    if bulletin.held_code is None:
        return _("It was stopped on its way.")
    return _(
        "It stopped by itself: Twilio refused it in a way that holds for everybody"
        " (code %(code)s).",
        code=bulletin.held_code,
    )


def _failing(found: Report) -> str:
    failed = found.of(State.FAILED, State.UNDELIVERED)
    ended = found.audience - found.of(*OPEN, State.SKIPPED)
    return _(
        "It stopped by itself: %(failed)s of %(all)s messages failed.",
        failed=number(failed),
        all=number(ended),
    )


def _cancelled(bulletin: Bulletin) -> str:
    ended = moment(bulletin.ended, bulletin.zone) if bulletin.ended else ""
    if bulletin.started is None:
        return _("Cancelled on %(moment)s, before it started. Nobody has got it.", moment=ended)
    return _("Stopped on %(moment)s, while it was going out.", moment=ended)


def _finished(bulletin: Bulletin) -> str:
    if bulletin.ended is None:
        return _("Sent on %(moment)s.", moment=_started(bulletin))
    return _(
        "Sent on %(moment)s, done at %(time)s.",
        moment=_started(bulletin),
        time=clock_time(bulletin.ended, bulletin.zone),
    )
