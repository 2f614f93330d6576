"""Builders of small logs, shared by the tests of the ledger."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcaster.ledger import canonical, merkle, shipped
from broadcaster.ledger.bundle import _Writer, stream_part, write_bundle
from broadcaster.ledger.checkpoint import Checkpoint, sign_checkpoint
from broadcaster.ledger.entry import (
    Channel,
    ConsentEntry,
    DocumentEntry,
    DocumentKind,
    Event,
    Method,
    NoticeReference,
    State,
    document_hash,
)
from broadcaster.ledger.keys import NoteKey, NoteSigner
from broadcaster.ledger.manifest import STREAMED, Part
from broadcaster.ledger.verify import verify_bundle
from broadcaster.ledger.zipform import directory

VECTORS = Path(__file__).parents[4] / "shared" / "data" / "merkle_vectors.json"
MOMENT = datetime(2026, 1, 31, 9, 0, 0, 250000, tzinfo=UTC)
NOTICE_TEXT = "Elke werkdag om 17 uur.\nStop met NRC UIT."
SIGNER = NoteSigner(
    name="broadcaster.example/ledger",
    private_key=Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
)
CONSENT = ConsentEntry(
    id="6fa459ea-ee8a-4ca4-894e-db77e160355e",
    subject="00112233445566778899aabbccddeeff",
    event=Event.OPT_IN,
    state=State.GIVEN,
    list="nrc",
    purpose="news-bulletin",
    basis="GDPR-6-1-a",
    channel=Channel.WHATSAPP,
    method=Method.KEYWORD,
    rule="list-on/2026.1",
    occurred=MOMENT,
    recorded=MOMENT,
    validity="until-withdrawn",
    notice=NoticeReference(id="nrc", version=1, sha256=document_hash(NOTICE_TEXT), lang="nl"),
    terms=None,
    config="cd" * 32,
    actor="subject",
    reason=None,
    prev=None,
    evidence="ef" * 32,
)
DOCUMENT = DocumentEntry(
    id="16fd2706-8baf-433b-82eb-8c7fada847da",
    kind=DocumentKind.NOTICE,
    sha256=document_hash(NOTICE_TEXT),
    text=NOTICE_TEXT,
    recorded=MOMENT,
)


def make_leaves(count: int) -> list[bytes]:
    """A log of the notice and then opt-ins and opt-outs of two people in turn."""
    leaves = [DOCUMENT.to_bytes()]
    for index in range(1, count):
        event, state = ((Event.OPT_IN, State.GIVEN), (Event.OPT_OUT, State.WITHDRAWN))[
            (index - 1) // 2 % 2
        ]
        entry = replace(
            CONSENT,
            subject=f"{index % 2:032x}",
            event=event,
            state=state,
            prev=index - 2 if index > 2 else None,
        )
        leaves.append(entry.to_bytes())
    return leaves[:count]


def make_checkpoint(leaves: Sequence[bytes], signer: NoteSigner = SIGNER) -> bytes:
    """A signed checkpoint over these leaves."""
    root = merkle.root(map(merkle.leaf_hash, leaves))
    return sign_checkpoint(Checkpoint(origin=signer.name, size=len(leaves), root=root), signer)


def make_bundle(
    leaves: Sequence[bytes], signer: NoteSigner = SIGNER, notices: Sequence[bytes] | None = None
) -> bytes:
    """A bundle over these leaves, as the product writes it."""
    out = io.BytesIO()
    write_bundle(
        out,
        checkpoint=make_checkpoint(leaves, signer),
        key=signer.key,
        entries=leaves,
        notices=[NOTICE_TEXT.encode()] if notices is None else notices,
    )
    return out.getvalue()


def make_part(
    leaves: Sequence[bytes],
    part: Part,
    shown: Sequence[int],
    notices: Sequence[bytes] | None = None,
) -> bytes:
    """A bundle of some of these leaves, as the product writes it."""
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    chunks = stream_part(
        checkpoint=make_checkpoint(leaves),
        key=SIGNER.key,
        part=part,
        entries=lambda: [(index, leaves[index]) for index in shown],
        prove=lambda index: merkle.inclusion_proof(index, hashes),
        notices=[NOTICE_TEXT.encode()] if notices is None else notices,
    )
    return b"".join(chunks)


def rebuild(data: bytes, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> bytes:
    """A bundle as a forger would mend it after a change: lengths, checksums and hashes fit again.

    Args:
        data: A good bundle.
        change: Changes its files, by name, and the fields of its manifest.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    change(files, manifest)
    writer = _Writer()
    parts: list[bytes] = []
    for name, content in files.items():
        if name in STREAMED:
            parts += writer._add_batches(name, [content.split(b"\n")[:-1]] if content else [])
        else:
            parts.append(writer.add(name, content))
    manifest["files"] = [
        {"name": record.name, "sha256": record.sha256, "length": record.length}
        for record in writer.records
    ]
    parts.append(writer.add("manifest.json", canonical.encode(manifest)))
    return b"".join([*parts, directory(writer.members)])


@pytest.fixture(scope="session")
def log() -> SimpleNamespace:
    """The builders above under one name."""
    return SimpleNamespace(
        consent=CONSENT,
        document=DOCUMENT,
        notice=NOTICE_TEXT.encode(),
        signer=SIGNER,
        moment=MOMENT,
        make_leaves=make_leaves,
        make_checkpoint=make_checkpoint,
        make_bundle=make_bundle,
        make_part=make_part,
        rebuild=rebuild,
        part=Part("subject", f"{1:032x}"),
    )


@pytest.fixture(scope="session")
def vectors() -> dict:
    """The published and derived vectors."""
    if not VECTORS.exists():
        pytest.skip(f"the third-party vectors are not at {VECTORS}")
    return json.loads(VECTORS.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def program() -> ModuleType:
    """The verifier as it comes out of a bundle, one file."""
    module = ModuleType("verify")
    module.__file__ = "ledger.zip/verify.py"
    exec(compile(shipped.verifier(), "verify.py", "exec"), module.__dict__)  # noqa: S102 - ours
    return module


@pytest.fixture(scope="session")
def agreed(program: ModuleType) -> Callable[..., str | None]:
    """Gives the step at which both verifiers fail, None where neither does; they must not differ."""

    def step(data: bytes, vkey: NoteKey | None = None, since: bytes | None = None) -> str | None:
        ours = verify_bundle(io.BytesIO(data), vkey=vkey, since=since)
        given = None if vkey is None else program.read_key(vkey.to_text())
        run = program.Verification(io.BytesIO(data), given, since)
        theirs = [(step.name, step.ok, step.evidence) for step in run.run()]
        assert [(step.name, step.ok, list(step.evidence)) for step in ours.steps] == theirs
        assert [one for one in ours.remarks if "verify.py inside" not in one] == run.remarks
        return ours.failed

    return step
