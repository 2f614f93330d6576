"""The record of processing (GDPR art. 30) for people: its fields in words, those asked for most first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from broadcaster.web import consent_words
from broadcaster.web.wording import gettext, locale


def _(text: str) -> str:
    """Mark a text for the catalogue; it is looked up where it is shown."""
    return text


_FIRST = {
    "controller": _("Controller"),
    "contact": _("Contact"),
    "purpose": _("Purpose"),
    "basis": _("Legal basis"),
    "storage": _("Where data is kept"),
    "retention": _("How long"),
    "recipients": _("Recipients"),
    "jurisdiction": _("Law that applies"),
}
_MORE = {
    "phone": _("Telephone"),
    "address": _("Address"),
    "representative": _("Representative in the Union"),
    "dpo": _("Data protection officer"),
    "service": _("Service"),
    "purpose_type": _("Purpose, as entries name it"),
    "data_subjects": _("Categories of people"),
    "pii": _("Categories of personal data"),
    "sensitive": _("Special categories of data"),
    "collection": _("How data is collected"),
    "processing": _("What is done with it"),
    "transfers": _("Transfers outside the Union"),
    "security": _("Security"),
    "withdrawal": _("How consent is withdrawn"),
    "rights": _("Rights"),
    "privacy_statement": _("Privacy statement"),
    "authority": _("Supervisory authority"),
}
#: Sentences that we, not the organisation, put into a record: these we can say in other languages.
OURS = frozenset(
    {
        _("broadcast lists by text message and WhatsApp"),
        _("subscribers: people who asked for bulletins"),
        _("people who texted us otherwise"),
        _("telephone number or WhatsApp user id"),
        _("texts sent to us"),
        _("profile name"),
        _("none is asked for; what people write by themselves may hold some"),
        _("news bulletins that the subscriber asked for"),
        _("from the people themselves, who text us or have agreed elsewhere"),
        _("storing, sending bulletins, answering texts, proving consent"),
        _(
            "access, rectification, erasure, restriction, portability, objection, and withdrawal "
            "at any time, which does not touch what was lawful before"
        ),
        _("text STOP, or the keyword with the word for off in nl, en, de, fr or es"),
        _("On the organisation's own server"),
        _("As long as the subscription lasts; the proof of consent as long as it may be asked for"),
        _("United States (Twilio): the safeguards in the contract with Twilio"),
        _("United States (Meta): the safeguards in the contract with Meta"),
        _(
            "Numbers and texts are encrypted under a key of each person; the master key is kept "
            "apart from the database; staff sign in with a name, a password and a role; changes of "
            "consent stand in a tamper-evident ledger; deleting a key makes what it sealed unreadable"
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing that a field says.

    Args:
        words: in the reader's language where we know it.
        raw: as it stands in the record, where that is a code.
    """

    words: str
    raw: str


Field = tuple[str, Sequence[Said]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A record as a page shows it.

    Args:
        first: the fields that are asked for most.
        more: the others that say something.
        empty: the names of those that say nothing.
    """

    first: Sequence[Field]
    more: Sequence[Field]
    empty: Sequence[str]


def read(text: str) -> Register | None:
    """Read a record for a page.

    Args:
        text: as the ledger holds it.

    Returns:
        The record; None if the text is none.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    unknown = {name: name for name in sorted(record.keys() - _FIRST.keys() - _MORE.keys())}
    more = {name: gettext(title) for name, title in _MORE.items()} | unknown
    first = {name: gettext(title) for name, title in _FIRST.items()}
    return Register(
        first=_fields(record, first),
        more=_fields(record, more),
        empty=[
            title for name, title in (first | more).items() if name in record and not record[name]
        ],
    )


def _fields(record: Mapping[str, object], titles: Mapping[str, str]) -> list[Field]:
    return [(title, _say(name, record[name])) for name, title in titles.items() if record.get(name)]


def _say(name: str, value: object) -> list[Said]:
    codes: dict[str, Callable[[str], str]] = {
        "basis": consent_words.basis,
        "purpose_type": consent_words.purpose,
        "jurisdiction": _country,
    }
    read_code = codes.get(name, _sentence)
    parts = value if isinstance(value, list) else [value]
    raws = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in parts]
    return [Said(words=read_code(raw), raw=raw if name in codes else "") for raw in raws]


def _sentence(text: str) -> str:
    return gettext(text) if text in OURS else text


def _country(code: str) -> str:
    return str(locale().territories.get(code, code))
