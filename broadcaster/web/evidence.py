"""Opening the evidence of one person or one message: a reason first, then the pack, and who did it before."""

from __future__ import annotations

import re

from flask import Blueprint, Response, abort, render_template, request

from broadcaster.core.errors import InvalidInput, LedgerBroken, NotFound
from broadcaster.ledger.errors import LedgerError
from broadcaster.services import opening
from broadcaster.services.evidence import Pack
from broadcaster.services.opening import Form, Opener
from broadcaster.services.staff import Role
from broadcaster.storage import openings
from broadcaster.web import packs
from broadcaster.web.access import may, requires, signed_in
from broadcaster.web.extensions import reading, runtime, stop_reading
from broadcaster.web.questions import unreadable
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("evidence", __name__)
for _kind in (LedgerError, LedgerBroken):
    blueprint.register_error_handler(_kind, unreadable)

_SUBJECT = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_SHOWN = 25
_OFFERED = (Form.PAGE, Form.JSON, Form.PDF)
_UNPROCESSABLE = 422


@blueprint.get("/people/evidence")
@requires(Role.AUDITOR)
def ask() -> str:
    """Ask whose evidence is opened and why; show who opened what."""
    return _form()


@blueprint.get("/people/<subject>/evidence")
@requires(Role.AUDITOR)
def ask_of(subject: str) -> str:
    """The same for one person, by the token that the ledger has for them."""
    if not _SUBJECT.fullmatch(subject):
        abort(404)
    return _form(who=subject, subject=subject)


@blueprint.post("/people/evidence")
@requires(Role.AUDITOR)
def open_it() -> Response | tuple[str, int]:
    """Record the opening, and give the pack: a number is in the form, never in an address."""
    who, reason = request.form.get("who", "")[:160], request.form.get("reason", "")
    wanted = request.form.get("form", "")
    if wanted not in _OFFERED or (wanted == Form.PDF and not packs.may_print()):
        abort(_UNPROCESSABLE)
    opener = Opener(name=signed_in().name, is_full=may(Role.ADMIN))
    stop_reading()
    try:
        why = opening.check_reason(reason)
    except InvalidInput:
        fault = _("Say why, in 5 to 500 characters and without phone numbers: it stays for ever.")
        return _form(who=who, reason=reason, form=wanted, fault=fault), _UNPROCESSABLE
    try:
        pack = opening.open_pack(runtime(), who, opener, reason=why, form=Form(wanted))
    except NotFound:
        fault = _("Nobody, and no message, is known by that.")
    except InvalidInput:
        fault = _("That is no token, no number in international form and no message's id.")
    else:
        return _answer(pack, Form(wanted), why, opener.name)
    return _form(who=who, reason=reason, form=wanted, fault=fault), _UNPROCESSABLE


def _answer(pack: Pack, form: Form, reason: str, opener: str) -> Response:
    name = f"evidence-{pack.value['subject'][:8]}"
    if form is Form.PAGE:
        return Response(packs.as_page(pack, reason=reason, opener=opener))
    if form is Form.PDF:
        data = packs.as_pdf(pack, reason=reason, opener=opener)
        return _file(data, f"{name}.pdf", "application/pdf")
    return _file(pack.to_bytes(), f"{name}.json", "application/json")


def _file(data: bytes, name: str, mimetype: str) -> Response:
    response = Response(data, mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _form(
    *,
    who: str = "",
    subject: str | None = None,
    reason: str = "",
    form: str = Form.PAGE,
    fault: str | None = None,
) -> str:
    asked = request.args.get("before", "")
    before = int(asked) if _NUMBER.fullmatch(asked) else None
    found = openings.newest(reading(), _SHOWN + 1, subject=subject, before=before)
    shown = found[:_SHOWN]
    return render_template(
        "evidence/open.html",
        who=who,
        subject=subject,
        reason=reason,
        form=form,
        fault=fault,
        full=may(Role.ADMIN),
        printable=packs.may_print(),
        openings=shown,
        before=shown[-1].id if len(found) > _SHOWN else None,
        here="ledger",
    )
