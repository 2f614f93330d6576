"""Files that commands write: never half of one, and never over something else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from broadcaster.core.errors import InvalidInput


def check_output(output: Path, *, force: bool) -> None:
    """Make sure that a file can be written.

    Raises:
        InvalidInput: it exists and may not be replaced, or its directory does not exist.
    """
    if output.exists() and not output.is_file():
        # Renaming over a device or a pipe would replace it, for every program on the machine.
        message = f"{output} is no ordinary file; choose another name."
        raise InvalidInput(message)
    if output.exists() and not force:
        message = f"{output} exists already; choose another name or add --force."
        raise InvalidInput(message)
    if not output.parent.is_dir():
        message = f"The directory {output.parent} does not exist."
        raise InvalidInput(message)


def write(output: Path, chunks: Iterable[bytes]) -> None:
    """Write beside the file and rename, so that there is never half of it."""
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            for chunk in chunks:
                out.write(chunk)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
