"""The buttons of a bulletin on its way: pause, continue, stop, send again; each harmless twice.

A press on a page that is no longer true does nothing and leads to what is true now. Braking is
never refused for that: pause and stop do what they say in whatever version the bulletin is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog
from flask import Blueprint, flash, redirect, render_template
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from broadcaster.core.bulletin import CANCELLABLE, ON_ITS_WAY, BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.errors import Conflict
from broadcaster.services import brakes, bulletins, senders
from broadcaster.services.bulletins import Report
from broadcaster.services.staff import Role
from broadcaster.storage import bulletins as stored
from broadcaster.storage.models import Bulletin
from broadcaster.web import outcomes
from broadcaster.web.access import requires, signed_in
from broadcaster.web.extensions import reading, runtime, stop_reading
from broadcaster.web.formats import number
from broadcaster.web.forms import AgainForm, VersionForm
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import ngettext

_log = structlog.get_logger()

blueprint = Blueprint("brakes", __name__)

_WAITING = frozenset({BulletinState.PAUSED, BulletinState.HELD})
# A draft is no longer what the page showed that had this button.
_MAY_BE_STOPPED = CANCELLABLE - {BulletinState.DRAFT}
_MAY_BE_SENT_AGAIN = ON_ITS_WAY | {BulletinState.FINISHED}


@blueprint.post("/bulletins/<int:bulletin_id>/pause")
@requires(Role.EDITOR)
def pause(bulletin_id: int) -> Response:
    """Let a bulletin that is going out wait."""
    now = runtime().clock.now()

    def press(session: Session, _bulletin: Bulletin) -> None:
        brakes.pause(session, bulletin_id, now=now)

    found = _press(bulletin_id, press, among={BulletinState.SENDING})
    if found is None:
        words = _("Paused. Nothing more goes out until you say that it goes on.")
        return _done("paused", bulletin_id, words)
    return _nothing_done(found, same={BulletinState.PAUSED})


@blueprint.post("/bulletins/<int:bulletin_id>/continue")
@requires(Role.EDITOR)
def go_on(bulletin_id: int) -> Response:
    """Let a bulletin go on with those who have not got it yet."""
    now = runtime().clock.now()

    def press(session: Session, _bulletin: Bulletin) -> None:
        brakes.go_on(session, runtime(), bulletin_id, now=now)

    found = _press(bulletin_id, press, among=_WAITING, version=VersionForm().version.data or 0)
    if found is None:
        words = _("It goes on with those who have not got it yet.")
        return _done("continued", bulletin_id, words)
    return _nothing_done(found, same={BulletinState.SENDING})


@blueprint.get("/bulletins/<int:bulletin_id>/stop")
@requires(Role.EDITOR)
def ask_to_cancel(bulletin_id: int) -> Response | str:
    """Ask once more before a bulletin is stopped for good."""
    found = bulletins.report(reading(), bulletin_id)
    if BulletinState(found.bulletin.state) not in _MAY_BE_STOPPED:
        return redirect(f"/bulletins/{bulletin_id}", 303)
    return render_template(
        "bulletins/stop.html",
        report=found,
        bulletin=found.bulletin,
        have_it=outcomes.have_it(found),
        here="bulletins",
    )


@blueprint.post("/bulletins/<int:bulletin_id>/cancel")
@requires(Role.EDITOR)
def cancel(bulletin_id: int) -> Response:
    """Cancel a bulletin, or stop the rest of one that is going out."""
    now = runtime().clock.now()

    def press(session: Session, _bulletin: Bulletin) -> None:
        brakes.stop(session, bulletin_id, now=now)

    found = _press(bulletin_id, press, among=_MAY_BE_STOPPED)
    if found is None:
        words = _("Stopped. Nothing of this bulletin goes out any more.")
        return _done("stopped", bulletin_id, words)
    return _nothing_done(found, same={BulletinState.CANCELLED})


@blueprint.get("/bulletins/<int:bulletin_id>/undecided")
@requires(Role.EDITOR)
def ask_to_send_again(bulletin_id: int) -> Response | str:
    """Ask what is to become of those of whom nobody knows whether they have it."""
    found = bulletins.report(reading(), bulletin_id)
    if not may_send_again(found):
        return redirect(f"/bulletins/{bulletin_id}", 303)
    return render_template(
        "bulletins/again.html",
        bulletin=found.bulletin,
        people=found.of(State.HELD),
        doubts=outcomes.doubts(found),
        here="bulletins",
    )


@blueprint.post("/bulletins/<int:bulletin_id>/again")
@requires(Role.EDITOR)
def send_again(bulletin_id: int) -> Response:
    """Send once more to those of whom nobody knows, if they are as many as the page said."""
    form = AgainForm()
    now = runtime().clock.now()

    def press(session: Session, bulletin: Bulletin) -> Bulletin | None:
        if bulletins.report(session, bulletin.id).of(State.HELD) != form.people.data:
            return bulletin
        brakes.send_held_again(session, runtime(), bulletin_id, now=now)
        return None

    version = form.version.data or 0
    found = _press(bulletin_id, press, among=_MAY_BE_SENT_AGAIN, version=version)
    if found is not None:
        return _nothing_done(found)
    people = form.people.data or 0
    words = ngettext(
        "It is sent again to %(number)s person.",
        "It is sent again to %(number)s people.",
        people,
        number=number(people),
    )
    return _done("sent_again", bulletin_id, words)


@blueprint.post("/senders/<int:sender_id>/again")
@requires(Role.EDITOR)
def start_sender_again(sender_id: int) -> Response:
    """Let a number go on that Twilio refused."""
    stop_reading()
    if runtime().run(lambda session: senders.start_again(session, sender_id)):
        _log.info("sender_started_again", user=signed_in().id, sender=sender_id)
        flash(_("The number goes on. If Twilio refuses it again, it stands still again."), "good")
    else:
        flash(_("The number was not standing still any more; nothing was done twice."), "good")
    return redirect("/desk", 303)


def may_send_again(found: Report) -> bool:
    """Tell whether those that are undecided may be sent to once more."""
    bulletin = found.bulletin
    is_over = bulletin.not_after is not None and bulletin.not_after <= runtime().clock.now()
    return (
        found.of(State.HELD) > 0
        and not is_over
        and BulletinState(bulletin.state) in _MAY_BE_SENT_AGAIN
    )


def _press(
    bulletin_id: int,
    work: Callable[[Session, Bulletin], Bulletin | None],
    *,
    among: Collection[BulletinState],
    version: int | None = None,
) -> Bulletin | None:
    """Do what a button says if that is still what the page said; else return what is true now.

    Args:
        bulletin_id: whose button.
        work: what it does; returns the bulletin where it found that there is nothing to do.
        among: in which states it may be pressed.
        version: the version that the page showed, where a later one is another thing.
    """

    def attempt(session: Session) -> Bulletin | None:
        bulletin = stored.lock(session, bulletin_id)
        is_other = version is not None and bulletin.version != version
        if is_other or BulletinState(bulletin.state) not in among:
            return bulletin
        return work(session, bulletin)

    stop_reading()
    try:
        return runtime().run(attempt)
    except Conflict:
        return stored.get(reading(), bulletin_id)


def _done(event: str, bulletin_id: int, words: str) -> Response:
    _log.info(f"bulletin_{event}", user=signed_in().id, bulletin=bulletin_id)
    flash(words, "good")
    return redirect(f"/bulletins/{bulletin_id}", 303)


def _nothing_done(bulletin: Bulletin, same: Collection[BulletinState] = ()) -> Response:
    """Say what is true now; where it is what was asked for, somebody was a moment earlier."""
    words: dict[BulletinState, Callable[[], str]] = {
        BulletinState.PAUSED: lambda: _("It had been paused already."),
        BulletinState.SENDING: lambda: _("It goes out already."),
        BulletinState.HELD: lambda: _("It has stopped by itself; you see below why."),
        BulletinState.FINISHED: lambda: _("It has gone out already."),
        BulletinState.CANCELLED: lambda: _("It had been stopped already."),
        BulletinState.SCHEDULED: lambda: _("It has been scheduled meanwhile."),
        BulletinState.DRAFT: lambda: _("It is a draft again."),
    }
    state = BulletinState(bulletin.state)
    said = words[state]() + " " + _("Nothing was done twice.") if state in same else ""
    other = words[state]() + " " + _("The page had changed meanwhile, so nothing was done.")
    flash(said or other, "good" if said else "bad")
    return redirect(f"/bulletins/{bulletin.id}", 303)
