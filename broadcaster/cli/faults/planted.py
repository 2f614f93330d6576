"""Bugs that were planted on purpose: the judge is only as good as what it turns red for."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from broadcaster import resources
from broadcaster.cli.faults.plan import Setup
from broadcaster.core.errors import InvalidInput

#: The checkout, where there is one.
SOURCE = Path(resources.__file__).parents[1]
_PATCHES = SOURCE / "tests" / "faults" / "planted"
# The simulation is among the tests.
_PARTS = ("broadcaster", "config", "migrations", "tests")
_SETUP = "Set-up: "
_PATIENCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A planted bug.

    Args:
        name: of its patch.
        about: what it does, in a sentence.
        setup: on what it shows.
        patch: the file.
    """

    name: str
    about: str
    setup: Setup
    patch: Path


def bugs() -> list[Bug]:
    """Return all planted bugs.

    Raises:
        InvalidInput: this is not a checkout, so there are none.
    """
    found = sorted(_PATCHES.glob("*.patch"))
    if not found:
        message = (
            "The planted bugs are patches in tests/faults/planted of a checkout, and this program "
            "runs without one. Clone the repository and run: uv run broadcaster faults --planted"
        )
        raise InvalidInput(message)
    return [_read(path) for path in found]


def plant(bug: Bug, directory: Path) -> Path:
    """Copy the source and put a bug into it; return the copy.

    Raises:
        InvalidInput: the patch does not fit the code any more, or git is missing.
    """
    for part in _PARTS:
        shutil.copytree(
            SOURCE / part, directory / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    git = shutil.which("git")
    if git is None:
        message = "Patches are applied with git, which is not installed."
        raise InvalidInput(message)
    done = subprocess.run(  # noqa: S603 - our own patch, on our own copy
        [git, "apply", "--whitespace=nowarn", str(bug.patch)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
        cwd=directory,
        # The copy is not part of any repository around it.
        env={"PATH": os.defpath, "GIT_CEILING_DIRECTORIES": str(directory.parent)},
    )
    if done.returncode:
        message = f"{bug.patch.name} does not fit the code any more: {done.stderr.strip()}"
        raise InvalidInput(message)
    return directory


def _read(path: Path) -> Bug:
    """Read what stands above a patch: a sentence, and on what set-up it shows."""
    head = path.read_text(encoding="utf-8").partition("\n--- ")[0].splitlines()
    setup = next(line for line in head if line.startswith(_SETUP)).removeprefix(_SETUP)
    engine, database, workers = setup.split("/")
    return Bug(
        name=path.stem.replace("_", " "),
        about=head[0],
        setup=Setup(engine=engine, database=database, workers=int(workers)),
        patch=path,
    )
