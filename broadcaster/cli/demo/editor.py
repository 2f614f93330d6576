"""An editor or auditor at work: a small browser without scripts, over the product's own forms."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from http import HTTPStatus
from http.cookiejar import CookieJar
from zoneinfo import ZoneInfo

_TOKEN = re.compile(r'name="csrf_token"[^>]*?value="([^"]+)"')
_VERSION = re.compile(r'name="version"[^>]*?value="([0-9]+)"')
_TIMEOUT = 20


class PageError(RuntimeError):
    """A page did not answer as the story needs; the text says which and how."""


class Browser:
    """Signs in and fills in forms.

    Args:
        url: the product's address; only that is ever asked.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # Nothing of the environment: a proxy would see what stays on this machine.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )

    def sign_in(self, name: str, password: str) -> None:
        """Sign in by the form."""
        page = self.get("/login")
        self.post("/login", page, {"name": name, "password": password})

    def write_bulletin(self, list_id: int, text: str) -> str:
        """Write a bulletin and return the path of its page."""
        page = self.get("/bulletins/new")
        path, _page = self.post("/bulletins/new", page, {"list_id": str(list_id), "text": text})
        return path.removesuffix("/check")

    def schedule(self, bulletin: str, moment: datetime, zone: str) -> str:
        """Schedule a bulletin for a moment and return its page."""
        page = self.get(f"{bulletin}/check")
        local = moment.astimezone(ZoneInfo(zone))
        _path, answer = self.post(
            f"{bulletin}/schedule",
            page,
            {
                "date": local.date().isoformat(),
                "time": local.strftime("%H:%M:%S"),
                "zone": zone,
                "fold": str(local.fold) if local.fold else "",
            },
        )
        return answer

    def get(self, path: str) -> str:
        """Return a page."""
        return self._open(urllib.request.Request(self._url + path))[1]  # noqa: S310 - loopback only

    def post(self, path: str, page: str, fields: dict[str, str]) -> tuple[str, str]:
        """Send a form that stood on a page; return the path it led to and the page there."""
        hidden = {
            name: found.group(1)
            for name, pattern in (("csrf_token", _TOKEN), ("version", _VERSION))
            if (found := pattern.search(page))
        }
        data = urllib.parse.urlencode({**hidden, **fields}).encode()
        return self._open(urllib.request.Request(self._url + path, data=data))  # noqa: S310 - loopback only

    def download(self, path: str, page: str, fields: dict[str, str]) -> bytes:
        """Send a form that answers with a file, and return the file."""
        token = _TOKEN.search(page)
        hidden = {"csrf_token": token.group(1)} if token else {}
        data = urllib.parse.urlencode({**hidden, **fields}).encode()
        request = urllib.request.Request(self._url + path, data=data)  # noqa: S310 - loopback only
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            body: bytes = answer.read()
        return body

    def _open(self, request: urllib.request.Request) -> tuple[str, str]:
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                path = urllib.parse.urlsplit(answer.geturl()).path
                return path, answer.read().decode()
        except urllib.error.HTTPError as error:
            status = HTTPStatus(error.code)
            path = urllib.parse.urlsplit(request.full_url).path
            message = f"{request.get_method()} {path} answered {status.value} {status.phrase}"
            raise PageError(message) from error
