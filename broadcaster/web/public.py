"""Pages for everybody: the lists there are, one list, and what happens with a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, current_app, render_template
from sqlalchemy.orm import Session

from broadcaster.core.address import Channel
from broadcaster.core.notice import leaving
from broadcaster.storage import lists
from broadcaster.storage.models import BroadcastList, Notice, Sender
from broadcaster.web import links
from broadcaster.web.access import public
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.languages import current

blueprint = Blueprint("public", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to join a list: an address, and a link that opens the phone's app."""

    channel: str
    number: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """What is shown of a list, in the reader's language where its notice has it."""

    slug: str
    name: str
    is_open: bool
    join: str
    leave: str
    notice: Notice | None
    ways: Sequence[Way]


@blueprint.get("/")
@public
def home() -> str:
    """Show the organisation's open lists, and how to join and leave them."""
    session = reading()
    shown = [_page(session, item) for item in lists.every(session) if item.is_open]
    return render_template("home.html", lists=shown)


@blueprint.get("/l/<slug>")
@public
def one_list(slug: str) -> str:
    """Show one list: what it sends, how to join and leave, what is stored."""
    session = reading()
    item = lists.by_slug(session, slug) if slug.isascii() and slug.isprintable() else None
    if item is None:
        abort(404)
    return render_template("list.html", item=_page(session, item))


@blueprint.get("/privacy")
@public
def privacy() -> str:
    """Say what happens with a number, from what the organisation has set."""
    return render_template("privacy.html")


def _page(session: Session, item: BroadcastList) -> ListPage:
    notices = lists.notices(session, item.id)
    notice = notices.get(current()) or notices.get(item.language)
    language = notice.language if notice else item.language
    join = runtime().replies.command(item.keyword, language)
    return ListPage(
        slug=item.slug,
        name=item.name,
        is_open=item.is_open,
        join=join,
        leave=leaving(item.keyword, language),
        notice=notice,
        ways=[_way(sender, join) for sender in reversed(lists.senders(session, item.id))],
    )


def _way(sender: Sender, join: str) -> Way:
    opens = links.whatsapp if sender.channel == Channel.WHATSAPP else links.sms
    # In the demo no number is real: the phones that can text it are on a page.
    link = current_app.config["PHONES_URL"] or opens(sender.address, join)
    return Way(channel=sender.channel, number=sender.address, link=link)
