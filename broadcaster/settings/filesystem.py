"""Whether a path is on a disk of this machine: SQLite's locks fail over a network."""

from __future__ import annotations

from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "fuse.sshfs"}


def network_kind(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of network file system a path is on, or None.

    Args:
        path: absolute; it need not exist yet.
        mounts: the kernel's list of mounts; where there is none, nothing is known.
    """
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    nearest, kind = Path("/"), ""
    for line in lines:
        _, place, found, *_ = line.split(" ")
        mounted = Path(place.replace("\\040", " "))
        if path.is_relative_to(mounted) and len(mounted.parts) >= len(nearest.parts):
            nearest, kind = mounted, found
    return kind if kind in _NETWORK else None
