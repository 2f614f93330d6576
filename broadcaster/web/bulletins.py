"""The list of bulletins, and the page of one: what will happen, happens, or has happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from babel.dates import format_timedelta
from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.scheduling import in_words
from broadcaster.services import bulletins, desk
from broadcaster.services.bulletins import Report
from broadcaster.services.staff import Role
from broadcaster.storage.models import Bulletin
from broadcaster.web import outcomes
from broadcaster.web.access import requires, unasked
from broadcaster.web.extensions import reading, runtime, writing
from broadcaster.web.formats import clock_time, moment
from broadcaster.web.forms import VersionForm
from broadcaster.web.languages import current
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import locale

blueprint = Blueprint("bulletins", __name__)

_TABS = {
    "draft": (BulletinState.DRAFT,),
    "scheduled": (BulletinState.SCHEDULED,),
    "sending": (BulletinState.SENDING,),
    "sent": (BulletinState.FINISHED, BulletinState.CANCELLED),
    "attention": (BulletinState.HELD,),
}
# Without a choice, the page opens where something is to be done.
_FIRST = ("attention", "sending", "scheduled", "draft", "sent")
# Phones report for a while after the last message went.
_REPORTS_FOR = timedelta(minutes=10)


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
        any=any(sizes.values()),
        here="bulletins",
    )


@blueprint.get("/bulletins/<int:bulletin_id>")
@requires(Role.EDITOR)
def report(bulletin_id: int) -> str:
    """Show a bulletin: its countdown, its progress, or its final account."""
    found = bulletins.report(reading(), bulletin_id)
    return render_template(
        "bulletins/report.html", headline=_headline(found), here="bulletins", **_account(found)
    )


@blueprint.get("/bulletins/<int:bulletin_id>/progress")
@requires(Role.EDITOR)
@unasked
def progress(bulletin_id: int) -> Response:
    """Show the numbers alone; ask for the whole page when the state is another than shown."""
    found = bulletins.report(reading(), bulletin_id)
    response = make_response(render_template("bulletins/_progress.html", **_account(found)))
    if request.args.get("shown") != found.bulletin.state:
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


@blueprint.post("/bulletins/<int:bulletin_id>/cancel")
@requires(Role.EDITOR)
def cancel(bulletin_id: int) -> BaseResponse:
    """Cancel a bulletin, or stop the rest of one that is going out."""
    with writing() as session:
        bulletins.cancel(session, bulletin_id, now=runtime().clock.now())
    flash(_("Stopped. Nothing of this bulletin goes out any more."), "good")
    return redirect(f"/bulletins/{bulletin_id}", 303)


def _account(found: Report) -> dict[str, object]:
    now = runtime().clock.now()
    bulletin = found.bulletin
    return {
        "report": found,
        "bulletin": bulletin,
        "live": _is_live(bulletin, now),
        "rewritable": bulletins.is_rewritable(reading(), bulletin),
        "countdown": _countdown(bulletin, now),
        "nobody": outcomes.reached_nobody(found),
        "tiles": outcomes.tiles(found),
        "sum_line": outcomes.sum_line(found),
        "causes": outcomes.causes(found),
    }


def _is_live(bulletin: Bulletin, now: datetime) -> bool:
    if bulletin.ended is not None:
        return bulletin.audience is not None and now - bulletin.ended < _REPORTS_FOR
    return bulletin.state in {BulletinState.SCHEDULED, BulletinState.SENDING}


def _countdown(bulletin: Bulletin, now: datetime) -> str | None:
    if bulletin.state != BulletinState.SCHEDULED or bulletin.starts_at is None:
        return None
    left = bulletin.starts_at - now
    if left <= timedelta():
        return _("Any moment now")
    return format_timedelta(left, add_direction=True, locale=locale(), threshold=1)


def _headline(found: Report) -> str:
    bulletin = found.bulletin
    due = (
        in_words(bulletin.starts_at, bulletin.zone, current())
        if bulletin.starts_at is not None
        else ""
    )
    started = moment(bulletin.started, bulletin.zone) if bulletin.started else ""
    ended = moment(bulletin.ended, bulletin.zone) if bulletin.ended else ""
    words: dict[BulletinState, Callable[[], str]] = {
        BulletinState.DRAFT: lambda: _("A draft: nothing goes out."),
        BulletinState.SCHEDULED: lambda: _("Goes out on %(moment)s.", moment=due),
        BulletinState.HELD: lambda: _held(bulletin, due),
        BulletinState.SENDING: lambda: _("Going out since %(moment)s.", moment=started),
        BulletinState.FINISHED: lambda: _finished(bulletin, started),
        BulletinState.CANCELLED: lambda: _cancelled(bulletin, ended),
    }
    return words[BulletinState(bulletin.state)]()


def _held(bulletin: Bulletin, due: str) -> str:
    if bulletin.audience is None:
        return _(
            "It was due on %(moment)s but could not start in time, so it waits for you."
            " Nobody has got it.",
            moment=due,
        )
    if bulletin.held_code is None:
        return _("It was stopped on its way. Who has it keeps it; the rest waits for you.")
    return _(
        "It stopped by itself: Twilio refused it in a way that holds for everybody (code %(code)s)."
        " Who has it keeps it; the rest waits for you.",
        code=bulletin.held_code,
    )


def _cancelled(bulletin: Bulletin, ended: str) -> str:
    if bulletin.started is None:
        return _("Cancelled on %(moment)s, before it started. Nobody has got it.", moment=ended)
    return _("Stopped on %(moment)s, while it was going out.", moment=ended)


def _finished(bulletin: Bulletin, started: str) -> str:
    if bulletin.ended is None:
        return _("Sent on %(moment)s.", moment=started)
    return _(
        "Sent on %(moment)s, done at %(time)s.",
        moment=started,
        time=clock_time(bulletin.ended, bulletin.zone),
    )
