"""How a setting is declared: default, form and description in one place, beside its type."""

from __future__ import annotations

import dataclasses
from typing import Any

from broadcaster.settings.form import Form

_FORM = "form"
_ABOUT = "about"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One setting.

    Args:
        key: its name in a file, ``web.port``.
        form: how it is read.
        default: its value where nobody sets it.
        about: what it does.
    """

    key: str
    form: Form[Any]
    default: object
    about: str

    @property
    def variable(self) -> str:
        """The variable of the environment that sets it."""
        return "BROADCASTER_" + self.key.upper().replace(".", "__")


def read_as(form: Form[Any], about: str) -> dict[str, Any]:
    """Make the metadata of a dataclass field that is a setting."""
    return {_FORM: form, _ABOUT: about}


def declared(owner: type) -> list[Declaration]:
    """List every setting of a dataclass and of the sections it is made of, in order."""
    found: list[Declaration] = []
    for field in dataclasses.fields(owner):
        if _FORM in field.metadata:
            found.append(
                Declaration(
                    key=field.name,
                    form=field.metadata[_FORM],
                    default=field.default,
                    about=field.metadata[_ABOUT],
                )
            )
            continue
        section: object = field.default_factory
        if isinstance(section, type) and dataclasses.is_dataclass(section):
            found += [
                dataclasses.replace(inner, key=f"{field.name}.{inner.key}")
                for inner in declared(section)
            ]
    return found
