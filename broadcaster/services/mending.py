"""Mending the ledger's head: the only row of it that can be worked out from the others."""

from __future__ import annotations

from broadcaster.core.errors import Conflict
from broadcaster.ledger.merkle import Frontier
from broadcaster.runtime import Runtime
from broadcaster.services import checking
from broadcaster.services.checking import HEAD
from broadcaster.storage import checks, ledger


def mend_head(runtime: Runtime) -> Frontier | None:
    """Write the head anew if it is damaged; return it, or None if it is whole.

    Everything else is verified first: entries that do not lead to what was signed are not mended by
    a head that fits them.

    Raises:
        Conflict: something else of the ledger is not what was written.
        LedgerBroken: the head cannot be worked out.
    """
    found = list(checking.check(runtime))
    if not found:
        return None
    other = next((one for one in found if one.where != HEAD), None)
    if other is not None:
        message = (
            f"More than the head is not what was written ({other.where}: {other.what}). Restore the "
            "ledger from a backup; nothing was changed."
        )
        raise Conflict(message)
    with runtime.reading() as session:
        said, end = checks.head(session), checks.last(session) + 1
        known = ledger.last_known(session) + 1
    before = said.size if said and isinstance(said.size, int) else 0
    if end < max(before, known):
        message = (
            f"The ledger has had more than the {end:,} entries that are there: the last ones are "
            "missing. Restore it from a backup; nothing was changed."
        )
        raise Conflict(message)
    return runtime.run(lambda session: ledger.mend_head(session, runtime.clock.now()))
