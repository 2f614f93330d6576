"""A value that hides itself wherever it is printed."""

from __future__ import annotations

import hmac
from typing import final


@final
class Secret:
    """A password, token or key; only ``reveal`` gives the text away.

    An empty secret is false: nothing was set.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "Secret(•••)" if self._text else "Secret(not set)"

    __str__ = __repr__


UNSET = Secret()
