"""Documents in the ledger: each notice and register entry is logged once, with its full text."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from broadcaster.ledger import canonical
from broadcaster.ledger.entry import DocumentEntry, DocumentKind, document_hash
from broadcaster.services import register
from broadcaster.settings import Organisation
from broadcaster.storage import ledger


def log_once(session: Session, kind: DocumentKind, text: str, now: datetime) -> str:
    """Make sure a document is in the ledger; return the hash by which entries name it."""
    sha256 = document_hash(text)
    if ledger.document(session, sha256) is not None:
        return sha256
    # Somebody may be logging it at this moment: wait for the ledger, then look again.
    ledger.lock(session)
    if ledger.document(session, sha256) is None:
        leaf = DocumentEntry(
            id=str(uuid.uuid4()), kind=kind, sha256=sha256, text=text, recorded=now
        )
        index = ledger.append(session, [ledger.Leaf(leaf.to_bytes())], now)
        ledger.add_document(session, sha256=sha256, kind=kind.value, text=text, entry=index)
    return sha256


def log_register_entry(session: Session, organisation: Organisation, now: datetime) -> str:
    """Make sure the record of processing in force is in the ledger; return its hash.

    When the settings change, the next entry logs another record; the old ones stay.
    """
    text = canonical.encode(register.record(organisation)).decode()
    return log_once(session, DocumentKind.CONFIG, text, now)
