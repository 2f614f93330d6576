"""The answer to an inbound webhook, as TwiML: messages, or none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from twilio.twiml.messaging_response import (  # type: ignore[import-untyped] # ships no types
    MessagingResponse,
)

# What XML 1.0 cannot carry, not even escaped (its production 2, "Char", turned round).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_answer(texts: Sequence[str]) -> str:
    """Write TwiML that sends these texts to the author, or that sends nothing.

    Args:
        texts: a message each; control characters that XML cannot carry are left out.
    """
    response = MessagingResponse()
    for text in texts:
        # A reader of XML turns every line end into \n anyway; so the words are what we wrote.
        words = _NOT_XML.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
        if words:
            response.message(words)
    return str(response)
