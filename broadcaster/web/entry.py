"""Signing in and out, and one's own account."""

from __future__ import annotations

import math

from flask import Blueprint, flash, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response

from broadcaster.core.errors import InvalidInput
from broadcaster.services import passwords, staff
from broadcaster.services.sign_in import SignedIn, sign_in
from broadcaster.services.staff import Role
from broadcaster.storage.staff import count_sessions
from broadcaster.web.access import (
    give_cookie,
    limits,
    member,
    public,
    requires,
    signed_in,
    take_cookie,
)
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.forms import PasswordForm, SignInForm
from broadcaster.web.links import local_path
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import ngettext

blueprint = Blueprint("entry", __name__)

_ROLE_WORDS = {
    Role.EDITOR: lambda: _("Editor"),
    Role.AUDITOR: lambda: _("Auditor"),
    Role.ADMIN: lambda: _("Admin"),
}


@blueprint.get("/login")
@public
def login_form() -> Response | str:
    """Ask for name and password; who is signed in already goes on."""
    found = member()
    if found is not None:
        return redirect(_start_page(found.role), 303)
    wanted = local_path(request.args.get("next")) or ""
    return render_template("login.html", form=SignInForm(formdata=None, next=wanted))


@blueprint.post("/login")
@public
def login() -> Response:
    """Sign in; every wrong answer gets the same words."""
    form = SignInForm()
    result = sign_in(
        runtime(),
        name=form.name.data or "",
        password=form.password.data or "",
        address=request.remote_addr or "",
        limits=limits(),
    )
    if isinstance(result, SignedIn):
        return _welcome(result, form.next.data)
    if result.wait is None:
        words, status = _("That name and password do not belong together."), 401
    else:
        seconds = math.ceil(result.wait.total_seconds())
        words = ngettext(
            "There were too many attempts. Wait %(number)s second and try again.",
            "There were too many attempts. Wait %(number)s seconds and try again.",
            seconds,
            number=seconds,
        )
        status = 429
    response = make_response(render_template("login.html", form=form, refused=words), status)
    if result.wait is not None:
        response.headers["Retry-After"] = str(math.ceil(result.wait.total_seconds()))
    return response


@blueprint.post("/logout")
@public
def logout() -> Response:
    """End the session; without one there is nothing to end."""
    found = member()
    if found is not None:
        with runtime().transaction() as transaction:
            staff.sign_out(transaction, found.session)
    return _goodbye()


@blueprint.get("/account")
@requires(*Role)
def account() -> str:
    """Show one's own account."""
    return _account(PasswordForm(formdata=None))


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
    with runtime().transaction() as transaction:
        staff.end_sessions(transaction, signed_in().id)
    return _goodbye()


def _account(form: PasswordForm) -> str:
    return render_template(
        "account.html",
        form=form,
        sessions=count_sessions(reading(), signed_in().id),
        role=_ROLE_WORDS[signed_in().role](),
        here="account",
    )


def _renew_password(form: PasswordForm) -> None:
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


def _welcome(result: SignedIn, wanted: str | None) -> Response:
    session.clear()  # a new form key for the new session
    before = member()
    if before is not None:
        with runtime().transaction() as transaction:
            staff.sign_out(transaction, before.session)
    with runtime().reading() as reader:
        found = staff.who(reader, result.token, limits=limits(), now=runtime().clock.now())
    start = _start_page(found.role) if found else "/"
    response = redirect(local_path(wanted) or start, 303)
    give_cookie(response, result.token)
    return response


def _start_page(role: Role) -> str:
    return "/ledger" if role is Role.AUDITOR else "/desk"


def _goodbye() -> Response:
    session.clear()
    flash(_("You are signed out."), "good")
    response = redirect("/login", 303)
    take_cookie(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response
