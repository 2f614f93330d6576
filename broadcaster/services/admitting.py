"""Admitting people by the thousand: an entry in the ledger for each, its evidence, the projection."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from broadcaster.core.sealing import Keyring, seal_text
from broadcaster.ledger.entry import (
    Channel,
    ConsentEntry,
    DocumentKind,
    Event,
    Method,
    NoticeReference,
    State,
    commit_to,
)
from broadcaster.ledger.stencil import Stencil, random_ids
from broadcaster.runtime import Runtime
from broadcaster.services import documents
from broadcaster.services.preparing import Batch, Candidate
from broadcaster.services.recording import BASIS, PURPOSE, VALIDITY
from broadcaster.services.vetting import Order, Verdict
from broadcaster.storage import enrolling, ledger
from broadcaster.storage.filing import Facet, facet_of

RULE = "import-with-proof@1"
# What a language tag says where the language is not known (BCP 47).
_UNDETERMINED = "und"
_NOBODY = "0" * 32


def admit(
    session: Session,
    runtime: Runtime,
    order: Order,
    batch: Batch,
    *,
    verdict: Verdict,
    now: datetime,
) -> bool:
    """Append an entry for each admitted candidate and put them on the list.

    False means that nobody was, because somebody has become known meanwhile; vet again.
    """
    if not verdict.admitted:
        return True
    # People first, the ledger after them: everybody locks in this order.
    added = _add_new(session, order, batch, verdict, now)
    if added is None:
        return False
    ids = iter(added)
    stencils = _stencils(session, runtime, order, batch, verdict=verdict, now=now)
    joining, leaves = [], []
    for at, known in verdict.admitted:
        one, new = batch.candidates[at], batch.sealed[at]
        if known is None:
            who, subject, prev = enrolling.Joining(next(ids), new.evidence), new.subject, None
            commitment = new.commitment
        else:
            subject, prev = known.subject, known.last_entry
            who, commitment = _sealed_for(runtime.keyring, one, known)
        stencil, facet = stencils[one.wording]
        leaf = stencil.leaf(
            evidence=commitment,
            id_=new.entry_id,
            occurred=one.occurred,
            prev=prev,
            subject=subject,
        )
        leaves.append(ledger.Leaf(leaf, subject, facet))
        joining.append((who, one.wording))
    first = ledger.append(session, leaves, now)
    enrolling.join(session, order.list_id, joining, first, now)
    return True


def _add_new(
    session: Session, order: Order, batch: Batch, verdict: Verdict, now: datetime
) -> list[int] | None:
    people = []
    for at, known in verdict.admitted:
        if known is None:
            key, new = batch.candidates[at].key, batch.sealed[at]
            people.append(enrolling.Person(new.subject, key, new.address, new.wrapped, new.leaf))
    return enrolling.add_people(session, order.channel.value, people, now)


def _sealed_for(
    keyring: Keyring, one: Candidate, known: enrolling.Known
) -> tuple[enrolling.Joining, str]:
    """Seal the evidence under the key that somebody has already."""
    key = keyring.unwrap(known.key_wrapped)
    sealed = seal_text(key, one.private)
    return enrolling.Joining(known.id, sealed), commit_to(key, one.private.encode())


def _stencils(
    session: Session,
    runtime: Runtime,
    order: Order,
    batch: Batch,
    *,
    verdict: Verdict,
    now: datetime,
) -> dict[str, tuple[Stencil, Facet]]:
    """Log each wording, and lay out the entries of those who agreed to it; they are filed alike."""
    config = documents.log_register_entry(session, runtime.settings.organisation, now)
    stencils = {}
    used = [batch.candidates[at].wording for at, _known in verdict.admitted]
    for wording in dict.fromkeys(used):
        if wording in batch.wordings:
            documents.log_once(session, DocumentKind.NOTICE, batch.wordings[wording], now)
        model = _model(order, wording, config, now)
        stencils[wording] = Stencil(model), facet_of(model.to_bytes())
    return stencils


def _model(order: Order, wording: str, config: str, now: datetime) -> ConsentEntry:
    return ConsentEntry(
        id=next(random_ids(1)),
        subject=_NOBODY,
        event=Event.IMPORT,
        state=State.GIVEN,
        list=order.slug,
        purpose=PURPOSE,
        basis=BASIS,
        channel=Channel(order.channel.value),
        method=Method.IMPORT,
        rule=RULE,
        occurred=datetime(2000, 1, 1, tzinfo=UTC),
        recorded=now,
        validity=VALIDITY,
        # What people agreed to elsewhere is a notice of its own, in its only version.
        notice=NoticeReference(
            id=f"wording-{wording[:16]}", version=1, sha256=wording, lang=_UNDETERMINED
        ),
        terms=None,
        config=config,
        actor=order.actor,
        reason=order.reason,
        prev=None,
        evidence=wording,
    )
