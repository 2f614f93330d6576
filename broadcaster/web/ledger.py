"""The ledger for auditors: whether it is whole, what is in it, how to check it, what to take away."""

from __future__ import annotations

import re

from flask import Blueprint, Response, make_response, render_template, request

from broadcaster.services import audit, browsing
from broadcaster.services.audit import Format
from broadcaster.services.staff import Role
from broadcaster.storage import ledger as stored
from broadcaster.storage import verification
from broadcaster.storage.models import Verification
from broadcaster.web import exports, filters
from broadcaster.web.access import requires
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("ledger", __name__)

_PAGE = 50
_CHECKPOINTS = 10
_PLACE = re.compile(r"(\w+) ([0-9a-f/]+)")


@blueprint.get("/ledger")
@requires(Role.AUDITOR)
def ledger() -> Response:
    """Show where the log stands, its entries as they are filtered, and offer it for download."""
    session = reading()
    chosen = filters.read(request.args, runtime().settings.organisation.zone)
    before = filters.read_place(request.args.get("before", ""))
    page = browsing.page(session, chosen.choice, before=before, limit=_PAGE)
    verified = verification.get(session)
    growth = browsing.growth(session, runtime())
    body = render_template(
        "ledger/index.html",
        head=audit.head(session, runtime()),
        verified=verified,
        failure=_failure(verified) if verified.broken else None,
        filters=chosen,
        options=filters.options(browsing.facets(session)),
        page=page,
        before=before,
        onward=filters.write_place(page.onward),
        growth=growth,
        most=max(1, *(number for _day, number in growth)),
        checkpoints=stored.newest_checkpoints(session, _CHECKPOINTS),
        downloads=_downloads(),
        here="ledger",
        **exports.shown(),
    )
    return make_response(body, 422 if chosen.faults else 200)


def _failure(verified: Verification) -> str:
    """Name the first thing that is wrong: an entry, or another row."""
    found = _PLACE.match(verified.findings)
    if found is None:
        return _("Verification failed")
    table, place = found.groups()
    if table == "ledger_entries":
        return _("Verification failed at entry %(place)s", place=place)
    return _("Verification failed at %(table)s %(place)s", table=table, place=place)


def _downloads() -> list[dict[str, str]]:
    return [
        {
            "format": Format.BUNDLE,
            "title": _("Signed bundle"),
            "about": _(
                "Everything that a checker needs: entries, texts, checkpoint, public key."
                " Always the whole ledger."
            ),
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
        {
            "format": Format.XLSX,
            "title": _("Entries as a workbook"),
            "about": _(
                "For Excel and its like, with a sheet that says what it covers. More than 1,048,575"
                " entries go on several sheets."
            ),
            "button": _("Download xlsx"),
        },
    ]
