"""Opening a person's evidence: a reason is asked for, and who did it when and why is kept for ever."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import structlog

from broadcaster.core.address import Address
from broadcaster.core.errors import InvalidAddress, InvalidInput, NotFound
from broadcaster.runtime import Runtime
from broadcaster.services import allowing
from broadcaster.services.evidence import Pack, gather
from broadcaster.storage import evidence, openings

_log = structlog.get_logger()

LEAST_REASON, MOST_REASON = 5, 500
_SUBJECT = re.compile(r"[0-9a-f]{32}")
# The reason stays when a person is erased, so no number may be in it: seven digits, however spaced.
_NUMBER = re.compile(r"(?:\d[ ().\-/]?){7}")


class Form(StrEnum):
    """What a pack is opened as."""

    PAGE = "page"
    JSON = "json"
    HTML = "html"
    PDF = "pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """Who opens.

    Args:
        name: as it is kept.
        is_full: whether they see numbers and words; else numbers are masked, and words left out.
    """

    name: str
    is_full: bool


def open_pack(runtime: Runtime, wanted: str, opener: Opener, *, reason: str, form: Form) -> Pack:
    """Record the opening, then gather everything about one person or one message.

    It is committed before anything is opened: there is no pack of which nobody knows.

    Args:
        runtime: the parts.
        wanted: a subject's token, a number or WhatsApp address, or the id of a message; a number
            only by who sees numbers.
        opener: who opens.
        reason: why, in their words.
        form: as what.

    Raises:
        InvalidInput: there is no reason, or it holds a number; or ``wanted`` is none of these.
        NotFound: the ledger knows no such person, or no message has that id.
        LedgerError: an entry cannot be read.
        LedgerBroken: the log is no extension of what was signed.
    """
    why = check_reason(reason)
    subject, delivery = _find(runtime, wanted.strip(), opener)
    now = runtime.clock.now()
    runtime.run(
        lambda session: openings.add(
            session,
            subject=subject,
            actor=opener.name,
            is_full=opener.is_full,
            form=form.value,
            reason=why,
            now=now,
        )
    )
    _log.info("evidence_opened", actor=opener.name, subject=subject, full=opener.is_full)
    return gather(runtime, subject, is_full=opener.is_full, delivery=delivery, now=now)


def check_reason(reason: str) -> str:
    """Return a reason as it is kept.

    Raises:
        InvalidInput: it says nothing, is too long, or holds what could be a phone number.
    """
    visible = "".join(mark if mark.isprintable() else " " for mark in reason)
    why = " ".join(visible.split())
    if not LEAST_REASON <= len(why) <= MOST_REASON:
        message = f"Say why this evidence is opened, in {LEAST_REASON} to {MOST_REASON} characters."
        raise InvalidInput(message)
    if _NUMBER.search(why):
        message = "Leave phone numbers out of the reason: it stays when the person is erased."
        raise InvalidInput(message)
    return why


def _find(runtime: Runtime, wanted: str, opener: Opener) -> tuple[str, int | None]:
    """Return whose evidence is meant, and the delivery if it is that of one message."""
    with runtime.reading() as session:
        if _SUBJECT.fullmatch(wanted):
            if not evidence.is_known(session, wanted):
                message = "The ledger knows nobody by that token."
                raise NotFound(message)
            return wanted, None
        if wanted.startswith(("SM", "MM")):
            found = allowing.find(session, wanted).sent
            if found.subject is None:
                message = "The person that this message went to is not there any more."
                raise NotFound(message)
            return found.subject, found.id
        if not opener.is_full:
            message = "Name a person by their token, 32 hex digits, or a message by its id, SM…"
            raise InvalidInput(message)
        person = evidence.by_index(session, runtime.keyring.blind_index(_address(wanted)))
    if person is None:
        message = "Nobody with that number ever texted us on that channel."
        raise NotFound(message)
    return person.subject, None


def _address(wanted: str) -> Address:
    try:
        return Address.parse(re.sub(r"[ ().\-/]", "", wanted) if "." not in wanted else wanted)
    except InvalidAddress as error:
        message = (
            "Name a person by their token (32 hex digits), a message by its id (SM…), or a number: "
            "+31… for SMS, whatsapp:+31… for WhatsApp."
        )
        raise InvalidInput(message) from error
