"""The ledger for auditors: where it stands, how to check it, and what to take away."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, abort, render_template, request

from broadcaster.services import audit
from broadcaster.services.audit import Format
from broadcaster.services.staff import Role
from broadcaster.web.access import requires, signed_in
from broadcaster.web.extensions import reading, runtime, stop_reading
from broadcaster.web.wording import gettext as _

_log = structlog.get_logger()

blueprint = Blueprint("ledger", __name__)

_FILES = {
    Format.BUNDLE: ("ledger.zip", "application/zip"),
    Format.JSONL: ("ledger.jsonl", "application/jsonl"),
    Format.CSV: ("ledger.csv", "text/csv; charset=utf-8"),
}


@blueprint.get("/ledger")
@requires(Role.AUDITOR)
def ledger() -> str:
    """Show where the log stands and offer it for download."""
    return render_template(
        "ledger.html",
        head=audit.head(reading(), runtime()),
        downloads=_downloads(),
        here="ledger",
    )


@blueprint.post("/ledger/export")
@requires(Role.AUDITOR)
def export() -> Response:
    """Send the log as a file, in pieces, and record who took it."""
    wanted = request.form.get("format", "")
    if wanted not in list(Format):
        abort(422)
    form = Format(wanted)
    name, mimetype = _FILES[form]
    stop_reading()
    chunks = audit.export(runtime(), form)
    _log.info("ledger_exported", user=signed_in().id, format=form.value)
    response = Response(chunks, content_type=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _downloads() -> list[dict[str, str]]:
    return [
        {
            "format": Format.BUNDLE,
            "title": _("Signed bundle"),
            "about": _("Everything that a checker needs: entries, texts, checkpoint, public key."),
            "button": _("Download bundle"),
        },
        {
            "format": Format.JSONL,
            "title": _("Entries as JSON lines"),
            "about": _("The exact bytes of each entry, one to a line."),
            "button": _("Download JSONL"),
        },
        {
            "format": Format.CSV,
            "title": _("Entries as a table"),
            "about": _("For a spreadsheet. No cell is a formula."),
            "button": _("Download CSV"),
        },
    ]
