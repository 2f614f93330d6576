"""The desk: the first page after signing in."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from broadcaster.services import desk as desk_service
from broadcaster.services.staff import Role
from broadcaster.storage.models import Incident
from broadcaster.web.access import requires, signed_in
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.texts import kind
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("desk", __name__)


@blueprint.get("/desk")
@requires(Role.EDITOR)
def desk() -> str:
    """Show what needs attention, what goes out and what comes next."""
    now = runtime().clock.now()
    zone = runtime().settings.organisation.zone
    found = desk_service.overview(reading(), runtime().keyring, zone=zone, now=now)
    return render_template(
        "desk.html",
        desk=found,
        greeting=_("Hello %(name)s", name=signed_in().name),
        texts=[(text, kind(text.review)) for text in found.waiting],
        incidents=[(incident, _incident(incident)) for incident in found.incidents],
        here="desk",
    )


def _incident(incident: Incident) -> str:
    words: dict[str, Any] = {
        "unknown_delivery": _("Twilio reported on a message that we do not know."),
        "duplicate": _("Twilio took one message twice; somebody may have got it double."),
        "unrecognised_status": _("Twilio reported a status that we do not know yet."),
        "status_without_request": _("Twilio reported on a message that we had not sent."),
        "unknown_sender": _("A text came in on a number that is on no list."),
        "own_number": _("A text came in from one of our own numbers."),
        "bad_address": _("A text came from a sender that cannot be answered."),
    }
    return str(words.get(incident.kind, incident.kind.replace("_", " ")))
