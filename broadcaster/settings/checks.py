"""Rules between settings that are each right by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from broadcaster.settings.filesystem import network_kind
from broadcaster.settings.url import is_loopback_url, sqlite_path

Values = Mapping[str, object]
Fault = tuple[str, str]


def find_contradictions(values: Values) -> Iterable[Fault]:
    """Give each broken rule as the key to change and what is wrong with it.

    Args:
        values: those that are right by themselves, by key; others are left out.
    """
    for check in _CHECKS:
        yield from check(values)


def _demo_stays_here(values: Values) -> Iterable[Fault]:
    base = values.get("twilio.api_base")
    if values.get("mode") == "demo" and isinstance(base, str) and not is_loopback_url(base):
        message = (
            f"is {base}, but the demo never talks to the real Twilio; "
            "write the sandbox's address, or set mode to live"
        )
        yield "twilio.api_base", message


def _wait_outlasts_lease(values: Values) -> Iterable[Fault]:
    wait, lease = values.get("sending.opt_out_wait"), values.get("sending.lease")
    if isinstance(wait, float) and isinstance(lease, float) and wait <= lease:
        message = (
            f"is {wait:g} seconds, not longer than sending.lease ({lease:g}); make it longer, "
            "so that the answer to a stop outlasts every hand-over under way"
        )
        yield "sending.opt_out_wait", message


def _idle_within_session(values: Values) -> Iterable[Fault]:
    idle, hours = values.get("session.idle_minutes"), values.get("session.absolute_hours")
    if isinstance(idle, int) and isinstance(hours, int) and idle > hours * 60:
        message = f"is {idle}, longer than session.absolute_hours ({hours}); make it shorter"
        yield "session.idle_minutes", message


def _database_is_local(values: Values) -> Iterable[Fault]:
    path = sqlite_path(str(values.get("database.url", "")))
    kind = network_kind(path) if path else None
    if kind:
        message = (
            f"is on a network file system ({kind}), where SQLite loses data; "
            "use a local disk, or PostgreSQL"
        )
        yield "database.url", message


_CHECKS: tuple[Callable[[Values], Iterable[Fault]], ...] = (
    _demo_stays_here,
    _wait_outlasts_lease,
    _idle_within_session,
    _database_is_local,
)
