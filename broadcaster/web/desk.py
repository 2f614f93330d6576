"""The desk: the first page after signing in."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, render_template

from broadcaster.services import desk as desk_service
from broadcaster.services.staff import Role
from broadcaster.services.troubles import Trouble
from broadcaster.web import refusals
from broadcaster.web.access import requires, signed_in
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.headline import brief
from broadcaster.web.spans import rate
from broadcaster.web.texts import kind
from broadcaster.web.wording import gettext as _

blueprint = Blueprint("desk", __name__)
blueprint.add_app_template_filter(rate, "rate")


@blueprint.get("/desk")
@requires(Role.EDITOR)
def desk() -> str:
    """Show what needs attention, what goes out and what comes next."""
    found = desk_service.overview(reading(), runtime(), now=runtime().clock.now())
    return render_template(
        "desk.html",
        desk=found,
        greeting=_("Hello %(name)s", name=signed_in().name),
        brief=brief,
        explain=refusals.explain,
        stopped=[one for one in found.senders if one.stopped_code is not None],
        texts=[(text, kind(text.review)) for text in found.waiting],
        troubles=[(trouble, _words(trouble)) for trouble in found.troubles],
        holds=runtime().settings.sending.on_uncertain == "hold",
        here="desk",
    )


def _words(trouble: Trouble) -> str:
    words = {**_about_sending(), **_about_bulletins(), **_about_twilio()}
    known = words.get(trouble.kind)
    return known() if known else trouble.kind.replace("_", " ")


def _about_sending() -> dict[str, Callable[[], str]]:
    return {
        "duplicate": lambda: _("Twilio took one message twice; somebody may have got it double."),
        "skipped_but_sent": lambda: _(
            "Twilio sent a message to somebody who had been left out; they may have got it."
        ),
        "restored_unexplained": lambda: _(
            "After a backup was put back, Twilio's list showed messages that we know nothing of."
        ),
        "listing_slower_than_settling": lambda: _(
            "Twilio's list shows messages later than we wait for; somebody may get one double."
        ),
        "ledger_head_damaged": lambda: _(
            "The ledger's head was damaged, and was worked out anew when a text came in."
        ),
        "ledger_broken": lambda: _(
            "The ledger was found to be not what was written, and everything stopped until somebody"
            " verified it."
        ),
        "deliveries_held": lambda: _("Of some people nobody knows whether they have a bulletin."),
        "unreached": lambda: _(
            "Bulletins in a row did not reach somebody; their phone may be off for good."
        ),
        "late_provider_stop": lambda: _(
            "Twilio refused somebody as stopped who had joined again since."
        ),
    }


def _about_bulletins() -> dict[str, Callable[[], str]]:
    return {
        "bulletin_standstill": lambda: _(
            "A bulletin came to a standstill and waited for a person."
        ),
        "bulletin_failures": lambda: _("A bulletin stopped by itself: too many messages failed."),
        "bulletin_uncertain": lambda: _(
            "A bulletin stopped by itself: Twilio gave no clear answers."
        ),
        "bulletin_not_started": lambda: _(
            "A bulletin could not begin at its moment; it was tried again and again."
        ),
        "bulletin_refused": lambda: _("A bulletin stopped by itself: Twilio refused it."),
        "sender_refused": lambda: _("Twilio refused everything from a number; it stood still."),
        "restored": lambda: _("The database was put back from a backup, and compared since."),
        "occurrence_missed": lambda: _(
            "A bulletin of a series was not made: nothing was running at its moment."
        ),
    }


def _about_twilio() -> dict[str, Callable[[], str]]:
    return {
        "unheard": lambda: _("Twilio's list of incoming texts could not be read."),
        "list_unreadable": lambda: _("Twilio's list of messages could not be read."),
        "malformed_text": lambda: _("Twilio's list held a text that could not be understood."),
        "unknown_delivery": lambda: _("Twilio reported on a message that we do not know."),
        "unrecognised_status": lambda: _("Twilio reported a status that we do not know yet."),
        "status_without_request": lambda: _("Twilio reported on a message that we had not sent."),
        "unknown_sender": lambda: _("A text came in on a number that is on no list."),
        "own_number": lambda: _("A text came in from one of our own numbers."),
        "bad_address": lambda: _("A text came from a sender that cannot be answered."),
    }
