"""Every error as a page in the same frame: what happened, what to do, and what was typed."""

from __future__ import annotations

import structlog
from flask import Flask, Response, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge

from broadcaster.core.errors import Conflict, InvalidInput, NotFound
from broadcaster.web import uploads
from broadcaster.web.access import member
from broadcaster.web.forms import SignInForm
from broadcaster.web.links import local_path
from broadcaster.web.wording import gettext as _

_log = structlog.get_logger()
_UNPROCESSABLE = 422
_KEPT = frozenset({"Allow", "Retry-After"})
_LARGEST_TO_SHOW = 64 * 1024


def install(app: Flask) -> None:
    """Answer every error with a page of ours."""
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(NotFound, lambda _error: _page(404))
    app.register_error_handler(Conflict, lambda error: _page(409, str(error)))
    app.register_error_handler(InvalidInput, lambda error: _page(_UNPROCESSABLE, str(error)))
    app.register_error_handler(OperationalError, _no_database)
    app.register_error_handler(NoConnection, _no_connection)
    app.register_error_handler(InternalServerError, lambda _error: _page(500))


def _words(code: int) -> tuple[str, str]:
    """Return what happened and what to do about it."""
    unknown = (
        _("Something went wrong with us"),
        _("It was not your fault, and nothing was half done. Try again; if it stays, tell us."),
    )
    return {**_about_the_request(), **_about_the_moment()}.get(code, unknown)


def _about_the_request() -> dict[int, tuple[str, str]]:
    return {
        400: (
            _("That did not arrive as it should"),
            _("Go back, load the page again and try once more."),
        ),
        401: (_("Please sign in"), _("Your session has ended, or you have not signed in yet.")),
        403: (
            _("This is not for your account"),
            _("Your role does not allow this. Ask an admin if you need it."),
        ),
        404: (
            _("There is nothing here"),
            _("The address is wrong, or what was here has gone."),
        ),
        405: (_("That cannot be done here"), _("Go back and use the buttons of the page.")),
        413: (
            _("That is too much at once"),
            _("Send less: a bulletin has at most 1,600 characters."),
        ),
        422: (_("That cannot be accepted"), _("Look at what you filled in and change it.")),
    }


def _about_the_moment() -> dict[int, tuple[str, str]]:
    return {
        409: (
            _("Somebody was there first"),
            _("What you wanted to change has changed meanwhile. Look at it again."),
        ),
        429: (
            _("Please wait a moment"),
            _("There were too many attempts. Wait a minute and try again."),
        ),
        503: (
            _("We are out for a moment"),
            _("The service does not reach its database. Nothing is lost; try again soon."),
        ),
    }


def _page(code: int, detail: str | None = None, *, quiet: bool = False) -> Response:
    title, advice = _words(code)
    body = render_template(
        "error.html",
        code=code,
        title=title,
        advice=detail or advice,
        typed=None if quiet else _typed(),
        without_database=quiet,
    )
    return make_response(body, code)


def _http(error: HTTPException) -> Response:
    code = error.code or 500
    if request.path.startswith("/webhooks/"):
        # Read by a machine, or by somebody looking for a fault in Twilio's console.
        return Response(
            f"{error.name}\n", code, headers=_kept_headers(error), mimetype="text/plain"
        )
    if error.response is not None:
        # A redirect that routing asks for, not a fault.
        return make_response(error.response)
    if code == 401:  # noqa: PLR2004 - the status itself
        return _sign_in_first()
    is_too_large = isinstance(error, RequestEntityTooLarge)
    response = _page(code, uploads.advice() if is_too_large else None)
    if is_too_large:
        # What was not read may not be taken for the next request.
        response.headers["Connection"] = "close"
    response.headers.extend(_kept_headers(error))
    return response


def _kept_headers(error: HTTPException) -> dict[str, str]:
    return {name: value for name, value in error.get_headers() if name in _KEPT}


def _stale_form(error: CSRFError) -> Response:
    _log.info("form_without_token", endpoint=request.endpoint, reason=error.description)
    if member() is None and request.endpoint != "entry.login":
        # The session ended while they wrote; what they typed is on the page they sign in on.
        return _sign_in_first(400)
    return _page(400)


def _sign_in_first(code: int = 401) -> Response:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else request.path
    body = render_template(
        "login.html",
        form=SignInForm(formdata=None, next=local_path(wanted) or ""),
        notice=_words(401)[1],
        typed=_typed(),
    )
    response = make_response(body, code)
    if request.headers.get("HX-Request"):
        # A part of a page was asked for; the whole page has to ask for the password.
        response.headers["HX-Refresh"] = "true"
    return response


def _no_database(error: OperationalError) -> Response:
    _log.error("database_unreachable", kind=type(error.orig).__name__)
    return _page(503, quiet=True)


def _no_connection(_error: NoConnection) -> Response:
    _log.error("no_connection_free")
    return _page(503, quiet=True)


def _typed() -> str | None:
    # Reading the form of a body that was too large would fail again.
    if request.method != "POST" or (request.content_length or 0) > _LARGEST_TO_SHOW:
        return None
    return request.form.get("text") or None
