"""One's own account: language, password, and where one is signed in."""

from __future__ import annotations

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from broadcaster.core.errors import InvalidInput
from broadcaster.services import passwords, staff
from broadcaster.services.staff import Role
from broadcaster.storage.staff import count_sessions
from broadcaster.web.access import requires, signed_in
from broadcaster.web.entry import goodbye
from broadcaster.web.extensions import reading, runtime, stop_reading, writing
from broadcaster.web.forms import PasswordForm
from broadcaster.web.languages import LANGUAGES, remember
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("account", __name__)

_ROLE_WORDS = {
    Role.EDITOR: lambda: _("Editor"),
    Role.AUDITOR: lambda: _("Auditor"),
    Role.ADMIN: lambda: _("Admin"),
}


@blueprint.get("/account")
@requires(*Role)
def account() -> str:
    """Show one's own account."""
    return _account(PasswordForm(formdata=None))


@blueprint.post("/account")
@requires(*Role)
def change_language() -> Response:
    """Remember the language of one's account; this browser follows at once."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(422)
    with writing() as transaction:
        staff.change_language(transaction, signed_in().id, chosen)
    return remember(redirect("/account", 303), chosen)


@blueprint.post("/account/password")
@requires(*Role)
def change_password() -> Response:
    """Change one's own password; sessions elsewhere end."""
    form = PasswordForm()
    if form.validate():
        try:
            _renew_password(form)
        except InvalidInput:
            _explain(form)
        else:
            flash(_("Your password has changed. You are signed out everywhere else."), "good")
            return redirect("/account", 303)
    return make_response(_account(form), 422)


@blueprint.post("/account/sessions")
@requires(*Role)
def sign_out_everywhere() -> Response:
    """End all of one's sessions, this one too."""
    with writing() as transaction:
        staff.end_sessions(transaction, signed_in().id)
    return goodbye()


def _account(form: PasswordForm) -> str:
    return render_template(
        "account.html",
        form=form,
        sessions=count_sessions(reading(), signed_in().id),
        role=_ROLE_WORDS[signed_in().role](),
        here="account",
    )


def _renew_password(form: PasswordForm) -> None:
    stop_reading()
    staff.change_password(
        runtime(),
        signed_in().id,
        current=form.current.data or "",
        new=form.new.data or "",
        keep=signed_in().session,
    )


def _explain(form: PasswordForm) -> None:
    """Say beside the field what is wrong, in the reader's language."""
    try:
        passwords.check_new(form.new.data or "", name=signed_in().name)
    except InvalidInput:
        words = _(
            "Use 12 to 256 characters, without your name and without one letter over and over."
        )
        form.new.errors = [words]
    else:
        form.current.errors = [_("That is not your current password.")]
