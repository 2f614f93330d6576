"""Links: where a browser may be sent back to, and how a phone is asked to write to us."""

from __future__ import annotations

import re
from urllib.parse import quote

_LONGEST = 300
# A path on this host and nothing else: browsers read // and /\ as another host, and drop
# control characters before they look.
_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~?=&%+-]*")


def local_path(wanted: str | None) -> str | None:
    """Return a path to go to if it surely stays on this host."""
    if wanted and len(wanted) <= _LONGEST and _LOCAL.fullmatch(wanted):
        return wanted
    return None


def whatsapp(number: str, text: str) -> str:
    """Return a link that opens WhatsApp with a text to this number ready to send."""
    return f"https://wa.me/{quote(number.removeprefix('+'))}?text={quote(text)}"


def sms(number: str, text: str) -> str:
    """Return a link that opens the phone's messages with a text to this number ready to send."""
    return f"sms:{quote(number, safe='+')}?body={quote(text)}"
