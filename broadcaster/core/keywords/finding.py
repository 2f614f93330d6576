"""What a rule hands back when it fires."""

from __future__ import annotations

from typing import NamedTuple

from broadcaster.core.keywords.result import Intent


class Finding(NamedTuple):
    """An intent, and the rule that found it."""

    intent: Intent
    rule: str
    lists: tuple[int, ...] = ()
    also_in: tuple[int, ...] = ()
    also: tuple[Intent, ...] = ()
    languages: int = 0
    unsure: bool = False
