"""Who may ask for what: every route declares it, and whatever declares nothing is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from flask import Flask, abort, current_app, g, request
from werkzeug.wrappers import Response

from broadcaster.services import staff
from broadcaster.services.staff import Member, Role, SessionLimits
from broadcaster.web.extensions import reading, runtime, writing

_DECLARED = "broadcaster_access"
_UNASKED = "broadcaster_unasked"
View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Declare that anybody may ask for this."""
    setattr(view, _DECLARED, frozenset())
    return view


def requires(*roles: Role) -> Callable[[View], View]:
    """Declare that these roles may ask for this; an admin always may."""

    def declare(view: View) -> View:
        setattr(view, _DECLARED, frozenset({*roles, Role.ADMIN}))
        return view

    return declare


def unasked(view: View) -> View:
    """Declare that the page itself asks for this, so it does not show that anybody is there."""
    setattr(view, _UNASKED, True)
    return view


def declared(app: Flask, endpoint: str) -> frozenset[Role] | None:
    """Return the roles an endpoint is for: empty for anybody, None where nothing was declared."""
    found: frozenset[Role] | None = getattr(app.view_functions.get(endpoint), _DECLARED, None)
    return found


def limits() -> SessionLimits:
    """Return how long sessions last here."""
    session = runtime().settings.session
    return SessionLimits(
        idle=timedelta(minutes=session.idle_minutes),
        absolute=timedelta(hours=session.absolute_hours),
    )


def member() -> Member | None:
    """Return who is signed in, if anybody."""
    found: Member | None = g.get("member")
    return found


def signed_in() -> Member:
    """Return who is signed in, on a page for staff only."""
    found = member()
    if found is None:
        abort(401)
    return found


def may(*roles: Role) -> bool:
    """Tell whether the member who asks has one of these roles, or is an admin."""
    found = member()
    return found is not None and found.role in {*roles, Role.ADMIN}


def is_secure() -> bool:
    """Tell whether people reach this server over https."""
    return runtime().settings.public_url.startswith("https:")


def recognise() -> None:
    """Find out who asks, before anything is decided."""
    g.member = None
    token = request.cookies.get(cookie_name())
    if not token or request.endpoint in {None, "static"} or request.blueprint == "webhooks":
        return
    now = runtime().clock.now()
    g.member = staff.who(reading(), token, limits=limits(), now=now)
    if g.member is not None and g.member.touch_due and not _is_unasked():
        with writing() as session:
            staff.touch(session, g.member.session, now=now)


def _is_unasked() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return "HX-Request" in request.headers and getattr(view, _UNASKED, False)


def enforce() -> None:
    """Refuse whoever the route is not for: 401 without a session, 403 with the wrong role."""
    if request.endpoint is None:
        return
    roles = declared(current_app, request.endpoint)
    if roles is None:
        abort(403)
    if not roles:
        return
    if signed_in().role not in roles:
        abort(403)


def cookie_name() -> str:
    """Return the cookie's name: bound to this host where https allows it."""
    return "__Host-session" if is_secure() else "session"


def give_cookie(response: Response, token: str) -> None:
    """Put a session's token into the browser; it goes when the browser closes."""
    response.set_cookie(
        cookie_name(), token, httponly=True, secure=is_secure(), samesite="Lax", path="/"
    )


def take_cookie(response: Response) -> None:
    """Take the session's token out of the browser."""
    response.delete_cookie(
        cookie_name(), httponly=True, secure=is_secure(), samesite="Lax", path="/"
    )
