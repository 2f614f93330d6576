"""Files to import, and how a test imports them."""

from __future__ import annotations

from broadcaster.core.address import Channel
from broadcaster.services import importing, sheet

WORDING = "Ja, ik wil het ochtendnieuws op mijn telefoon ontvangen."
COLUMNS = ("number", "when", "medium", "wording", "source")


def number(one: int) -> str:
    """A number kept for fiction, as a file has it."""
    return f"+1555010{one:04d}"


def row(one: int, **changes: str) -> dict[str, str]:
    """A row that proves that somebody agreed."""
    made = {
        "number": number(one),
        "when": "2026-03-03T14:00:00+01:00",
        "medium": "website",
        "wording": WORDING,
        "source": f"https://www.example.org/form#{one}",
    }
    return made | changes


class Importer:
    """Imports rows to the list NRC.

    Args:
        world: the newsroom.
        place: a directory for files.
    """

    def __init__(self, world, place):
        self.world = world
        self.place = place

    def file(self, rows, name="people.csv"):
        """Write a file."""
        path = self.place / name
        lines = [";".join(COLUMNS), *(";".join(one.values()) for one in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def order(
        self, path, *, channel=Channel.SMS, reason="moved from another system", actor="operator"
    ):
        """Look at a file and say what is imported."""
        with path.open("rb") as opened:
            found = sheet.survey(opened)
        with self.world.runtime.reading() as session:
            order = importing.prepare(
                session,
                keyword="NRC",
                channel=channel,
                reason=reason,
                actor=actor,
                sha256=found.sha256,
            )
        return found, order

    def run(self, rows, *, tell=lambda _done: None, **more):
        """Import rows; return the outcome."""
        path = rows if hasattr(rows, "open") else self.file(rows)
        found, order = self.order(path, **more)
        return importing.run(self.world.runtime, path, found, order, tell)

    def rehearse(self, rows, **more):
        """Import rows without doing so; return the outcome and what was refused."""
        path = self.file(rows)
        found, order = self.order(path, **more)
        with importing.rehearse(self.world.runtime, path, found, order, lambda _done: None) as (
            outcome,
            refusals,
        ):
            return outcome, list(refusals)
