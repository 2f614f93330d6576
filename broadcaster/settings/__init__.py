"""Everything that can be set, read once at the start and checked as a whole.

``load`` is the only reader of the environment. What it returns is frozen and complete.
"""

from __future__ import annotations

from broadcaster.settings.description import (
    Described,
    Documented,
    base_toml,
    describe,
    reference,
)
from broadcaster.settings.errors import SettingsError
from broadcaster.settings.key import key_bytes
from broadcaster.settings.loading import load
from broadcaster.settings.organisation import Organisation
from broadcaster.settings.secret import Secret
from broadcaster.settings.sections import (
    Database,
    Ledger,
    Log,
    Secrets,
    Sending,
    Session,
    Settings,
    Twilio,
    Web,
)

__all__ = [
    "Database",
    "Described",
    "Documented",
    "Ledger",
    "Log",
    "Organisation",
    "Secret",
    "Secrets",
    "Sending",
    "Session",
    "Settings",
    "SettingsError",
    "Twilio",
    "Web",
    "base_toml",
    "describe",
    "key_bytes",
    "load",
    "reference",
]
