"""What a verification found, step by step, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broadcaster.ledger.errors import LedgerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a verification.

    Attributes:
        name: Short name of the step.
        ok: Whether it held.
        detail: What was found, in a sentence.
        evidence: Documents that prove a failure, for example two checkpoints that contradict.
    """

    name: str
    ok: bool
    detail: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The steps in their order; the first that fails is the last.

    Attributes:
        steps: What was checked.
        remarks: What the reader should know beside: above all, what this does not prove.
    """

    steps: tuple[Step, ...]
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every step held."""
        return all(step.ok for step in self.steps)

    @property
    def failed(self) -> str | None:
        """The name of the step that failed, if one did."""
        return next((step.name for step in self.steps if not step.ok), None)

    def to_text(self) -> str:
        """Give one line per step and a verdict; nothing in it can steer a terminal."""
        lines = [
            f"{'ok' if step.ok else 'FAILED':<8}{step.name}: {step.detail}" for step in self.steps
        ]
        for step in self.steps:
            lines += [line for item in step.evidence for line in ("", *item.splitlines())]
        lines += [line for remark in self.remarks for line in ("", f"Mind: {remark}.")]
        verdict = "Verified." if self.ok else f"NOT verified: the step '{self.failed}' failed."
        return "".join(_visible(line) + "\n" for line in [*lines, "", verdict])

    def to_json(self) -> dict[str, object]:
        """Give the report as a JSON value."""
        steps = [
            {
                "name": step.name,
                "ok": step.ok,
                "detail": step.detail,
                "evidence": list(step.evidence),
            }
            for step in self.steps
        ]
        return {"ok": self.ok, "failed": self.failed, "steps": steps, "remarks": list(self.remarks)}


def _visible(line: str) -> str:
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in line
    )


def carry_out(checks: Sequence[tuple[str, Callable[[], str]]]) -> Report:
    """Take steps in their order, up to the first that fails.

    Args:
        checks: The name of each step, and what says in a sentence what it found or raises why not.
    """
    steps: list[Step] = []
    for name, check in checks:
        try:
            steps.append(Step(name=name, ok=True, detail=check()))
        except LedgerError as error:
            steps.append(Step(name=name, ok=False, detail=str(error)))
            break
    return Report(steps=tuple(steps))
