"""Routes that take larger files than all others, and what is said when a file is larger still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, request

_DECLARED = "broadcaster_upload"
View = TypeVar("View", bound=Callable[..., Any])


def accepts(most: int, advice: Callable[[], str]) -> Callable[[View], View]:
    """Declare that a route takes up to so many bytes.

    Args:
        most: bytes of the whole body.
        advice: says what to do with what is larger, in the reader's language.
    """

    def declare(view: View) -> View:
        setattr(view, _DECLARED, (most, advice))
        return view

    return declare


def open_wider() -> None:
    """Let this request bring as much as its route takes; before anybody reads its body."""
    found = _declared()
    if found is not None:
        request.max_content_length = found[0]


def advice() -> str | None:
    """Say what to do with what is too large for the route of this request, if it has a word on that."""
    found = _declared()
    return found[1]() if found is not None else None


def _declared() -> tuple[int, Callable[[], str]] | None:
    view = current_app.view_functions.get(request.endpoint or "")
    found: tuple[int, Callable[[], str]] | None = getattr(view, _DECLARED, None)
    return found
