"""What goes wrong on purpose: slow, refused, broken, cut and hanging answers, by a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random

from broadcaster.sandbox.errors import InvalidCommand


class Fault(StrEnum):
    """One thing that can go wrong with a request or with a status callback."""

    LATENCY = "latency"
    TOO_MANY_REQUESTS = "too_many_requests"
    SERVER_ERROR = "server_error"
    CLOSE_BEFORE_ACCEPT = "close_before_accept"
    HANG_BEFORE_ACCEPT = "hang_before_accept"
    LATE_ACCEPT = "late_accept"
    SERVER_ERROR_AFTER_ACCEPT = "server_error_after_accept"
    CLOSE_AFTER_ACCEPT = "close_after_accept"
    HANG_AFTER_ACCEPT = "hang_after_accept"
    GARBAGE_AFTER_ACCEPT = "garbage_after_accept"
    CUT_AFTER_ACCEPT = "cut_after_accept"
    DROP_CALLBACK = "drop_callback"
    REPEAT_CALLBACK = "repeat_callback"
    REORDER_CALLBACK = "reorder_callback"


BEFORE_ACCEPT = frozenset(
    {
        Fault.TOO_MANY_REQUESTS,
        Fault.SERVER_ERROR,
        Fault.CLOSE_BEFORE_ACCEPT,
        Fault.HANG_BEFORE_ACCEPT,
    }
)

_CALLBACK_ONLY = frozenset({Fault.DROP_CALLBACK, Fault.REPEAT_CALLBACK, Fault.REORDER_CALLBACK})
_OPERATIONS = frozenset({"create", "list", "fetch", "update", "delete", "callback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One fault, and when it strikes.

    Args:
        fault: what goes wrong.
        operation: create, list, fetch, update, delete or callback.
        probability: how often, from 0 to 1.
        next: only the next so many requests of that operation; ``None`` has no end.
        seconds: how long latency, a hang, or a late acceptance takes; how long a reordered
            callback waits for the next one of its message to overtake it.
    """

    fault: Fault
    operation: str = "create"
    probability: float = 1.0
    next: int | None = None
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a rule that can never strike.

        Raises:
            InvalidCommand: the operation, probability or count makes no sense.
        """
        if self.operation not in _OPERATIONS:
            message = f"operation must be one of {', '.join(sorted(_OPERATIONS))}."
            raise InvalidCommand(message)
        if not 0 <= self.probability <= 1 or self.seconds < 0 or (self.next or 0) < 0:
            message = "probability is 0 to 1; seconds and next are not negative."
            raise InvalidCommand(message)
        about_callback = self.operation == "callback"
        if self.fault is not Fault.LATENCY and about_callback != (self.fault in _CALLBACK_ONLY):
            message = f"{self.fault} cannot happen to operation {self.operation}."
            raise InvalidCommand(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """The rules in force, the seed that makes them repeatable, and how far the list lags.

    Args:
        rules: tried in order; latency adds up, of the others the first that strikes counts.
        seed: the same seed and the same requests give the same faults.
        list_lag: seconds before a new message shows up in the list.
    """

    rules: tuple[FaultRule, ...] = ()
    seed: int = 0
    list_lag: float = 0.0

    @classmethod
    def from_json(cls, document: object) -> FaultPlan:
        """Read a plan from the control interface's JSON.

        Raises:
            InvalidCommand: the document is not a plan.
        """
        message = "A fault plan is {rules: [{fault, operation, …}], seed, list_lag}."
        if not isinstance(document, Mapping):
            raise InvalidCommand(message)
        try:
            rules = tuple(
                FaultRule(**{**rule, "fault": Fault(rule["fault"])})
                for rule in document.get("rules", ())
            )
            rest = {key: value for key, value in document.items() if key != "rules"}
            return cls(rules=rules, **rest)
        except (TypeError, KeyError, ValueError) as error:
            raise InvalidCommand(message) from error

    def to_json(self) -> dict[str, object]:
        """Return the plan in the form that ``from_json`` reads."""
        rules = [asdict(rule) | {"fault": rule.fault.value} for rule in self.rules]
        return {"seed": self.seed, "list_lag": self.list_lag, "rules": rules}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What the faults have decided for one request."""

    delay: float = 0.0
    fault: Fault | None = None
    seconds: float = 0.0


_NOTHING = Draw()


class Faults:
    """The plan in force and the dice; not for use from several threads."""

    def __init__(self, plan: FaultPlan) -> None:
        self.struck: Counter[str] = Counter()
        self.apply(plan)

    def apply(self, plan: FaultPlan) -> None:
        """Replace the plan, and start its seed and its counts from the beginning."""
        self.plan = plan
        self._dice = Random(plan.seed)  # noqa: S311 - repeatable on purpose, nothing secret
        self._left = [rule.next for rule in plan.rules]

    def draw(self, operation: str) -> Draw:
        """Return what happens to the next request of this operation."""
        if not self.plan.rules:
            return _NOTHING
        delay, chosen = 0.0, None
        for position, rule in enumerate(self.plan.rules):
            if rule.operation != operation or not self._strikes(position, rule, chosen):
                continue
            self.struck[rule.fault] += 1
            if rule.fault is Fault.LATENCY:
                delay += rule.seconds
            else:
                chosen = rule
        if chosen is None:
            return Draw(delay=delay)
        return Draw(delay=delay, fault=chosen.fault, seconds=chosen.seconds)

    def _strikes(self, position: int, rule: FaultRule, chosen: FaultRule | None) -> bool:
        """Roll once per rule and request, so that one rule's count never shifts another's dice."""
        rolled = self._dice.random() < rule.probability
        left = self._left[position]
        if not rolled or left == 0 or (chosen is not None and rule.fault is not Fault.LATENCY):
            return False
        if left is not None:
            self._left[position] = left - 1
        return True
