"""What a run says at its end, to people and to machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from broadcaster.cli.faults.judge import Offence
from broadcaster.cli.faults.round import Outcome
from broadcaster.cli.output import say, say_table

HEADS = (
    "ROUND",
    "SET-UP",
    "PEOPLE",
    "BULLETINS",
    "ACCEPTED",
    "SPOILT",
    "LEFT",
    "BLOWS",
    "SECONDS",
    "VERDICT",
)
_WIDTHS = (5, 24, 6, 9, 8, 6, 4, 42, 7)


def line(cells: Sequence[str]) -> str:
    """Return a row of the table that grows while the rounds are played."""
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(_WIDTHS) :]])


def row(outcome: Outcome) -> tuple[str, ...]:
    """Return a round as a row."""
    plan = outcome.plan
    blows = ", ".join(f"{n}x {kind.value}" for kind, n in sorted(outcome.struck.items()))
    return (
        str(plan.number),
        str(plan.setup),
        str(plan.people),
        str(len(plan.bulletins)),
        str(outcome.accepted),
        str(outcome.spoilt),
        str(outcome.left),
        blows or "none",
        f"{outcome.seconds:.0f}",
        "passed" if outcome.passed else "BROKEN",
    )


def say_findings(outcome: Outcome, repeat: str) -> None:
    """Say what is wrong with a round, where its files are, and how to play it again."""
    for finding in outcome.findings:
        say(f"       {finding.offence.value}: {finding.where}")
    say(f"       Its files: {outcome.home}")
    say(f"       Again: {repeat}")


def say_totals(outcomes: Sequence[Outcome]) -> None:
    """Say the figures of a run: what was done, and each promise with the times it was broken."""
    struck = sum((one.struck for one in outcomes), Counter())
    found = offences(outcomes)
    say("")
    say_table(
        ("DONE", "TIMES"),
        [
            ("rounds", str(len(outcomes))),
            ("messages accepted by the provider", f"{sum(one.accepted for one in outcomes):,}"),
            ("requests that it spoilt", f"{sum(one.spoilt for one in outcomes):,}"),
            ("people who left during sending", f"{sum(one.left for one in outcomes):,}"),
            *((kind.value.replace("_", " "), str(n)) for kind, n in sorted(struck.items())),
        ],
    )
    say("")
    say_table(("BROKEN PROMISE", "TIMES"), [(one.value, str(found[one])) for one in Offence])


def offences(outcomes: Sequence[Outcome]) -> Counter[Offence]:
    """Count the broken promises of several rounds."""
    return Counter(finding.offence for one in outcomes for finding in one.findings)


def to_json(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """Return the rounds for machines."""
    return [
        {
            "round": one.plan.number,
            "setup": str(one.plan.setup),
            "people": one.plan.people,
            "bulletins": len(one.plan.bulletins),
            "accepted": one.accepted,
            "spoilt": one.spoilt,
            "left": one.left,
            "struck": {kind.value: n for kind, n in sorted(one.struck.items())},
            "seconds": round(one.seconds, 1),
            "passed": one.passed,
            "findings": [{"offence": f.offence.value, "where": f.where} for f in one.findings],
            "files": None if one.passed else str(one.home),
        }
        for one in outcomes
    ]
