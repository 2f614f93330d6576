"""``broadcaster twilio``: what Twilio's own list of messages tells us, now."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import click

from broadcaster.cli.output import json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import ListUnreadable, Unheard
from broadcaster.logs import configure
from broadcaster.runtime import Runtime
from broadcaster.services import comparing, heartbeat, listening, reconciling, restoring
from broadcaster.services.comparing import Comparison, Stage
from broadcaster.services.reconciling import Verdict
from broadcaster.storage import hearing, installation

_FAILED = 1
_MOST = 20_000
_VERDICTS = {
    Verdict.ACCEPTED: "were taken by Twilio",
    Verdict.REFUSED: "were refused by Twilio",
    Verdict.QUEUED: "were not taken, and go out again",
    Verdict.OVER: "were not taken, and their bulletin is over",
    Verdict.HELD: "wait for a person: the list does not tell",
    Verdict.WAITING: "are not in the list yet; they are looked up again until it must show them",
    Verdict.UNREADABLE: "could not be looked up: the list cannot be read",
    Verdict.CHANGED: "were decided in the meantime",
}


@dataclass(frozen=True, slots=True)
class _Reconciled:
    """What the list told; ``None`` where it could not be read."""

    texts: int | None
    is_restored: bool | None
    unknown: Counter[Verdict]
    comparison: Comparison

    @property
    def is_complete(self) -> bool:
        readable = None not in {self.texts, self.is_restored}
        compared = self.comparison.stage in {Stage.CURRENT, Stage.COMPARED}
        return readable and compared and not self.unknown[Verdict.UNREADABLE]


@click.group()
def twilio() -> None:
    """Compare our records with Twilio's list of messages."""


@twilio.command()
@json_option
@click.option(
    "--others-use-this-number",
    "is_shared",
    is_flag=True,
    help="Other software sends from our numbers, too: its messages are no sign of a restore.",
)
@click.pass_context
def reconcile(context: click.Context, *, as_json: bool, is_shared: bool) -> None:
    """Read Twilio's list now: missed texts, unknown outcomes, a restored database.

    The workers do the same by themselves; this shows what it comes to. The exit code is 1 while
    the list cannot be read, or the database cannot be compared yet.
    """
    runtime = open_runtime(live=True)
    configure(runtime.settings.log)
    if is_shared:
        now = runtime.clock.now()
        runtime.run(lambda session: installation.note_shared(session, now))
    found = _reconcile(runtime)
    if as_json:
        say_json(_described(found))
    else:
        _say(found)
    context.exit(0 if found.is_complete else _FAILED)


def _reconcile(runtime: Runtime) -> _Reconciled:
    with runtime.reading() as session:
        numbers = [sender.id for sender in hearing.senders(session)]
    is_restored: bool | None = heartbeat.beat(runtime)
    try:
        is_restored = restoring.recognise(runtime, numbers) or is_restored
    except ListUnreadable:
        is_restored = is_restored or None
    try:
        texts: int | None = listening.catch_up(runtime, numbers)
    except Unheard:
        texts = None
    unknown = reconciling.look_up_unknown(runtime, most=_MOST)
    return _Reconciled(texts, is_restored, unknown, comparing.compare(runtime))


def _described(found: _Reconciled) -> dict[str, object]:
    comparison = asdict(found.comparison)
    until = found.comparison.until
    return {
        "missed_texts": found.texts,
        "restored": found.is_restored,
        "unknown": {verdict.value: found.unknown[verdict] for verdict in Verdict},
        "comparison": {**comparison, "until": until.isoformat() if until else None},
    }


def _say(found: _Reconciled) -> None:
    if found.texts is None:
        say("Texts: Twilio's list could not be read; bulletins wait until it can.")
    else:
        say(f"Texts that we had missed: {found.texts}.")
    for verdict, words in _VERDICTS.items():
        if found.unknown[verdict]:
            say(f"Unknown messages: {found.unknown[verdict]} {words}.")
    if not found.unknown:
        say("Unknown messages: none to look up now.")
    say(_on_restore(found))


def _on_restore(found: _Reconciled) -> str:
    comparison = found.comparison
    match comparison.stage:
        case Stage.COMPARED:
            return (
                f"The database had been restored and is compared now: {comparison.attributed} "
                f"messages were already sent, {comparison.held} cannot be told, "
                f"{comparison.unexplained} are of nothing that the backup has. "
                f"{comparison.bulletins} bulletins wait for a person to continue or drop them."
            )
        case Stage.SETTLING if comparison.until is not None:
            return (
                "The database is older than what Twilio has sent; everything holds. It can be "
                f"compared from {comparison.until:%Y-%m-%d %H:%M:%S} UTC, once the list is complete. "
                "If other software sends from our numbers, add --others-use-this-number."
            )
        case Stage.UNREADABLE:
            return "The database was restored; everything holds until Twilio's list can be read."
        case _ if found.is_restored is None:
            return "Whether the database was restored is not known: the list could not be read."
        case _:
            return "The database knows the newest messages that Twilio has sent."
