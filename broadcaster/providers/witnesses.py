"""The way to witnesses: one POST, bounded in time and size, to the address in the settings only."""

from __future__ import annotations

import urllib.error
import urllib.request
from email.message import Message
from typing import IO

from broadcaster.services.witnessing import Reply

_TIMEOUT = 10.0
_LARGEST_ANSWER = 100_000


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is moved is an answer like any other, and no signature."""

    def redirect_request(  # noqa: PLR0917 - as the standard library calls it
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """Follow none."""
        del req, fp, code, msg, headers, newurl


# No proxy from the environment: where we ask is what the settings say.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


def post(url: str, body: bytes) -> Reply:
    """Post a body to a witness.

    Raises:
        OSError: there is no answer in time.
    """
    headers = {"Content-Type": "application/octet-stream", "User-Agent": "broadcaster"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - https, by the settings
    try:
        with _opener.open(request, timeout=_TIMEOUT) as answer:
            return Reply(answer.status, answer.headers.get_content_type(), _read(answer))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers.get_content_type(), _read(error))


def _read(answer: IO[bytes]) -> bytes:
    return answer.read(_LARGEST_ANSWER)
