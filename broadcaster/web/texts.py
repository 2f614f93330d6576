"""The texts that a person should read: what each seems to be, and taking it off the list."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import structlog
from flask import Blueprint, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from broadcaster.core.consent import Review
from broadcaster.core.errors import NotFound
from broadcaster.services import desk
from broadcaster.services.staff import Role
from broadcaster.storage.desk import Place
from broadcaster.storage.inbound import count_waiting
from broadcaster.web.access import requires, signed_in
from broadcaster.web.extensions import reading, runtime, writing
from broadcaster.web.formats import local_day
from broadcaster.web.wording import gettext as _

_log = structlog.get_logger()

blueprint = Blueprint("texts", __name__)

_PAGE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"([01])-([0-9]{1,16})-((?:SM|MM)[0-9a-f]{32})")
_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")


@blueprint.get("/desk/texts")
@requires(Role.EDITOR)
def texts() -> str:
    """Show the texts that wait, those with a date set by law first, then the oldest."""
    after = _read(request.args.get("after", ""))
    zone = runtime().settings.organisation.zone
    found = desk.waiting(reading(), runtime().keyring, zone=zone, limit=_PAGE, after=after)
    return render_template(
        "texts.html",
        rows=[(text, kind(text.review)) for text in found.texts],
        count=count_waiting(reading()),
        after=_written(after),
        onward=_written(found.onward),
        today=local_day(runtime().clock.now()),
        here="desk",
    )


@blueprint.post("/desk/texts")
@requires(Role.EDITOR)
def done() -> Response:
    """Take a text off the list; pressing twice, or after somebody else, changes nothing more."""
    sid = request.form.get("sid", "")
    if not _SID.fullmatch(sid):
        raise NotFound
    with writing() as session:
        before = desk.finish(session, sid)
    if before is not None:
        _log.info("text_finished", user=signed_in().id, sid=sid, review=before.value)
    flash(_("Done; the text is off the list."), "good")
    after = _written(_read(request.form.get("after", "")))
    return redirect(f"/desk/texts?after={after}" if after else "/desk/texts", 303)


def kind(review: Review) -> str:
    """Say what a text seems to be."""
    words = {
        Review.ACCESS: _("Asks what we keep"),
        Review.ERASURE: _("Wants to be forgotten"),
        Review.UNSURE: _("Perhaps wants to stop"),
        Review.QUESTION: _("Question"),
    }
    return words[review]


def _written(place: Place | None) -> str | None:
    if place is None:
        return None
    moment = (place.received - _EPOCH) // timedelta(microseconds=1)
    return f"{place.rank}-{moment}-{place.sid}"


def _read(written: str) -> Place | None:
    """Read a place in the list; anything else is the beginning."""
    found = _PLACE.fullmatch(written)
    if found is None:
        return None
    rank, moment, sid = found.groups()
    received = _EPOCH + timedelta(microseconds=int(moment))
    return Place(rank=int(rank), received=received, sid=sid)
