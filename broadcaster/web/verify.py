"""Check a receipt, a bundle or an evidence pack of this ledger, step by step, for anybody."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, cast

from flask import Blueprint, Response, make_response, render_template, request

from broadcaster.ledger.kinds import CHECKED, Kind, recognise
from broadcaster.ledger.note import MAX_NOTE_BYTES
from broadcaster.ledger.pack import verify_pack
from broadcaster.ledger.receipt import verify_receipt
from broadcaster.ledger.report import Report
from broadcaster.ledger.verify import verify_bundle
from broadcaster.services import audit, proving
from broadcaster.web import uploads, verify_words
from broadcaster.web.access import public
from broadcaster.web.extensions import reading, runtime, stop_reading
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("verify", __name__)

#: What a bundle may weigh here; the command line takes any.
MOST_BYTES = 20 * 1024 * 1024
#: What an evidence pack may weigh: other than a bundle, it is read into memory as a whole.
MOST_PACK_BYTES = 4 * 1024 * 1024
_MARGIN = 512 * 1024  # what is in the form beside the file
# Who checks must not keep those waiting whose texts come in.
_AT_ONCE = 2
_AGAIN_SECONDS = 5
_turns = threading.BoundedSemaphore(_AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to have checked.

    Args:
        file: the receipt, bundle or pack.
        kind: which of them.
        since: an older checkpoint, for a bundle.
    """

    file: BinaryIO
    kind: Kind
    since: bytes | None


def _too_large() -> str:
    return _(
        "This page checks files up to 20 MB. A larger bundle checks itself, on any computer with "
        "Python: python3 ledger.zip"
    )


@blueprint.get("/verify")
@public
def ask() -> str:
    """Explain what can be checked here, and show the newest checkpoint and the key."""
    return _page()


@blueprint.post("/verify")
@public
@uploads.accepts(MOST_BYTES + _MARGIN, _too_large)
def check() -> Response:
    """Check what was given, and show each step."""
    stop_reading()
    asked = _asked()
    if isinstance(asked, str):
        return make_response(_page(fault=asked), 422)
    if not _turns.acquire(blocking=False):
        words = _("Others are being served at this moment. Try again in a few seconds.")
        response = make_response(_page(fault=words), 429)
        response.headers["Retry-After"] = str(_AGAIN_SECONDS)
        return response
    try:
        report = _verify(asked)
    finally:
        _turns.release()
    page = _page(report=report, kind=asked.kind)
    return make_response(page, 200 if report.ok else 422)


def _asked() -> Asked | str:
    """Return what to check, or what is wrong with the question."""
    found, text = request.files.get("file"), request.form.get("text", "").strip()
    since = _typed_note(request.form.get("since", ""))
    given = found is not None and bool(found.filename)
    if given and text:
        return _("Give a file or a pasted receipt, not both.")
    if not given and not text:
        return _("Choose a file, or paste a receipt.")
    if found is not None and given:
        file = cast("BinaryIO", found.stream)
    else:
        file = BytesIO(_typed_note(text) or b"")
    kind = recognise(file)
    return _fault(file, kind, since) or Asked(file=file, kind=kind, since=since)


def _fault(file: BinaryIO, kind: Kind, since: bytes | None) -> str | None:
    """Say why this cannot be checked, and what to do instead; None if it can."""
    if kind not in CHECKED:
        return _other_kinds()[kind]
    if kind is not Kind.BUNDLE and since is not None:
        return _(
            "An older checkpoint goes with a bundle: this says nothing about other people's entries."
        )
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if kind is Kind.PACK and size > MOST_PACK_BYTES:
        return _(
            "This page checks evidence packs up to 4 MB. A larger one is checked on any computer "
            "with Python, with any bundle at hand: python3 ledger.zip evidence.json"
        )
    return None


def _other_kinds() -> dict[Kind, str]:
    """Say what a file is that cannot be checked, and what to do instead."""
    return {
        Kind.CHECKPOINT: _(
            "This is a checkpoint. Put it under “I kept an older checkpoint”, and choose the "
            "bundle that you want to hold against it."
        ),
        Kind.KEY: _(
            "This is a public key. Compare it with the one below; choose what it has signed to "
            "have that checked."
        ),
        Kind.TABLE: _(
            "This holds entries as a table, without the proofs that it takes to check them. Ask "
            "for the ledger as a bundle."
        ),
        Kind.PAGE: _(
            "This is a page or a PDF, to be read. The same evidence can be checked as a file: ask "
            "for it as JSON."
        ),
        Kind.EMPTY: _("This file is empty: fetching it was broken off. Fetch it again."),
        Kind.UNKNOWN: _(
            "This is nothing of ours, as far as can be told. A bundle is a .zip, an evidence pack "
            "is a .json, and a receipt begins with c2sp.org/tlog-proof."
        ),
    }


def _typed_note(text: str) -> bytes | None:
    """Undo what a form does to line ends; the signature forgives nothing."""
    lines = text.strip().replace("\r\n", "\n")
    return lines.encode() + b"\n" if lines else None


def _verify(asked: Asked) -> Report:
    key = runtime().signer.key
    if asked.kind is Kind.RECEIPT:
        return verify_receipt(asked.file.read(MAX_NOTE_BYTES + 1), key)
    if asked.kind is Kind.PACK:
        return verify_pack(asked.file.read(MOST_PACK_BYTES + 1), key)
    return verify_bundle(asked.file, vkey=key, since=asked.since)


def _page(
    *, report: Report | None = None, kind: Kind | None = None, fault: str | None = None
) -> str:
    head = audit.head(reading(), runtime())
    example = proving.example(reading(), runtime())
    return render_template(
        "verify.html",
        head=head,
        example=example.to_bytes().decode() if example else None,
        report=report,
        steps=verify_words.tell(report, kind) if report else [],
        remarks=verify_words.remarks(report, kind) if report else [],
        fault=fault,
        since=request.form.get("since", "") if request.method == "POST" else "",
        text=request.form.get("text", "") if request.method == "POST" else "",
    )
