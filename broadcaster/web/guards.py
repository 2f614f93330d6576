"""What is asked of every request before it is looked at, and said with every answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.sansio.utils import host_is_trusted

from broadcaster.web import uploads
from broadcaster.web.access import is_secure
from broadcaster.web.extensions import runtime

MOST_FIELDS = 200
# Names by which the machine itself asks, for a health check or a first look.
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WEBHOOKS = "/webhooks/"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def configure(app: Flask) -> None:
    """Set the limits that Flask and Werkzeug keep themselves."""
    app.config.update(
        MAX_CONTENT_LENGTH=256 * 1024,
        MAX_FORM_MEMORY_SIZE=256 * 1024,
        MAX_FORM_PARTS=MOST_FIELDS,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        PREFERRED_URL_SCHEME="https",
    )


def check_request() -> None:
    """Refuse a foreign host, a method nobody needs, a foreign origin, and too many fields."""
    if not host_is_trusted(request.host, _hosts()):
        abort(403 if request.path.startswith(_WEBHOOKS) else 400)
    if request.method == "TRACE":
        raise MethodNotAllowed(valid_methods=["GET", "HEAD", "OPTIONS", "POST"])
    # A webhook proves itself by its signature, and reads its own body.
    if request.method in _SAFE or request.path.startswith(_WEBHOOKS):
        return
    if not _is_own_origin():
        abort(403)
    uploads.open_wider()
    if sum(1 for _ in request.form.items(multi=True)) + len(request.files) > MOST_FIELDS:
        abort(413)


def add_headers(response: Response) -> Response:
    """Say with every answer what a browser may do with it."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if is_secure():
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _hosts() -> list[str]:
    own = urlsplit(runtime().settings.public_url).hostname
    return [*_LOOPBACK, *([f"[{own}]" if ":" in own else own] if own else [])]


def _is_own_origin() -> bool:
    origin = request.headers.get("Origin")
    # Under our own referrer policy a browser writes "null" here; Sec-Fetch-Site, which no page
    # can forge, then tells ours from a foreign one. A client that sends neither is no browser.
    if origin is None or origin == "null":
        site = request.headers.get("Sec-Fetch-Site")
        return site == "same-origin" or (origin is None and site in {None, "none"})
    parts = urlsplit(origin)
    return parts.netloc == request.host and parts.scheme == ("https" if is_secure() else "http")
