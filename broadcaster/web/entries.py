"""One entry of the ledger: all that it says in words, its proof, and its receipt."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, render_template

from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, DocumentEntry, DocumentKind
from broadcaster.services import browsing, proving
from broadcaster.services.browsing import Shown
from broadcaster.services.staff import Role
from broadcaster.storage import verification
from broadcaster.web import consent_words, delivery_words, register_words, rule_words
from broadcaster.web.access import requires
from broadcaster.web.extensions import reading, runtime, stop_reading
from broadcaster.web.register_words import Register
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("entries", __name__)
blueprint.add_app_template_filter(consent_words.event, "event_words")
blueprint.add_app_template_filter(consent_words.state, "state_words")
blueprint.add_app_template_filter(consent_words.method, "method_words")
blueprint.add_app_template_filter(consent_words.actor, "actor_words")
blueprint.add_app_template_filter(consent_words.document, "document_words")
blueprint.add_app_template_filter(consent_words.purpose, "purpose_words")
blueprint.add_app_template_filter(consent_words.basis, "basis_words")
blueprint.add_app_template_filter(consent_words.validity, "validity_words")
blueprint.add_app_template_filter(consent_words.language, "language_words")
blueprint.add_app_template_filter(rule_words.rule, "rule_words")
blueprint.add_app_template_filter(delivery_words.state, "delivery_words")

_LARGEST_INDEX = 2**63 - 1


@blueprint.get(f"/ledger/<int(max={_LARGEST_INDEX}):index>")
@requires(Role.AUDITOR)
def entry(index: int) -> str:
    """Show an entry."""
    found = browsing.show(reading(), index)
    verified = verification.get(reading())
    faults = [
        line for line in verified.findings.splitlines() if line.split(":")[0].endswith(f" {index}")
    ]
    document = found.entry if isinstance(found.entry, DocumentEntry) else None
    return render_template(
        "ledger/entry.html",
        shown=found,
        consent=found.entry if isinstance(found.entry, ConsentEntry) else None,
        document=document,
        record=_record(document),
        faults=faults if verified.broken else [],
        all_lists=ALL_LISTS,
        title=_title(found),
        vkey=runtime().signer.key.to_text(),
        here="ledger",
    )


@blueprint.get(f"/ledger/<int(max={_LARGEST_INDEX}):index>/receipt")
@requires(Role.AUDITOR)
def receipt(index: int) -> Response:
    """Give the receipt of an entry: proof for anyone that it is in the log."""
    stop_reading()
    data = proving.receipt(runtime(), index).to_bytes()
    response = Response(data, content_type="text/plain; charset=utf-8")
    name = f"entry-{index}.tlog-proof"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _record(document: DocumentEntry | None) -> Register | None:
    """Return the record of processing that a document is, if it is one."""
    if document is None or document.kind is not DocumentKind.CONFIG:
        return None
    return register_words.read(document.text)


def _title(found: Shown) -> str:
    one = found.entry
    if isinstance(one, ConsentEntry):
        return consent_words.event(one.event)
    words: Callable[[str], str] = consent_words.document
    return words(one.kind) if one is not None else _("Cannot be read")
