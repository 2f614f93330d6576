"""The second of two presses on one version: the same wish twice, or two editors with two wishes."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, make_response, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.scheduling import in_words
from broadcaster.storage import bulletins as stored
from broadcaster.storage.models import Bulletin
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.languages import current
from broadcaster.web.moments import Planned
from broadcaster.web.wording import gettext as _

# How far a bulletin's version is from the one that was scheduled: scheduling, starting and
# finishing count one each. Further on, something else was changed as well.
_STEPS = {BulletinState.SCHEDULED: 1, BulletinState.SENDING: 2, BulletinState.FINISHED: 3}


def second(bulletin_id: int, planned: Planned, version: int) -> BaseResponse:
    """Lead the second of two presses to what the first has done; tell another editor what it was."""
    bulletin = stored.get(reading(), bulletin_id)
    if not _is_done(bulletin, planned, version):
        page = render_template(
            "bulletins/taken.html",
            code=409,
            title=_("Somebody was there first"),
            advice=_taken(bulletin),
            bulletin=bulletin,
            here="bulletins",
        )
        return make_response(page, 409)
    flash(_("This bulletin had been scheduled already; nothing was done twice."), "good")
    return redirect(f"/bulletins/{bulletin_id}", 303)


def _is_done(bulletin: Bulletin, planned: Planned, version: int) -> bool:
    """Tell whether what was asked for has been done, on the version it was asked for."""
    steps = _STEPS.get(BulletinState(bulletin.state), 0)
    if not version < bulletin.version <= version + steps or bulletin.starts_at is None:
        return False
    if planned.date:
        return bulletin.starts_at == planned.starts_at
    return bulletin.starts_at <= runtime().clock.now()


def _taken(bulletin: Bulletin) -> str:
    when = in_words(bulletin.starts_at, bulletin.zone, current()) if bulletin.starts_at else ""
    words: dict[BulletinState, Callable[[], str]] = {
        BulletinState.SCHEDULED: lambda: _(
            "It has been scheduled meanwhile for %(moment)s. What you chose was not kept.",
            moment=when,
        ),
        BulletinState.SENDING: lambda: _("It is going out already, since %(moment)s.", moment=when),
        BulletinState.FINISHED: lambda: _("It has gone out already, on %(moment)s.", moment=when),
        BulletinState.CANCELLED: lambda: _("It has been cancelled meanwhile."),
    }
    changed: Callable[[], str] = lambda: _("It has been changed meanwhile. Look at it again.")  # noqa: E731 - translated late
    return words.get(BulletinState(bulletin.state), changed)()
