"""What an auditor asks the ledger: who was on a list, who should have got a bulletin, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator

import structlog
from flask import Blueprint, Response, abort, render_template, request

from broadcaster.core.errors import BroadcasterError, InvalidInput, LedgerBroken, NotFound
from broadcaster.core.scheduling import in_words
from broadcaster.ledger.errors import LedgerError
from broadcaster.services import allowing, history, rederiving
from broadcaster.services.history import Roll
from broadcaster.services.staff import Role
from broadcaster.storage import frozen, lists
from broadcaster.web import asked
from broadcaster.web.access import requires, signed_in
from broadcaster.web.asked import Asked
from broadcaster.web.extensions import reading, runtime, stop_reading
from broadcaster.web.formats import number
from broadcaster.web.languages import current
from broadcaster.web.moments import zones
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import ngettext

_log = structlog.get_logger()

blueprint = Blueprint("questions", __name__)

_ON_A_PAGE = 50
_IN_A_CHUNK = 2_000
_SUBJECT = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_UNPROCESSABLE = 422


@blueprint.get("/ledger/at")
@requires(Role.AUDITOR)
def at() -> str | tuple[str, int]:
    """Say who was on a list at a moment."""
    now = runtime().clock.now()
    if "list" not in request.args:
        return _at_page(asked.blank(runtime().settings.organisation.zone, now))
    wanted = asked.read(request.args, now)
    if wanted.moment is None:
        return _at_page(wanted), _UNPROCESSABLE
    found = _roll(wanted)
    if found is None:
        return _at_page(wanted, unknown=True)
    after = request.args.get("after", "")
    return _at_page(wanted, roll=found, after=after if _SUBJECT.fullmatch(after) else "")


@blueprint.post("/ledger/at/export")
@requires(Role.AUDITOR)
def export() -> Response:
    """Send everybody who was on a list at a moment, a line each, and record who took it."""
    wanted = asked.read(request.form, runtime().clock.now())
    found = _roll(wanted) if wanted.moment is not None else None
    if found is None:
        abort(_UNPROCESSABLE)
    _log.info("roll_exported", user=signed_in().id, list=found.name, people=len(found))
    response = Response(_lines(found), content_type="text/csv; charset=utf-8")
    name = f"on-{re.sub('[^a-z0-9-]', '-', found.name)}-{found.moment:%Y%m%dT%H%MZ}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@blueprint.get("/ledger/audience")
@requires(Role.AUDITOR)
def audiences() -> str:
    """List the bulletins that have begun, the newest first."""
    asked_for = request.args.get("before", "")
    before = int(asked_for) if _NUMBER.fullmatch(asked_for) else None
    found = frozen.begun(reading(), _ON_A_PAGE + 1, before)
    shown = found[:_ON_A_PAGE]
    following = shown[-1][0].id if len(found) > _ON_A_PAGE else None
    return render_template("ledger/audiences.html", shown=shown, following=following, here="ledger")


@blueprint.get("/ledger/audience/<int:bulletin_id>")
@requires(Role.AUDITOR)
def audience(bulletin_id: int) -> str | tuple[str, int]:
    """Derive the audience of a bulletin again and show it beside what was sent."""
    stop_reading()
    try:
        found = rederiving.rederive(runtime(), bulletin_id)
    except InvalidInput:
        notice = _("This bulletin has not begun, so nothing can be compared yet.")
        return render_template("ledger/audience.html", notice=notice, here="ledger"), _UNPROCESSABLE
    return render_template("ledger/audience.html", found=found, here="ledger")


@blueprint.get("/ledger/message")
@requires(Role.AUDITOR)
def message() -> str:
    """Ask for a message; its id is in no address."""
    return render_template("ledger/message.html", named="", here="ledger")


@blueprint.post("/ledger/message")
@requires(Role.AUDITOR)
def find_message() -> str | tuple[str, int]:
    """Say which entry allowed a message."""
    named = request.form.get("message", "").strip()[:64]
    try:
        found = allowing.find(reading(), named)
    except NotFound:
        fault = _(
            "No message of a bulletin has that id. Answers to what people text need no entry."
        )
    except InvalidInput:
        fault = _("Fill in SM and 32 hex digits, or the number of a delivery.")
    else:
        return render_template("ledger/message.html", named=named, found=found, here="ledger")
    page = render_template("ledger/message.html", named=named, fault=fault, here="ledger")
    return page, _UNPROCESSABLE


@blueprint.errorhandler(LedgerError)
@blueprint.errorhandler(LedgerBroken)
def unreadable(error: BroadcasterError | LedgerError) -> tuple[str, int]:
    """Say that the ledger in the database cannot be read: nothing may be concluded from it."""
    _log.error("ledger_unreadable", kind=type(error).__name__)
    return render_template("ledger/unreadable.html", detail=str(error), here="ledger"), 500


def _roll(wanted: Asked) -> Roll | None:
    """Return who was on it; None if the ledger knows no such list."""
    if wanted.moment is None:
        return None
    stop_reading()
    try:
        return history.roll(runtime(), wanted.list, wanted.moment)
    except NotFound:
        return None


def _at_page(
    wanted: Asked, *, roll: Roll | None = None, after: str = "", unknown: bool = False
) -> str:
    shown = [] if roll is None else roll.after(after, _ON_A_PAGE)
    more = roll is not None and bool(shown) and bool(roll.after(shown[-1], 1))
    choices = [(item.slug, item.name) for item in lists.every(reading())]
    return render_template(
        "ledger/at.html",
        wanted=wanted,
        lists=choices,
        zones=zones(),
        roll=roll,
        sentence=None if roll is None else _sentence(wanted, roll, dict(choices)),
        shown=shown,
        first=not after,
        following=shown[-1] if more else None,
        unknown=unknown,
        here="ledger",
    )


def _sentence(wanted: Asked, roll: Roll, names: dict[str, str]) -> str:
    """Give the answer as a sentence: how many, on which list, when."""
    return ngettext(
        "%(number)s person was on %(list)s on %(moment)s.",
        "%(number)s people were on %(list)s on %(moment)s.",
        len(roll),
        number=number(len(roll)),
        list=names.get(roll.name, roll.name),
        moment=in_words(roll.moment, wanted.zone, current()),
    )


def _lines(roll: Roll) -> Iterator[bytes]:
    yield b"subject\r\n"
    after = ""
    while group := roll.after(after, _IN_A_CHUNK):
        yield "".join(f"{subject}\r\n" for subject in group).encode()
        after = group[-1]
