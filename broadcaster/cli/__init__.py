"""The command line: ``broadcaster …``."""

from __future__ import annotations

from broadcaster.cli.entry import main

__all__ = ["main"]
