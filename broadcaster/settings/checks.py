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


def _wait_outlasts_hand_over(values: Values) -> Iterable[Fault]:
    wait, begin = values.get("sending.opt_out_wait"), values.get("sending.begin_within")
    if isinstance(wait, float) and isinstance(begin, float) and wait <= begin:
        message = (
            f"is {wait:g} seconds, not longer than sending.begin_within ({begin:g}); make it longer, "
            "so that the answer to a stop outlasts every hand-over under way"
        )
        yield "sending.opt_out_wait", message


def _list_settles_after_a_request(values: Values) -> Iterable[Fault]:
    """A request that is still under way is in no list: it would be taken for one that was lost."""
    settle, begin = values.get("sending.settle"), values.get("sending.begin_within")
    timeout = values.get("twilio.timeout")
    if not (isinstance(settle, float) and isinstance(begin, float) and isinstance(timeout, float)):
        return
    longest = begin + 2 * timeout
    if settle < longest:
        message = (
            f"is {settle:g} seconds, but a request may be under way for {longest:g} "
            "(sending.begin_within and twice twilio.timeout); "
            f"make it at least {longest:g}, or twilio.timeout shorter"
        )
        yield "sending.settle", message


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


def _distributed_shares_a_database(values: Values) -> Iterable[Fault]:
    database = str(values.get("database.url", ""))
    if values.get("engine") == "distributed" and sqlite_path(database):
        message = (
            "is distributed, but database.url names a SQLite file, which workers on several "
            "machines cannot share; set database.url to postgresql://…, or engine to embedded"
        )
        yield "engine", message


_CHECKS: tuple[Callable[[Values], Iterable[Fault]], ...] = (
    _demo_stays_here,
    _wait_outlasts_hand_over,
    _list_settles_after_a_request,
    _idle_within_session,
    _database_is_local,
    _distributed_shares_a_database,
)
