"""Files with secrets: for nobody else to read, never half written, nothing left of what stood there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Replace a file as a whole, on disk when this returns, and overwrite what stood there.

    What a disk or a file system has copied elsewhere by itself is out of our reach.

    Raises:
        OSError: it cannot be written; then it is as it was.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        move(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def move(source: Path, path: Path) -> None:
    """Put a file in the place of another one, and overwrite what stood there."""
    with contextlib.ExitStack() as stack:
        former = stack.enter_context(path.open("r+b")) if path.exists() else None
        source.replace(path)
        _sync(path.parent)
        if former is not None:
            former.write(bytes(os.fstat(former.fileno()).st_size))
            former.flush()
            os.fsync(former.fileno())


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
