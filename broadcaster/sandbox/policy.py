"""How often and how patiently a webhook is tried: Twilio's defaults and its URL overrides.

Overrides stand in the fragment of the URL, such as ``#rc=3&rp=all``: ``ct`` and ``rt`` are the
time to connect and to read and ``tt`` all of it, in milliseconds; ``rc`` is how often to try
again, and ``rp`` after what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urldefrag

_MILLISECONDS = range(100, 15_001)
_CONNECT_MILLISECONDS = range(100, 10_001)
_RETRIES = range(6)
_OCCASIONS = frozenset({"4xx", "5xx", "ct", "rt", "all"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Seconds for connecting, reading and everything; how many retries, and after what."""

    connect: float = 5.0
    read: float = 15.0
    total: float = 15.0
    retries: int = 1
    occasions: frozenset[str] = frozenset({"ct"})

    def allows_retry(self, occasion: str, tries: int) -> bool:
        """Say whether to try again after ``tries`` tries, the last of which ended like this."""
        return tries <= self.retries and bool({occasion, "all"} & self.occasions)


def split(url: str, *, limit: float) -> tuple[str, Policy]:
    """Return a webhook's URL without its fragment, and the policy the fragment asks for.

    Args:
        url: the URL as configured.
        limit: seconds that no override may exceed.
    """
    bare, fragment = urldefrag(url)
    given = dict(parse_qsl(fragment))
    policy = Policy(
        connect=min(_seconds(given, "ct", 5.0, _CONNECT_MILLISECONDS), limit),
        read=min(_seconds(given, "rt", 15.0, _MILLISECONDS), limit),
        total=min(_seconds(given, "tt", 15.0, _MILLISECONDS), limit),
    )
    retries = _number(given.get("rc"))
    if retries in _RETRIES:
        policy = replace(policy, retries=retries)
    occasions = _OCCASIONS & set(given.get("rp", "").lower().split(","))
    return bare, replace(policy, occasions=occasions) if occasions else policy


def _seconds(given: Mapping[str, str], name: str, default: float, allowed: range) -> float:
    number = _number(given.get(name))
    return number / 1000 if number in allowed else default


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else -1  # noqa: PLR2004 - five digits hold 15,000
