"""What people fill in, and what is asked of each field."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import (  # type: ignore[import-untyped]
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import (  # type: ignore[import-untyped]
    InputRequired,
    NumberRange,
    Optional,
    ValidationError,
)

_LARGEST_ID = 2**31 - 1
# Controls but line feed and tab, and halves of characters that UTF-8 cannot write.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def unify_lines(text: str | None) -> str | None:
    """Write the ends of lines as phones do: a browser sends CR LF, which would count twice."""
    return None if text is None else text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_controls(_form: FlaskForm, field: Any) -> None:  # noqa: ANN401 - WTForms has no type for it
    """Refuse characters that no phone shows and some databases do not take."""
    if _INVISIBLE.search(field.data or ""):
        raise ValidationError(_("The text holds an invisible control character; type it again."))


class _Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form with a key against forgery."""


class SignInForm(_Form):
    """Name and password."""

    name = StringField(_("Name"), [InputRequired(_("Fill in your name."))])
    password = PasswordField(_("Password"), [InputRequired(_("Fill in your password."))])
    next = HiddenField()


class PasswordForm(_Form):
    """A new password for oneself."""

    current = PasswordField(_("Current password"), [InputRequired(_("Fill in your password."))])
    new = PasswordField(_("New password"), [InputRequired(_("Fill in a new password."))])


def _text_field() -> TextAreaField:
    return TextAreaField(
        _("Text"),
        [InputRequired(_("Write at least one character.")), refuse_controls],
        filters=[unify_lines],
    )


class BulletinForm(_Form):
    """A bulletin's list and text."""

    list_id = SelectField(_("List"), coerce=int, validate_choice=True)
    text = _text_field()
    version = IntegerField(validators=[Optional(), NumberRange(1, _LARGEST_ID)])


class FollowingForm(_Form):
    """The text of a bulletin and of those that follow it."""

    text = _text_field()
    version = IntegerField(validators=[Optional(), NumberRange(1, _LARGEST_ID)])


class VersionForm(_Form):
    """Which version of a bulletin a button was pressed on."""

    version = IntegerField(validators=[InputRequired(), NumberRange(1, _LARGEST_ID)])


class AgainForm(VersionForm):
    """Which version a press to send again was made on, and of how many people it spoke."""

    people = IntegerField(validators=[InputRequired(), NumberRange(1, _LARGEST_ID)])
