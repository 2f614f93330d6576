"""A request's body, which is not written once the moment to begin has passed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote_plus, urlencode

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from broadcaster.core.uptime import monotonic

_CONTENT_TYPE = "application/x-www-form-urlencoded"
# A bulletin's text is long, and the same for everybody.
_quote = lru_cache(maxsize=64)(quote_plus)


class TooLateError(Exception):
    """The moment to begin had passed; not one byte was written."""


class Form(aiohttp.BytesPayload):
    """A form that asks for the time once more, right before it is written.

    A line may be there at once, and then this process be busy with others, or be stopped. aiohttp
    keeps the headers back until there is a body to write with them, so nothing has left yet.

    Args:
        data: the fields.
        until: the moment on the monotonic clock after which nothing may be written.
    """

    def __init__(self, data: Mapping[str, object], *, until: float) -> None:
        form = urlencode(data, doseq=True, quote_via=_quote)
        super().__init__(form.encode(), content_type=_CONTENT_TYPE)
        self._until = until
        self._begun = False
        self.is_late = False

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write all of it, or nothing of the whole request.

        Raises:
            TooLateError: the moment has passed.
        """
        if monotonic() > self._until:
            self.is_late = True
            raise TooLateError
        self._begun = True
        await super().write_with_length(writer, content_length)

    def withdraw(self) -> bool:
        """Forbid to write it from now on; tell whether nothing of it was written."""
        self._until = -math.inf
        return not self._begun
