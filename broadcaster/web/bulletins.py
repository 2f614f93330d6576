"""The list of bulletins, and the page of one: what will happen, happens, or has happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from babel.dates import format_timedelta
from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.services import bulletins, desk
from broadcaster.services.bulletins import Report
from broadcaster.services.settling import settling_time
from broadcaster.services.staff import Role
from broadcaster.storage import installation
from broadcaster.storage.models import Bulletin
from broadcaster.storage.undecided import last_handed_over
from broadcaster.web import brakes, outcomes, situations, until
from broadcaster.web.access import requires, unasked
from broadcaster.web.extensions import reading, runtime, writing
from broadcaster.web.forms import VersionForm
from broadcaster.web.headline import brief, headline
from broadcaster.web.spans import seconds, span
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import locale

blueprint = Blueprint("bulletins", __name__)
blueprint.add_app_template_filter(seconds, "seconds")
blueprint.add_app_template_filter(span, "span")

_TABS = {
    "draft": (BulletinState.DRAFT,),
    "scheduled": (BulletinState.SCHEDULED,),
    "sending": (BulletinState.SENDING,),
    "sent": (BulletinState.FINISHED, BulletinState.CANCELLED),
    "attention": (BulletinState.HELD, BulletinState.PAUSED),
}
# Without a choice, the page opens where something is to be done.
_FIRST = ("attention", "sending", "scheduled", "draft", "sent")
_WAITING = frozenset({BulletinState.PAUSED, BulletinState.HELD})
# Phones report for a while after the last message went.
_REPORTS_FOR = timedelta(minutes=10)
# What is said in minutes must not be said too early.
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What is being looked up at the provider.

    Args:
        people: of how many nobody knows whether they have it.
        decided: when that is decided at the latest.
        slowest: after how many seconds, at most, the provider's list showed a message so far.
    """

    people: int
    decided: str | None
    slowest: float | None


@blueprint.get("/bulletins")
@requires(Role.EDITOR)
def index() -> str:
    """List the bulletins of one tab."""
    counts = desk.count_by_state(reading())
    sizes = {key: sum(counts.get(state, 0) for state in states) for key, states in _TABS.items()}
    labels = {
        "draft": _("Drafts"),
        "scheduled": _("Scheduled"),
        "sending": _("Sending"),
        "sent": _("Sent"),
        "attention": _("Attention"),
    }
    wanted = request.args.get("tab", "")
    tab = wanted if wanted in _TABS else next((key for key in _FIRST if sizes[key]), "draft")
    return render_template(
        "bulletins/index.html",
        tabs=[{"key": key, "label": labels[key], "count": sizes[key]} for key in _TABS],
        tab=tab,
        rows=desk.bulletins_in(reading(), _TABS[tab]),
        brief=brief,
        any=any(sizes.values()),
        here="bulletins",
    )


@blueprint.get("/bulletins/<int:bulletin_id>")
@requires(Role.EDITOR)
def report(bulletin_id: int) -> str:
    """Show a bulletin: its countdown, its progress, or its final account."""
    found = bulletins.report(reading(), bulletin_id)
    return render_template(
        "bulletins/report.html",
        headline=headline(found),
        here="bulletins",
        people=_people(found),
        rewritable=_is_rewritable(found.bulletin),
        **_account(found),
    )


@blueprint.get("/bulletins/<int:bulletin_id>/progress")
@requires(Role.EDITOR)
@unasked
def progress(bulletin_id: int) -> Response:
    """Show the numbers alone; ask for the whole page when the state is another than shown."""
    found = bulletins.report(reading(), bulletin_id)
    account = _account(found)
    response = make_response(render_template("bulletins/_progress.html", polled=True, **account))
    if request.args.get("shown") != account["mark"]:
        response.headers["HX-Refresh"] = "true"
    return response


@blueprint.post("/bulletins/<int:bulletin_id>/unschedule")
@requires(Role.EDITOR)
def unschedule(bulletin_id: int) -> BaseResponse:
    """Make a scheduled bulletin a draft again."""
    version = VersionForm().version.data or 0
    with writing() as session:
        bulletin = bulletins.unschedule(
            session, bulletin_id, version=version, now=runtime().clock.now()
        )
    if bulletin.state != BulletinState.DRAFT:
        flash(_("The rest waits; nothing goes out."), "good")
        return redirect(f"/bulletins/{bulletin_id}", 303)
    flash(_("It is a draft again; nothing goes out."), "good")
    return redirect(f"/bulletins/{bulletin_id}/edit", 303)


def _people(found: Report) -> int:
    """Count who would get one that could not start in time, if it went now."""
    if found.bulletin.state != BulletinState.HELD or found.bulletin.audience is not None:
        return 0
    return bulletins.check(reading(), found.bulletin.id).people


def _is_rewritable(bulletin: Bulletin) -> bool:
    may_be = bulletin.state in {BulletinState.SCHEDULED, BulletinState.HELD}
    return may_be and bulletins.is_rewritable(reading(), bulletin)


def _account(found: Report) -> dict[str, object]:
    now = runtime().clock.now()
    bulletin = found.bulletin
    kept_by = situations.situation(found, now)
    return {
        "report": found,
        "bulletin": bulletin,
        "live": _is_live(bulletin, now),
        "situation": kept_by,
        "mark": situations.mark(found, kept_by),
        "countdown": _countdown(bulletin, now) if kept_by is None else None,
        "end": _end(bulletin, now),
        "waits_here": bulletin.state in _WAITING and bulletin.audience is not None,
        "have_it": outcomes.have_it(found),
        "nobody": outcomes.reached_nobody(found),
        "tiles": outcomes.tiles(found),
        "sum_line": outcomes.sum_line(found),
        "causes": outcomes.causes(found),
        "doubts": outcomes.doubts(found),
        "undecided": found.of(State.HELD),
        "looking": _looking(found),
        "may_send_again": brakes.may_send_again(found),
        "slowed": situations.slowed_until(found, now),
    }


def _is_live(bulletin: Bulletin, now: datetime) -> bool:
    """Tell whether its numbers, or what keeps it, may change by themselves."""
    if bulletin.ended is not None:
        return bulletin.audience is not None and now - bulletin.ended < _REPORTS_FOR
    return bulletin.state != BulletinState.DRAFT


def _countdown(bulletin: Bulletin, now: datetime) -> str | None:
    if bulletin.state != BulletinState.SCHEDULED or bulletin.starts_at is None:
        return None
    left = bulletin.starts_at - now
    if left <= timedelta():
        return _("Any moment now")
    return format_timedelta(left, add_direction=True, locale=locale(), threshold=1)


def _end(bulletin: Bulletin, now: datetime) -> str | None:
    """Say when sending stops, while that is still to come."""
    if bulletin.state == BulletinState.SENDING and bulletin.not_after is not None:
        end = until.time_of(bulletin.not_after, bulletin.zone, near=now)
    elif bulletin.state == BulletinState.SCHEDULED and bulletin.starts_at is not None:
        ends = bulletin.not_after or until.default_end(bulletin.starts_at)
        end = until.in_words(bulletin.starts_at, ends, bulletin.zone)
    else:
        return None
    return _("It goes out until %(end)s.", end=end)


def _looking(found: Report) -> Looking | None:
    """Say what is done about those of whom nobody knows, and by when it is decided."""
    if not found.looked_up:
        return None
    settle = timedelta(seconds=settling_time(reading(), runtime()))
    handed = last_handed_over(reading(), found.bulletin.id)
    by = handed + settle + _MINUTE if handed else None
    return Looking(
        people=found.looked_up,
        decided=until.time_of(by, found.bulletin.zone, near=runtime().clock.now()) if by else None,
        slowest=installation.get(reading()).slowest_listing,
    )
