"""The pages of a series: all that follow changed at once, and its end."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core import segments
from broadcaster.core.errors import Conflict, NotFound
from broadcaster.services import series
from broadcaster.services.series import Membership
from broadcaster.services.staff import Role
from broadcaster.storage import bulletins as stored
from broadcaster.storage.models import Bulletin
from broadcaster.web import compose, rhythm
from broadcaster.web.access import requires
from broadcaster.web.extensions import reading, runtime, writing
from broadcaster.web.formats import number
from broadcaster.web.forms import FollowingForm
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import ngettext

blueprint = Blueprint("series", __name__)
blueprint.add_app_template_global(rhythm.rhythm, "rhythm")
blueprint.add_app_template_filter(rhythm.weekday, "weekday")
blueprint.add_app_template_filter(rhythm.whole_day, "whole_day")


@blueprint.app_template_global("series_of")
def place(bulletin: Bulletin) -> Membership | None:
    """Return a bulletin's place in its series, if it is part of one."""
    if bulletin.series_id is None:
        return None
    return series.of(reading(), bulletin, runtime().clock.now())


@blueprint.get("/bulletins/<int:bulletin_id>/following")
@requires(Role.EDITOR)
def following(bulletin_id: int) -> BaseResponse | str:
    """Show the text of a bulletin, to change it there and in all that follow."""
    bulletin, found = _find(bulletin_id)
    if not found.changeable:
        return redirect(f"/bulletins/{bulletin_id}", 303)
    return _page(FollowingForm(obj=bulletin), bulletin, found)


@blueprint.post("/bulletins/<int:bulletin_id>/following")
@requires(Role.EDITOR)
def change_following(bulletin_id: int) -> BaseResponse:
    """Change the text of a bulletin and of all that follow it."""
    form = FollowingForm()
    if not compose.is_good(form):
        bulletin, found = _find(bulletin_id)
        return make_response(_page(form, bulletin, found, version=form.version.data), 422)
    try:
        with writing() as session:
            changed = series.change_following(
                session,
                bulletin_id,
                text=form.text.data or "",
                version=form.version.data or 0,
                now=runtime().clock.now(),
            )
    except Conflict:
        return _both(form, bulletin_id)
    words = ngettext(
        "Changed: %(number)s bulletin, and all that are made from now on.",
        "Changed: %(number)s bulletins, and all that are made from now on.",
        changed,
        number=number(changed),
    )
    flash(words, "good")
    return redirect(f"/bulletins/{bulletin_id}", 303)


@blueprint.post("/series/<int:series_id>/end")
@requires(Role.EDITOR)
def end(series_id: int) -> BaseResponse:
    """End a series; a second press finds it ended."""
    try:
        with writing() as session:
            taken_back = series.end(session, series_id, now=runtime().clock.now())
    except Conflict:
        flash(_("The series had ended already; nothing was done twice."), "good")
        return redirect("/bulletins", 303)
    words = ngettext(
        "The series has ended; %(number)s bulletin was taken back.",
        "The series has ended; %(number)s bulletins were taken back.",
        taken_back,
        number=number(taken_back),
    )
    flash(words, "good")
    return redirect("/bulletins", 303)


def _both(form: FollowingForm, bulletin_id: int) -> Response:
    """Show both texts after a conflict; what has begun or ended can no longer be changed."""
    bulletin, found = _find(bulletin_id)
    if not found.changeable:
        raise Conflict
    return make_response(_page(form, bulletin, found, theirs=bulletin.text), 409)


def _find(bulletin_id: int) -> tuple[Bulletin, Membership]:
    bulletin = stored.get(reading(), bulletin_id)
    found = place(bulletin)
    if found is None:
        raise NotFound
    return bulletin, found


def _page(
    form: FollowingForm,
    bulletin: Bulletin,
    found: Membership,
    *,
    theirs: str | None = None,
    version: int | None = None,
) -> str:
    return render_template(
        "bulletins/following.html",
        form=form,
        bulletin=bulletin,
        place=found,
        version=version or bulletin.version,
        theirs=theirs,
        segments=segments.count(form.text.data or ""),
        text_language=runtime().settings.organisation.language,
        here="bulletins",
    )
