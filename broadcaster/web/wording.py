"""Words in the reader's language, with types, which Flask-Babel itself does not have."""

from __future__ import annotations

import flask_babel
from babel import Locale


def gettext(text: str, **values: object) -> str:
    """Return a text in the reader's language with its placeholders filled in."""
    return str(flask_babel.gettext(text, **values))


def ngettext(one: str, many: str, count: int, **values: object) -> str:
    """Return the text for one or for many, in the reader's language."""
    return str(flask_babel.ngettext(one, many, count, **values))


def locale() -> Locale:
    """Return the reader's locale."""
    found: Locale = flask_babel.get_locale()
    return found
