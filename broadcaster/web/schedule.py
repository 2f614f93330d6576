"""The check before sending: to whom, what is left out, and when."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import EDITABLE, BulletinState
from broadcaster.core.errors import Conflict, InvalidInput
from broadcaster.services import bulletins
from broadcaster.services.bulletins import Check
from broadcaster.services.staff import Role
from broadcaster.web import moments, presses
from broadcaster.web.access import requires, unasked
from broadcaster.web.extensions import reading, runtime, writing
from broadcaster.web.formats import number
from broadcaster.web.forms import VersionForm
from broadcaster.web.moments import Planned
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import ngettext

blueprint = Blueprint("schedule", __name__)


@blueprint.get("/bulletins/<int:bulletin_id>/check")
@requires(Role.EDITOR)
def check(bulletin_id: int) -> BaseResponse | str:
    """Show who would get a bulletin, and ask when."""
    found = bulletins.check(reading(), bulletin_id)
    if BulletinState(found.bulletin.state) not in EDITABLE:
        return redirect(f"/bulletins/{bulletin_id}", 303)
    return _page(found, moments.suggest(found.list.zone, runtime().clock.now()))


@blueprint.post("/bulletins/<int:bulletin_id>/schedule")
@requires(Role.EDITOR)
def schedule(bulletin_id: int) -> BaseResponse:
    """Let a bulletin go out at a moment."""
    planned = moments.read(request.form, runtime().clock.now())
    if planned.starts_at is None:
        return _again(bulletin_id, planned)
    return _set(bulletin_id, planned)


@blueprint.post("/bulletins/<int:bulletin_id>/send")
@requires(Role.EDITOR)
def send(bulletin_id: int) -> BaseResponse:
    """Let a bulletin go out at once."""
    zone = bulletins.check(reading(), bulletin_id).list.zone
    now = runtime().clock.now()
    return _set(bulletin_id, Planned(date="", time="", zone=zone, starts_at=now))


@blueprint.post("/bulletins/moment")
@requires(Role.EDITOR)
@unasked
def moment() -> str:
    """Say a moment that is being chosen back in words; nothing is kept."""
    planned = moments.read(request.form, runtime().clock.now())
    return render_template("bulletins/_moment.html", **_said(planned))


def _set(bulletin_id: int, planned: Planned) -> BaseResponse:
    version = VersionForm().version.data or 0
    now = runtime().clock.now()
    try:
        with writing() as session:
            bulletins.schedule(
                session,
                bulletin_id,
                version=version,
                starts_at=planned.starts_at if planned.date and planned.starts_at else now,
                zone=planned.zone,
                now=now,
            )
    except Conflict:
        return presses.second(bulletin_id, planned, version)
    except InvalidInput:
        # Nobody to send to, or the moment passed while the button was pressed.
        late = planned.date and planned.starts_at and planned.starts_at < now
        return _again(bulletin_id, moments.read(request.form, now) if late else planned)
    if planned.date:
        flash(_("Scheduled. You can change or cancel it until it starts."), "good")
    return redirect(f"/bulletins/{bulletin_id}", 303)


def _again(bulletin_id: int, planned: Planned) -> Response:
    found = bulletins.check(reading(), bulletin_id)
    if BulletinState(found.bulletin.state) not in EDITABLE:
        raise Conflict
    target = next((name for name in ("date", "time", "zone") if name in planned.bad), "")
    faults = [(target, planned.fault)] if planned.fault else []
    if not found.people:
        faults = [("", _("Nobody would get this bulletin: no one on the list can be reached."))]
    return make_response(_page(found, planned, faults), 422)


def _page(found: Check, planned: Planned, faults: list[tuple[str, str]] | None = None) -> str:
    near = [found.list.zone, runtime().settings.organisation.zone]
    return render_template(
        "bulletins/check.html",
        check=found,
        bulletin=found.bulletin,
        form=planned,
        bad=planned.bad,
        faults=faults,
        lines=_lines(found),
        closed=_closed(found, planned),
        join=runtime().replies.command(found.list.keyword, found.list.language),
        zones=dict.fromkeys([*near, *moments.zones()]),
        here="bulletins",
        **_said(planned),
    )


def _closed(found: Check, planned: Planned) -> int:
    """Count whom WhatsApp would refuse at that moment; of a bulletin on its way that is too late."""
    if found.bulletin.audience is not None:
        return 0
    moment = planned.starts_at or runtime().clock.now()
    return bulletins.outside_window(reading(), found.list.id, moment)


def _said(planned: Planned) -> dict[str, object]:
    return {
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
