"""What is wrong with the settings, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence

from broadcaster.core.errors import BroadcasterError


class SettingsError(BroadcasterError):
    """The settings cannot be used; every fault is listed, none repeats a secret.

    Args:
        faults: one sentence each: the key as it was set, what is wrong, what to do.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        lines = "\n".join(f"  - {fault}" for fault in self.faults)
        super().__init__(f"The settings cannot be used:\n{lines}")
