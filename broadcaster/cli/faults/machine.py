"""What this machine has for breaking things; what it lacks is left out, and said."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
_SERVER_USER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The programs that faults are made with.

    Args:
        strace: kills a process at its N-th system call; None where it is missing.
        mounts: whether a small file system can be mounted, to be filled.
        postgresql: the directory of PostgreSQL's own programs; None where it cannot be started.
        server_user: whom the database server runs as, because root may not run it.
        missing: a sentence for each thing that cannot be done here.
    """

    strace: str | None
    mounts: bool
    postgresql: Path | None
    server_user: str | None
    missing: tuple[str, ...]


def look_around() -> Machine:
    """Find out what can be done on this machine."""
    missing: list[str] = []
    strace = shutil.which("strace")
    if strace is None:
        missing.append("strace is not installed, so no process is killed at a system call.")
    mounts = _is_root() and shutil.which("mount") is not None
    if not mounts:
        missing.append(
            "Only root may mount a small disk, so a full one is pretended by a limit on file sizes."
        )
    postgresql, server_user, why = _find_postgresql()
    if why:
        missing.append(why)
    return Machine(
        strace=strace,
        mounts=mounts,
        postgresql=postgresql,
        server_user=server_user,
        missing=tuple(missing),
    )


def _find_postgresql() -> tuple[Path | None, str | None, str]:
    """Return the server's programs, whom it runs as, and why it cannot be started."""
    if find_spec("psycopg") is None:
        return None, None, "There is no driver for PostgreSQL: pip install 'broadcaster[scale]'."
    found = shutil.which("initdb")
    installed = sorted(_DEBIAN.glob("*/bin/initdb"))
    if found is None and not installed:
        return None, None, "PostgreSQL's initdb is not installed, so there is no such database."
    directory = Path(found).resolve().parent if found else installed[-1].parent
    if not _is_root():
        return directory, None, ""
    if shutil.which("runuser") is None or not _is_user(_SERVER_USER):
        why = "PostgreSQL does not run as root, and there is no runuser or no user postgres."
        return None, None, why
    return directory, _SERVER_USER, ""


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _is_root() -> bool:
    return os.geteuid() == 0
