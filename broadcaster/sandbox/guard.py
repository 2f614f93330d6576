"""Who may talk to a sandbox on a developer's machine: nobody but this machine, and no other site.

A web page anywhere can make a browser post to loopback, or let its own name point there. So the
Host must be a loopback name, and what changes something must not come from another origin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from broadcaster.sandbox.config import is_loopback
from broadcaster.sandbox.errors import ApiError, InvalidCommand, not_found
from broadcaster.sandbox.message import API_VERSION

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # With no-referrer a browser sends "Origin: null" with our own form, which is refused here.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign hosts and origins, and answer errors in the form the caller expects."""
    if not _is_local_host(request.host):
        return _refused("The sandbox answers to 127.0.0.1 and localhost only.")
    if request.method not in _SAFE and not _is_same_origin(request):
        return _refused("The sandbox takes nothing from other web pages.")
    try:
        return await handler(request)
    except InvalidCommand as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)
    except web.HTTPException as error:
        if error.status >= HTTPStatus.BAD_REQUEST and request.path.startswith(f"/{API_VERSION}"):
            return _twilio_error(request, error)
        raise


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to an answer that is about to be sent."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _is_local_host(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)


def _is_same_origin(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin == f"http://{request.host}"


def _refused(why: str) -> web.Response:
    return web.json_response({"error": why}, status=HTTPStatus.FORBIDDEN)


def _twilio_error(request: web.Request, error: web.HTTPException) -> web.Response:
    """Answer a path or method that Twilio does not have in Twilio's form."""
    if error.status == HTTPStatus.NOT_FOUND:
        body = not_found(request.path)
    else:
        status = HTTPStatus(error.status)
        body = ApiError(
            20004 if status == HTTPStatus.METHOD_NOT_ALLOWED else 20001,
            status.phrase,
            status=status,
        )
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return web.json_response(body.body(), status=error.status, headers=headers)
