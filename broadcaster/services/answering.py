"""The words of an answer: in the language of the text, or of its list, or of the organisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from broadcaster.core.consent import Answer
from broadcaster.core.keywords import Interpretation
from broadcaster.core.replies import Reply
from broadcaster.runtime import Runtime
from broadcaster.services.recording import Target
from broadcaster.storage.models import BroadcastList, Subscriber

_GUIDANCE = frozenset({Reply.GUIDE, Reply.UNSURE})


def language_of(
    interpretation: Interpretation,
    every: Sequence[BroadcastList],
    subscriber: Subscriber,
    runtime: Runtime,
) -> str:
    """Choose the language to answer in: the text's, the list's, the person's, ours."""
    if interpretation.lang is not None:
        return interpretation.lang
    for item in every:
        if item.keyword in interpretation.lists:
            return item.language
    return subscriber.language or runtime.settings.organisation.language


def write(
    runtime: Runtime,
    answers: Sequence[Answer],
    language: str,
    targets: Mapping[str, Target],
    offered: Sequence[BroadcastList],
) -> list[str]:
    """Write each answer as a message of its own; a message has at most 1,600 characters."""
    return [_text(runtime, answer, language, targets, offered) for answer in answers]


def guides(answers: Sequence[Answer]) -> bool:
    """Tell whether the answers explain how to use us, which is not repeated at once."""
    return any(answer.reply in _GUIDANCE for answer in answers)


def _text(
    runtime: Runtime,
    answer: Answer,
    language: str,
    targets: Mapping[str, Target],
    offered: Sequence[BroadcastList],
) -> str:
    organisation = runtime.settings.organisation
    named = [targets[keyword] for keyword in answer.lists]
    open_here = {item.id for item in offered}
    suggested = [target.list for target in named if target.list.id in open_here] or offered
    values = {
        "organisation": organisation.name,
        "contact": organisation.contact or organisation.phone,
        "privacy_url": organisation.privacy_url,
        "commands": _commands(runtime, suggested, language),
    }
    if named:
        first = named[0]
        values |= {
            "list": first.list.name,
            "lists": ", ".join(target.list.name for target in named),
            "keyword": first.list.keyword,
            "what": _sentence(first.notice.what) if first.notice else "",
            "frequency": first.notice.frequency if first.notice else "",
            "hours": first.notice.hours.rstrip(".") if first.notice else "",
        }
    return runtime.replies.write(answer.reply, language, values)


def _commands(runtime: Runtime, suggested: Sequence[BroadcastList], language: str) -> str:
    commands = [runtime.replies.command(item.keyword, language) for item in suggested]
    return ", ".join(commands) or runtime.replies.no_lists(language)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
