"""``broadcaster ledger verify`` and what mends: the ledger's tables where they lie."""

from __future__ import annotations

from collections.abc import Collection

import click

from broadcaster.cli.output import complain, json_option, say, say_json
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput
from broadcaster.logs import configure
from broadcaster.services import audit, checking, mending, replaying, verifying
from broadcaster.services.findings import Finding
from broadcaster.storage import filing, verification

_MOST_SHOWN = 50


@click.command("verify")
@json_option
@click.pass_context
def verify_tables(context: click.Context, *, as_json: bool) -> None:
    """Verify the ledger in the database, and name every row that was changed.

    What is found stops all sending. Once nothing is found any more, sending may go on.
    """
    runtime = open_runtime()
    configure(runtime.settings.log)
    with runtime.reading() as session:
        was_broken = verification.is_broken(session)
    shown = _Shown(aloud=not as_json)
    ended = verifying.verify(runtime, shown, by_person=True)
    with runtime.reading() as session:
        root = audit.head(session, runtime).root
    if as_json:
        say_json(_verified(ended, root, shown.findings))
    elif not ended.found:
        say(f"Every entry is what was written: {ended.size:,} entries, root {root}.")
    elif ended.found > _MOST_SHOWN:
        say(f"... and {ended.found - _MOST_SHOWN:,} more")
    if ended.found:
        complain(
            "The ledger is NOT what was written, and nothing is sent any more. "
            f"{_advice(shown.tables)}, then verify again."
        )
        context.exit(1)
    if was_broken:
        complain("Sending may go on; every bulletin that was held waits for an editor.")


def _advice(tables: Collection[str]) -> str:
    """Say how to mend what was found in these tables: some can be made from the others."""
    if set(tables) == {checking.HEAD}:
        return "Nothing but its head is damaged. Run: broadcaster ledger mend-head"
    if set(tables) <= {"ledger_index", "ledger_facets"}:
        return "Nothing but its index is damaged. Run: broadcaster ledger reindex"
    return "Restore it from a backup"


class _Shown:
    """Keeps the first findings, and the tables of all, and says them as they come."""

    def __init__(self, *, aloud: bool) -> None:
        self.findings: list[Finding] = []
        self.tables: set[str] = set()
        self._aloud = aloud

    def __call__(self, one: Finding) -> None:
        self.tables.add(one.where.partition(" ")[0])
        if len(self.findings) == _MOST_SHOWN:
            return
        self.findings.append(one)
        if self._aloud:
            say(f"{one.where}: {one.what}")


def _verified(ended: verifying.Verified, root: str, shown: list[Finding]) -> dict[str, object]:
    return {
        "size": ended.size,
        "root": root,
        "erased": ended.erased,
        "found": ended.found,
        "findings": [{"where": one.where, "what": one.what} for one in shown],
    }


@click.command()
def reindex() -> None:
    """Make the index by which entries are searched anew, from the entries themselves."""
    runtime = open_runtime()
    filed = runtime.run(filing.file_anew)
    complain(f"Filed {filed:,} {'entry' if filed == 1 else 'entries'} anew. Now verify the ledger.")


@click.command("mend-head")
def mend_head() -> None:
    """Work the tree's head out anew, if nothing but the head is damaged."""
    mended = mending.mend_head(open_runtime())
    if mended is None:
        say("The head is whole, and so is the ledger. Nothing was changed.")
        return
    say(f"The head says {mended.size:,} entries again, root {mended.root().hex()}.")
    complain("Now run: broadcaster ledger verify. It lets sending go on.")


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Compare, and change nothing.")
@click.option("--repair", is_flag=True, help="Write into the tables what the ledger says.")
@click.pass_context
def replay(context: click.Context, *, only_check: bool, repair: bool) -> None:
    """Fold all entries into subscriptions and compare with the tables that are used."""
    if only_check == repair:
        message = "Say which: --check compares and changes nothing, --repair writes what differs."
        raise InvalidInput(message)
    found = 0
    for one in replaying.check(open_runtime(), repair=repair):
        found += 1
        say(f"{one.subject} {one.what}: the ledger says {one.ledger}; the table said {one.table}")
    if not found:
        say("The tables say what the ledger says.")
    elif repair:
        complain(f"Mended {found:,} {_counted('difference', found)}.")
    else:
        complain(
            f"{found:,} {_counted('difference', found)}; --repair writes what the ledger says."
        )
        context.exit(1)


def _counted(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"
