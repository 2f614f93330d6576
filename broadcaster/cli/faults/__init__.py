"""``broadcaster faults``: break everything around real processes, and judge what was sent."""

from broadcaster.cli.faults.command import faults

__all__ = ["faults"]
