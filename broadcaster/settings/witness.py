"""The form of witnesses: where each is asked, and its public key."""

from __future__ import annotations

import re

from broadcaster.settings import url
from broadcaster.settings.form import Form, refuse, shown, texts

# The text form of a C2SP signed-note key: name, key id, key type and key.
_KEY = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}")
_EXAMPLE = "https://witness.example.org/w1"


def witnesses() -> Form[tuple[str, ...]]:
    """Make the form of a list of witnesses: an address, a space, a key."""
    listed, address = texts(), url.page_url()

    def read(value: object) -> tuple[str, ...]:
        found = listed.read(value)
        for one in found:
            place, _, vkey = one.partition(" ")
            address.read(place)
            if not place or not _KEY.fullmatch(vkey):
                refuse(f'has {shown(one)}; write "{_EXAMPLE} name+id+key", with one blank between')
        return found

    return Form("list of witnesses (between semicolons in a variable)", read)
