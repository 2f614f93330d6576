"""Writing a bulletin: its list and its text, counted while it is typed."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core import segments
from broadcaster.core.bulletin import EDITABLE, BulletinState
from broadcaster.core.errors import Conflict
from broadcaster.services import bulletins
from broadcaster.services.staff import Role
from broadcaster.storage import bulletins as stored
from broadcaster.storage import lists
from broadcaster.storage.models import Bulletin
from broadcaster.web.access import requires, signed_in, unasked
from broadcaster.web.extensions import reading, runtime, writing
from broadcaster.web.formats import number
from broadcaster.web.forms import BulletinForm, FollowingForm, unify_lines
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("compose", __name__)


@blueprint.get("/bulletins/new")
@requires(Role.EDITOR)
def new() -> str:
    """Show an empty form."""
    return _page(_form(None))


@blueprint.post("/bulletins/new")
@requires(Role.EDITOR)
def create() -> BaseResponse:
    """Keep a first version."""
    form = _form(None)
    if not is_good(form):
        return make_response(_page(form), 422)
    with writing() as session:
        made = bulletins.draft(
            session,
            list_id=form.list_id.data,
            text=form.text.data or "",
            author_id=signed_in().id,
            now=runtime().clock.now(),
        )
    return _onward(made.id)


@blueprint.get("/bulletins/<int:bulletin_id>/edit")
@requires(Role.EDITOR)
def edit(bulletin_id: int) -> BaseResponse | str:
    """Show a bulletin's form while it can still be changed, its page afterwards."""
    bulletin = stored.get(reading(), bulletin_id)
    if not _is_open(bulletin):
        return redirect(f"/bulletins/{bulletin_id}", 303)
    return _page(_form(bulletin), bulletin)


@blueprint.post("/bulletins/<int:bulletin_id>/edit")
@requires(Role.EDITOR)
def save(bulletin_id: int) -> BaseResponse:
    """Keep a changed text, unless somebody else changed it meanwhile."""
    bulletin = stored.get(reading(), bulletin_id)
    form = _form(bulletin)
    if not is_good(form):
        return make_response(_page(form, bulletin, version=form.version.data), 422)
    try:
        with writing() as session:
            bulletins.revise(
                session,
                bulletin_id,
                list_id=form.list_id.data,
                text=form.text.data or "",
                version=form.version.data or 0,
                now=runtime().clock.now(),
            )
    except Conflict:
        return _both(form, bulletin_id)
    return _onward(bulletin_id)


@blueprint.post("/bulletins/count")
@requires(Role.EDITOR)
@unasked
def count() -> str:
    """Count a text that is being typed; nothing is kept."""
    text = unify_lines(request.form.get("text")) or ""
    return render_template("bulletins/_count.html", segments=segments.count(text))


def is_good(form: BulletinForm | FollowingForm) -> bool:
    """Tell whether a text can be sent; what is wrong is put beside it."""
    if not form.validate():
        return False
    text = form.text.data or ""
    length = segments.count_characters(text)
    if not text.strip():
        fault = _("Write at least one character.")
    elif length > segments.MAX_CHARACTERS:
        fault = _("The text has %(number)s characters: at most 1,600 fit.", number=number(length))
    else:
        return True
    form.text.errors = [fault]
    return False


def _both(form: BulletinForm, bulletin_id: int) -> Response:
    """Show both texts after a conflict; what goes out already can no longer be changed."""
    theirs = stored.get(reading(), bulletin_id)
    if not _is_open(theirs):
        raise Conflict
    return make_response(_page(form, theirs, theirs=theirs.text), 409)


def _is_open(bulletin: Bulletin) -> bool:
    """Tell whether the text can still be changed: not once anybody has it."""
    return BulletinState(bulletin.state) in EDITABLE and bulletins.is_rewritable(
        reading(), bulletin
    )


def _form(bulletin: Bulletin | None) -> BulletinForm:
    form = BulletinForm(obj=bulletin)
    every = lists.every(reading())
    form.list_id.choices = [(item.id, f"{item.name} ({item.keyword})") for item in every]
    return form


def _onward(bulletin_id: int) -> BaseResponse:
    if request.form.get("then") == "stay":
        flash(_("Saved."), "good")
        return redirect(f"/bulletins/{bulletin_id}/edit", 303)
    return redirect(f"/bulletins/{bulletin_id}/check", 303)


def _page(
    form: BulletinForm,
    bulletin: Bulletin | None = None,
    *,
    theirs: str | None = None,
    version: int | None = None,
) -> str:
    return render_template(
        "bulletins/edit.html",
        form=form,
        bulletin=bulletin,
        version=version or (bulletin.version if bulletin else None),
        theirs=theirs,
        segments=segments.count(form.text.data or ""),
        text_language=runtime().settings.organisation.language,
        here="bulletins",
    )
