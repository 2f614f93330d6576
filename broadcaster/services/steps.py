"""Several things to do, of which one that fails keeps none of the others from being done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

_log = structlog.get_logger()

T = TypeVar("T")


class Steps:
    """Steps that are taken one after the other, whatever becomes of each."""

    def __init__(self) -> None:
        self._failed: list[Exception] = []

    def take(self, name: str, step: Callable[[], T], **of: int) -> T | None:
        """Take a step and return what it returns; None if it failed, which is logged.

        Args:
            name: what is done.
            step: does it.
            of: what it is done to, for the log.
        """
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - whatever it is, `end` tells of it
            _log.exception("step_failed", step=name, **of)
            self._failed.append(error)
            return None

    def end(self) -> None:
        """Raise the first of the errors, if a step failed: whoever asked for them has to know."""
        if self._failed:
            raise self._failed[0]
