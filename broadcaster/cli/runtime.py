"""The runtime that commands work with: settings, keys, and a database of our own version."""

from __future__ import annotations

from broadcaster.bootstrap import build_runtime
from broadcaster.runtime import Runtime
from broadcaster.settings import load
from broadcaster.storage import schema


def open_runtime(*, live: bool = False) -> Runtime:
    """Load the settings and open the database, but only if it is of our version.

    Args:
        live: also make sure that everything is set that talking with Twilio needs.

    Raises:
        SettingsError: the settings have faults.
        DatabaseMismatch: the database is missing, damaged, or of another version.
    """
    runtime = build_runtime(load(live=live))
    schema.check(runtime.database)
    return runtime
