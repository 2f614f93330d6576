"""Where the files shipped beside the package are: in a checkout or in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def directory(name: str) -> Path:
    """Return the directory of shipped files called ``name`` (``config`` or ``migrations``).

    Raises:
        FileNotFoundError: neither a checkout nor a wheel is around the package.
    """
    for base in (_PACKAGE / "_shipped", _PACKAGE.parent):
        candidate = base / name
        if candidate.is_dir():
            return candidate
    message = f"The directory {name!r} that belongs to Broadcaster is missing; install it again."
    raise FileNotFoundError(message)
