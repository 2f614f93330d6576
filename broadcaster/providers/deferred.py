"""A provider that is loaded at its first use: most commands talk to nobody.

Twilio's library and what it needs take 14 MiB and a third of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from broadcaster.ports import Provider


def deferred(load: Callable[[], Provider]) -> Provider:
    """Return a provider that is what ``load`` returns, from the first time that it is asked for anything."""
    return cast("Provider", _Deferred(load))


class _Deferred:
    def __init__(self, load: Callable[[], Provider]) -> None:
        self._load = load

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the provider has
        if name.startswith("_"):
            raise AttributeError(name)
        loaded = self._load()
        # From now on nothing stands between: what was asked for is found at once.
        for method in dir(loaded):
            if not method.startswith("_"):
                setattr(self, method, getattr(loaded, method))
        return getattr(loaded, name)
