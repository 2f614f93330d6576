"""Who sends: what subscribers, the ledger and the record of processing say of the organisation."""

from __future__ import annotations

from dataclasses import dataclass, field

from broadcaster.settings import form, url, zone
from broadcaster.settings.declaration import read_as


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who sends, as subscribers and the ledger are told."""

    name: str = field(
        default="Broadcaster",
        metadata=read_as(form.name(), "The organisation's name, shown to everyone."),
    )
    contact: str = field(
        default="",
        metadata=read_as(form.email(), "E-mail address for questions about personal data."),
    )
    phone: str = field(
        default="", metadata=read_as(form.phone(), "Telephone number for questions; may be empty.")
    )
    address: str = field(
        default="", metadata=read_as(form.text(), "Postal address on one line; may be empty.")
    )
    privacy_url: str = field(
        default="",
        metadata=read_as(
            url.page_url(), "The privacy statement. Empty: the page /privacy under public_url."
        ),
    )
    language: str = field(
        default="nl",
        metadata=read_as(
            form.choice("nl", "en", "de", "fr", "es"), "Language where nothing says otherwise."
        ),
    )
    zone: str = field(
        default="Europe/Amsterdam",
        metadata=read_as(zone.time_zone(), "Time zone of the organisation, such as Europe/Paris."),
    )
    authority: str = field(
        default="Autoriteit Persoonsgegevens",
        metadata=read_as(form.name(), "The authority that hears complaints."),
    )
    jurisdiction: str = field(
        default="NL", metadata=read_as(form.name(), "The law that applies: a country code.")
    )
    storage: str = field(
        default="On the organisation's own server",
        metadata=read_as(form.name(), "Where personal data is kept."),
    )
    retention: str = field(
        default="As long as the subscription lasts; the proof of consent as long as it may be asked for",
        metadata=read_as(form.name(), "How long personal data is kept."),
    )
    recipients: tuple[str, ...] = field(
        default=("Twilio", "Meta (WhatsApp)"),
        metadata=read_as(form.texts(), "Who else receives personal data."),
    )
    dpo: str = field(
        default="",
        metadata=read_as(
            form.text(), "How to reach the data protection officer; empty if there is none."
        ),
    )
    representative: str = field(
        default="",
        metadata=read_as(
            form.text(), "Your representative in the Union, if you are outside (GDPR art. 27)."
        ),
    )
    transfers: tuple[str, ...] = field(
        default=(
            "United States (Twilio): the safeguards in the contract with Twilio",
            "United States (Meta): the safeguards in the contract with Meta",
        ),
        metadata=read_as(
            form.texts(),
            "To which countries outside the Union personal data goes, and on what ground "
            "(GDPR art. 44-49); check your contracts.",
        ),
    )
    security: str = field(
        default="Numbers and texts are encrypted under a key of each person; the master key is kept "
        "apart from the database; staff sign in with a name, a password and a role; changes of "
        "consent stand in a tamper-evident ledger; deleting a key makes what it sealed unreadable",
        metadata=read_as(form.name(), "How personal data is secured (GDPR art. 32)."),
    )
