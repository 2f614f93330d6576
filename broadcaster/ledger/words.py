"""The words that entries are made of, as enums: what happened, how, and what came of it."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """What happened."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    OPT_OUT_ALL = "opt_out_all"
    RESTART = "restart"
    TERMS_AGREED = "terms_agreed"
    TERMS_REFUSED = "terms_refused"
    PROVIDER_STOP = "provider_stop"
    PROVIDER_START = "provider_start"
    IMPORT = "import"
    ADMIN_OPT_OUT = "admin_opt_out"
    CORRECTION = "correction"
    EXPIRED = "expired"
    ERASED = "erased"
    ACCESS_ANSWERED = "access_answered"


class State(StrEnum):
    """How consent stands for the entry's list after the event."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    EXPIRED = "expired"
    TERMINATED = "terminated"


class Method(StrEnum):
    """How the person, or someone for them, let us know."""

    KEYWORD = "keyword"
    BUTTON = "button"
    FREE_TEXT = "free_text"
    PROVIDER_KEYWORD = "provider_keyword"
    PROVIDER_ERROR = "provider_error"
    WHATSAPP_PREFERENCE = "whatsapp_preference"
    ADMIN = "admin"
    IMPORT = "import"
    API = "api"


class Channel(StrEnum):
    """Where it happened."""

    WHATSAPP = "whatsapp"
    SMS = "sms"


class DocumentKind(StrEnum):
    """What a logged document is; `config` is the register of processing."""

    NOTICE = "notice"
    TERMS = "terms"
    CONFIG = "config"
