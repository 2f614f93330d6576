"""Exports of the ledger: asking for one, how far it is, and fetching its file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import structlog
from flask import Blueprint, Response, abort, flash, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core.errors import InvalidInput
from broadcaster.ledger.entry import ALL_LISTS
from broadcaster.services import exporting
from broadcaster.services.audit import Format
from broadcaster.services.staff import Role
from broadcaster.storage import exports as stored
from broadcaster.storage.exports import UNDER_WAY, ExportState
from broadcaster.storage.models import Export
from broadcaster.web import consent_words, filters
from broadcaster.web.access import requires, signed_in, unasked
from broadcaster.web.extensions import reading, runtime, stop_reading
from broadcaster.web.formats import moment
from broadcaster.web.wording import gettext as _

_log = structlog.get_logger()

blueprint = Blueprint("exports", __name__)

_TYPES = {
    Format.BUNDLE: "application/zip",
    Format.JSONL: "application/jsonl",
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SHOWN = 20
_AWAITED = UNDER_WAY | {ExportState.READY}
_CHUNK = 256 * 1024


@blueprint.post("/ledger/export")
@requires(Role.AUDITOR)
def export() -> BaseResponse:
    """Send what was chosen as a file, or have it made; write down who took it."""
    wanted = request.form.get("format", "")
    if wanted not in list(Format):
        abort(422)
    form = Format(wanted)
    chosen = filters.read(request.form, runtime().settings.organisation.zone)
    if chosen.faults:
        raise InvalidInput(" ".join(chosen.faults))
    user = signed_in().id
    stop_reading()
    asked = exporting.ask(runtime(), form, chosen.choice, user_id=user, at_once=exporting.AT_ONCE)
    _log.info("ledger_exported", user=user, format=form.value, export=asked.number)
    if asked.chunks is None:
        flash(_("The file is being made. It is on this page once it is ready."), "good")
        return redirect("/ledger#exports", 303)
    return _file(asked.chunks, form, asked.name)


@blueprint.get("/ledger/exports")
@requires(Role.AUDITOR)
@unasked
def progress() -> str:
    """Show the newest exports alone, while one is being made."""
    return render_template("ledger/_exports.html", **shown())


@blueprint.get("/ledger/exports/<int:number>")
@requires(Role.AUDITOR)
def fetch(number: int) -> Response:
    """Give the file of an export that was made in the background."""
    found, path = exporting.open_file(reading(), runtime(), number)
    form = Format(found.form)
    name = exporting.file_name(form, is_part=bool(found.chosen))
    stop_reading()
    _log.info("export_fetched", user=signed_in().id, export=number)
    response = _file(_chunks(path), form, name)
    if found.length is not None:
        response.content_length = found.length
    return response


def shown() -> dict[str, object]:
    """Return what the list of exports shows."""
    found = stored.recent(reading(), _SHOWN + 1)
    rows = found[:_SHOWN]
    states = [ExportState(export.state) for export, _name in rows]
    return {
        "exports": [(export, name, _choice(export)) for export, name in rows],
        "further": len(found) > _SHOWN,
        "making": any(state in UNDER_WAY for state in states),
        # Somebody waits for it, or has not fetched it yet, or has to ask again.
        "awaited": any(state in _AWAITED for state in states) or states[:1] == [ExportState.FAILED],
    }


def _choice(export: Export) -> list[tuple[str, str]]:
    words = {
        "since": _("from"),
        "until": _("to"),
        "list": _("list"),
        "event": _("event"),
        "method": _("method"),
        "actor": _("who"),
        "subject": _("person"),
    }
    parts = [line.split(" ", 1) for line in export.chosen.splitlines()]
    return [(words.get(name, name), _chosen(name, value)) for name, value in parts]


def _chosen(name: str, value: str) -> str:
    """Say in words what was chosen of one filter."""
    match name:
        case "since" | "until":
            return moment(datetime.fromisoformat(value))
        case "event":
            return consent_words.event(value)
        case "method":
            return consent_words.method(value)
        case "actor":
            return consent_words.actor(value)
        case "list" if value == ALL_LISTS:
            return _("all lists")
    return value


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")


def _file(chunks: Iterator[bytes], form: Format, name: str) -> Response:
    response = Response(chunks, content_type=_TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
