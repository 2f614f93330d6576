"""The check before sending: to whom, what is left out, and when."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import EDITABLE, BulletinState
from broadcaster.core.errors import Conflict, InvalidInput
from broadcaster.services import bulletins, senders, series
from broadcaster.services.bulletins import Check
from broadcaster.services.staff import Role
from broadcaster.web import moments, presses, repetition, until
from broadcaster.web.access import requires, unasked
from broadcaster.web.extensions import reading, runtime, writing
from broadcaster.web.formats import number
from broadcaster.web.forms import VersionForm
from broadcaster.web.moments import Planned
from broadcaster.web.repetition import Repetition
from broadcaster.web.until import Until
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import ngettext

blueprint = Blueprint("schedule", __name__)

# What may be wrong, in the order of the page.
_FIELDS = ("date", "time", "zone", "last_date", "gap", "overlap")


@blueprint.get("/bulletins/<int:bulletin_id>/check")
@requires(Role.EDITOR)
def check(bulletin_id: int) -> BaseResponse | str:
    """Show who would get a bulletin, and ask when."""
    found = bulletins.check(reading(), bulletin_id)
    if BulletinState(found.bulletin.state) not in EDITABLE:
        return redirect(f"/bulletins/{bulletin_id}", 303)
    return _page(found, _suggest(found))


@blueprint.post("/bulletins/<int:bulletin_id>/schedule")
@requires(Role.EDITOR)
def schedule(bulletin_id: int) -> BaseResponse:
    """Let a bulletin go out at a moment, or be the first of a series."""
    planned, chosen = repetition.read(request.form, runtime().clock.now())
    if planned.starts_at is None or _until(planned, chosen).fault:
        return _again(bulletin_id, planned, chosen)
    return _set(bulletin_id, planned, chosen)


@blueprint.post("/bulletins/<int:bulletin_id>/send")
@requires(Role.EDITOR)
def send(bulletin_id: int) -> BaseResponse:
    """Let a bulletin go out at once."""
    zone = bulletins.check(reading(), bulletin_id).list.zone
    now = runtime().clock.now()
    planned = Planned(date="", time="", zone=zone, starts_at=now)
    if _until(planned, Repetition()).fault:
        return _again(bulletin_id, planned, Repetition())
    return _set(bulletin_id, planned, Repetition())


@blueprint.post("/bulletins/moment")
@requires(Role.EDITOR)
@unasked
def moment() -> str:
    """Say a moment that is being chosen back in words; nothing is kept."""
    planned, chosen = repetition.read(request.form, runtime().clock.now())
    ends = _until(planned, chosen, takes=until.read_seconds(request.form.get("takes", "")))
    return render_template("bulletins/_moment.html", **_said(planned, chosen, ends))


def _suggest(found: Check) -> Planned:
    """Suggest the moment that a bulletin of a series was made for; else one of today."""
    now = runtime().clock.now()
    place = series.of(reading(), found.bulletin, now)
    if place is None or place.starts_at <= now:
        return moments.suggest(found.list.zone, now)
    return moments.show(place.starts_at, place.series.zone, now)


def _set(bulletin_id: int, planned: Planned, chosen: Repetition) -> BaseResponse:
    version = VersionForm().version.data or 0
    now = runtime().clock.now()
    try:
        with writing() as session:
            _keep(session, bulletin_id, version, planned, chosen)
    except Conflict:
        return presses.second(bulletin_id, planned, version)
    except InvalidInput:
        # Nobody to send to, or the moment passed while the button was pressed.
        if planned.date and planned.starts_at and planned.starts_at < now:
            planned, chosen = repetition.read(request.form, now)
        return _again(bulletin_id, planned, chosen)
    if chosen.recurrence is not None:
        words = _(
            "The series is scheduled. Each bulletin can be changed or cancelled until it starts."
        )
        flash(words, "good")
    elif planned.date:
        flash(_("Scheduled. You can change or cancel it until it starts."), "good")
    return redirect(f"/bulletins/{bulletin_id}", 303)


def _keep(
    session: Session, bulletin_id: int, version: int, planned: Planned, chosen: Repetition
) -> None:
    now = runtime().clock.now()
    if chosen.recurrence is not None:
        series.make(
            session,
            bulletin_id,
            version=version,
            recurrence=chosen.recurrence,
            made_as=chosen.made_as,
            now=now,
        )
        return
    bulletins.schedule(
        session,
        bulletin_id,
        version=version,
        starts_at=planned.starts_at if planned.date and planned.starts_at else now,
        zone=planned.zone,
        now=now,
        not_after=_until(planned, chosen).not_after,
    )


def _until(
    planned: Planned, chosen: Repetition, *, kept: str = "", takes: timedelta = timedelta()
) -> Until:
    """Read until when it goes out; in a series each ends when the settings say."""
    typed = request.form.get("until", kept) if chosen.repeat == repetition.ONCE else ""
    return until.read(typed, starts_at=planned.starts_at, zone=planned.zone, takes=takes)


def _again(bulletin_id: int, planned: Planned, chosen: Repetition) -> Response:
    found = bulletins.check(reading(), bulletin_id)
    if BulletinState(found.bulletin.state) not in EDITABLE:
        raise Conflict
    target = next((name for name in _FIELDS if name in planned.bad), "")
    faults = [(target, planned.fault)] if planned.fault else []
    end = _until(planned, chosen).fault
    faults += [("until", end)] if end else []
    if not found.people:
        faults = [("", _("Nobody would get this bulletin: no one on the list can be reached."))]
    return make_response(_page(found, planned, chosen, faults), 422)


def _page(
    found: Check,
    planned: Planned,
    chosen: Repetition | None = None,
    faults: list[tuple[str, str]] | None = None,
) -> str:
    near = [found.list.zone, runtime().settings.organisation.zone]
    chosen = chosen or Repetition()
    now = runtime().clock.now()
    numbers = senders.of_list(reading(), runtime().settings, found.list.id, now)
    takes = senders.duration(numbers, found.recipients, found.segments.segments)
    closed = _closed(found, planned)
    return render_template(
        "bulletins/check.html",
        check=found,
        bulletin=found.bulletin,
        form=planned,
        bad=planned.bad,
        faults=faults,
        lines=_lines(found),
        closed=closed,
        limited=next((one for one in numbers if one.room is not None and closed > one.room), None),
        takes=int(takes.total_seconds()),
        at_once=until.read("", starts_at=now, zone=found.list.zone, takes=takes),
        join=runtime().replies.command(found.list.keyword, found.list.language),
        zones=dict.fromkeys([*near, *moments.zones()]),
        here="bulletins",
        rounds=repetition.ROUNDS,
        **_said(
            planned,
            chosen,
            _until(planned, chosen, kept=until.kept(found.bulletin), takes=takes),
        ),
    )


def _closed(found: Check, planned: Planned) -> int:
    """Count whom WhatsApp would refuse at that moment; of a bulletin on its way that is too late."""
    if found.bulletin.audience is not None:
        return 0
    moment = planned.starts_at or runtime().clock.now()
    return bulletins.outside_window(reading(), found.list.id, moment)


def _said(planned: Planned, chosen: Repetition, ends: Until) -> dict[str, object]:
    return {
        "until": ends,
        "repetition": chosen,
        "fault": planned.fault,
        "echo": planned.echo,
        "folds": planned.folds,
        "fold": planned.fold,
    }


def _lines(found: Check) -> list[str]:
    lines = []
    for channel, people in sorted(found.recipients.items(), reverse=True):
        if channel is Channel.WHATSAPP:
            lines.append(_("%(number)s on WhatsApp", number=number(people)))
        elif found.segments.segments == 1:
            lines.append(_("%(number)s by SMS", number=number(people)))
        else:
            lines.append(
                ngettext(
                    "%(number)s by SMS × %(each)s = %(all)s message",
                    "%(number)s by SMS × %(each)s = %(all)s messages",
                    found.sms,
                    number=number(people),
                    each=number(found.segments.segments),
                    all=number(found.sms),
                )
            )
    return lines
