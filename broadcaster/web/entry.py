"""Signing in and out."""

from __future__ import annotations

import math

from flask import (
    Blueprint,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
)
from werkzeug.wrappers import Response

from broadcaster.services import staff
from broadcaster.services.sign_in import SignedIn, sign_in
from broadcaster.services.staff import Role
from broadcaster.web.access import (
    give_cookie,
    limits,
    member,
    public,
    take_cookie,
)
from broadcaster.web.extensions import reading, runtime, stop_reading, writing
from broadcaster.web.forms import SignInForm
from broadcaster.web.links import local_path
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import ngettext

blueprint = Blueprint("entry", __name__)


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
    stop_reading()
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
        with writing() as transaction:
            staff.sign_out(transaction, found.session)
    return goodbye()


def _welcome(result: SignedIn, wanted: str | None) -> Response:
    session.clear()  # a new form key for the new session
    before = member()
    if before is not None:
        with writing() as transaction:
            staff.sign_out(transaction, before.session)
    found = staff.who(reading(), result.token, limits=limits(), now=runtime().clock.now())
    start = _start_page(found.role) if found else "/"
    response = redirect(local_path(wanted) or start, 303)
    give_cookie(response, result.token)
    return response


def _start_page(role: Role) -> str:
    return "/ledger" if role is Role.AUDITOR else "/desk"


def goodbye() -> Response:
    """End what this browser keeps of a session, and lead back to the door."""
    session.clear()
    flash(_("You are signed out."), "good")
    response = redirect("/login", 303)
    take_cookie(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response
