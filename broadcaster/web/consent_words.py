"""What the words of entries mean, in the reader's language."""

from __future__ import annotations

from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import locale


def event(name: str) -> str:
    """Say what happened."""
    words = {
        "opt_in": _("Joined"),
        "opt_out": _("Left a list"),
        "opt_out_all": _("Stopped everything"),
        "restart": _("Started again after a stop"),
        "terms_agreed": _("Agreed to the terms"),
        "terms_refused": _("Refused the terms"),
        "provider_stop": _("Stopped at Twilio"),
        "provider_start": _("Started again at Twilio"),
        "import": _("Taken over with proof"),
        "admin_opt_out": _("Taken off by us, on request"),
        "correction": _("Correction"),
        "expired": _("Consent ran out"),
        "erased": _("Erased"),
        "access_answered": _("Was shown what we keep"),
        "unreadable": _("Cannot be read"),
    }
    if name.startswith("document "):
        return document(name.removeprefix("document "))
    return words.get(name, name)


def document(kind: str) -> str:
    """Say what a document is."""
    words = {
        "notice": _("Text that people are told"),
        "terms": _("Terms"),
        "config": _("Record of processing"),
    }
    return words.get(kind, kind)


def state(name: str) -> str:
    """Say how consent stands after an entry."""
    words = {
        "given": _("given"),
        "withdrawn": _("withdrawn"),
        "refused": _("refused"),
        "expired": _("expired"),
        "terminated": _("ended"),
    }
    return words.get(name, name)


def method(name: str) -> str:
    """Say how we got to know."""
    words = {
        "keyword": _("by a keyword"),
        "button": _("by a button"),
        "free_text": _("in their own words"),
        "provider_keyword": _("by Twilio's own keyword"),
        "provider_error": _("Twilio refused a message"),
        "whatsapp_preference": _("in WhatsApp's settings"),
        "admin": _("by a member of staff"),
        "import": _("by an import"),
        "api": _("by another program"),
    }
    return words.get(name, name)


def actor(name: str) -> str:
    """Say who acted."""
    words = {
        "subject": _("the person"),
        "provider": _("Twilio"),
        "system": _("the system"),
        "operator": _("an operator, at the command line"),
        # So imports of earlier versions call an operator; entries stay what they are.
        "cli": _("an operator, at the command line (“cli”)"),
    }
    return words.get(name, name)


def purpose(name: str) -> str:
    """Say what consent is for."""
    words = {"news-bulletin": _("bulletins that the person asked for")}
    return words.get(name, name)


def basis(name: str) -> str:
    """Say on what ground of the law it rests."""
    words = {"GDPR-6-1-a": _("consent (GDPR, article 6(1)(a))")}
    return words.get(name, name)


def validity(name: str) -> str:
    """Say how long it holds."""
    words = {"until-withdrawn": _("until the person withdraws it")}
    return words.get(name, name)


def language(code: str) -> str:
    """Name a language."""
    return str(locale().languages.get(code, code))
