"""How the verifier says no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


class Refused(Exception):  # noqa: N818 - reads as what it says
    """What was found wrong; evidence are the checkpoints that contradict each other."""

    def __init__(self, what: str, evidence: Sequence[bytes] = ()) -> None:
        super().__init__(what)
        self.evidence = [note.decode("utf-8") for note in evidence]


def refuse(what: str, evidence: Sequence[bytes] = ()) -> NoReturn:
    """Say what is wrong."""
    raise Refused(what, evidence)


def need(holds: object, what: str) -> None:
    """Refuse what does not hold."""
    if not holds:
        refuse(what)
