"""A disk that can be filled and emptied: a small one that is mounted, or a limit on file sizes."""

from __future__ import annotations

import errno
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

_FILLER = "filler"
_PIECE = 64 * 1024
_PATIENCE = 20
# A process that may write files of one byte can write none that matters.
_NEXT_TO_NOTHING = 1


class Disk(Protocol):
    """Where the database's files are."""

    def fill(self) -> None:
        """Let every write fail from now on."""
        ...

    def empty(self) -> None:
        """Let writes succeed again."""
        ...


class SmallDisk:
    """A file system in memory, as large as it is told; only root may mount one.

    Args:
        directory: an empty directory, over which it is mounted.
        megabytes: how much it holds.
        owner: whom it belongs to, if not us.
    """

    def __init__(self, directory: Path, *, megabytes: int, owner: str | None = None) -> None:
        self.directory = directory
        self._megabytes = megabytes
        self._owner = owner

    def mount(self) -> None:
        """Mount it.

        Raises:
            OSError: this machine does not let us.
        """
        options = f"size={self._megabytes}m,mode=0700"
        if self._owner is not None:
            options += f",uid={self._owner}"
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.directory))

    def unmount(self) -> None:
        """Give it back; what was on it is gone."""
        _run("umount", "--lazy", str(self.directory))

    def fill(self) -> None:
        """Write until nothing fits any more."""
        piece = b"\0" * _PIECE
        with (self.directory / _FILLER).open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def empty(self) -> None:
        """Take away what fills it."""
        (self.directory / _FILLER).unlink(missing_ok=True)


class SizeLimit:
    """A disk that only seems full: running processes may not write to files any more.

    Args:
        pids: tells which processes there are at this moment.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids

    def fill(self) -> None:
        """Forbid writing."""
        self._limit(_NEXT_TO_NOTHING)

    def empty(self) -> None:
        """Allow writing again."""
        self._limit(None)

    def _limit(self, most: int | None) -> None:
        for pid in self._pids():
            _soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if most is None else most, hard))


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program) or program
    done = subprocess.run(  # noqa: S603 - mount and umount, on a directory of our own
        [found, *arguments], capture_output=True, text=True, check=False, timeout=_PATIENCE
    )
    if done.returncode:
        message = f"{program} says: {done.stderr.strip()}"
        raise OSError(message)
