"""How a person stands with us when a text of theirs is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.core.consent import Circumstances, Standing
from broadcaster.core.messages import InboundMessage, OptOutType
from broadcaster.runtime import Runtime
from broadcaster.services.recording import Target
from broadcaster.storage import lists, people
from broadcaster.storage.models import BroadcastList, Sender, Subscriber

# Guidance is given once in this time; otherwise two machines could talk to each other for ever.
_GUIDE_AGAIN = timedelta(hours=1)


def targets_of(
    session: Session, every: Sequence[BroadcastList], language: str
) -> Mapping[str, Target]:
    """Return, by keyword, each list with its newest notice: in this language, else in its own."""
    targets = {}
    for item in every:
        newest = lists.notices(session, item.id)
        targets[item.keyword] = Target(
            list=item,
            notice=newest.get(language) or newest.get(item.language),
            accepted=frozenset(notice.sha256 for notice in newest.values()),
        )
    return targets


def standing_of(
    session: Session, subscriber: Subscriber, sender: Sender, targets: Mapping[str, Target]
) -> Standing:
    """Tell which lists a person is on, under which notice, and what keeps us from them."""
    subscriptions = people.subscriptions(session, subscriber.id)
    current, outdated, left = set(), set(), set()
    for keyword, target in targets.items():
        subscription = subscriptions.get(target.list.id)
        if subscription is None:
            continue
        if subscription.state != "in":
            left.add(keyword)
        elif subscription.notice in target.accepted:
            current.add(keyword)
        else:
            outdated.add(keyword)
    return Standing(
        stopped=subscriber.stopped_at is not None,
        current=frozenset(current),
        outdated=frozenset(outdated),
        left=frozenset(left),
        blocked=people.is_blocked(session, subscriber.id, sender.id),
    )


def circumstances_of(
    runtime: Runtime,
    message: InboundMessage,
    subscriber: Subscriber,
    offered: Sequence[BroadcastList],
    now: datetime,
) -> Circumstances:
    """Tell what is known of a text beside its words."""
    provider, guided = runtime.provider, subscriber.guided_at
    return Circumstances(
        offered=frozenset(item.keyword for item in offered),
        provider_stopped=provider.answers_stop_itself(message),
        provider_lifted=provider.lifts_block_itself(message),
        provider_stop_event=message.opt_out_type is OptOutType.STOP,
        provider_helped=provider.answers_help_itself(message),
        has_words=any(character.isalnum() for character in message.words),
        may_guide=guided is None or now - guided >= _GUIDE_AGAIN,
    )
