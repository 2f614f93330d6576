"""The language of a page: chosen in this browser, the member's, what the browser asks, or ours."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from broadcaster.web.access import is_secure, member, public
from broadcaster.web.extensions import runtime
from broadcaster.web.links import local_path
from broadcaster.web.wording import locale

LANGUAGES = {"en": "English", "nl": "Nederlands"}
_COOKIE = "language"
_YEAR = 365 * 24 * 3600

blueprint = Blueprint("languages", __name__)


def select() -> str:
    """Return the language for this request."""
    found = member()
    for chosen in (request.cookies.get(_COOKIE), found.language if found else None):
        if chosen in LANGUAGES:
            return chosen
    asked = request.accept_languages.best_match(list(LANGUAGES))
    if asked is not None:
        return asked
    own = runtime().settings.organisation.language
    return own if own in LANGUAGES else "en"


def current() -> str:
    """Return the language in which this page is written."""
    return str(locale().language)


@blueprint.get("/language/<any(en, nl):language>")
@public
def switch(language: str) -> Response:
    """Switch this browser to another language and go back to the page."""
    return remember(redirect(local_path(request.args.get("next")) or "/", 303), language)


def remember(response: Response, language: str) -> Response:
    """Let this browser keep a language, whoever uses it."""
    response.set_cookie(
        _COOKIE, language, max_age=_YEAR, httponly=True, secure=is_secure(), samesite="Lax"
    )
    return response
