"""Did Twilio itself make this request? The check of the ``X-Twilio-Signature`` header.

The signature is an HMAC over the URL and the form's fields. It protects neither the boundaries
between fields, nor repeated values, nor against replay; those are guarded where a webhook is read.
Source: https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import parse_qs

from twilio.request_validator import (  # type: ignore[import-untyped] # ships no types
    RequestValidator,
)
from werkzeug.datastructures import MultiDict

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?", re.DOTALL)
_PORT = re.compile(r":[0-9]*\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BODY_HASH = "bodySHA256"


def is_valid_form(
    tokens: Sequence[str],
    url: str,
    parameters: Sequence[tuple[str, str]],
    signature: str | None,
) -> bool:
    """Tell whether a form request was signed with one of the tokens. Never raises.

    Args:
        tokens: the account's secrets; two while they are being exchanged.
        url: the address as configured at Twilio, with its query.
        parameters: every field received, repeats included.
        signature: the header, if there was one.
    """
    try:
        return _matches(tokens, url, MultiDict(parameters), signature)
    except ValueError:  # text that has no UTF-8 form cannot have been signed
        return False


def is_valid_body(tokens: Sequence[str], url: str, body: bytes, signature: str | None) -> bool:
    """Tell whether a request with a body that is no form was signed. Never raises.

    Only the URL is signed then, and the URL's query must carry the hash of the body.

    Args:
        tokens: the account's secrets.
        url: the address Twilio called, with its query.
        body: the raw bytes received.
        signature: the header, if there was one.
    """
    try:
        hashes = parse_qs(url.partition("?")[2].partition("#")[0]).get(_BODY_HASH, [])
        named = hashes[0].encode() if len(hashes) == 1 else b""
        unchanged = hmac.compare_digest(sha256(body).hexdigest().encode(), named)
        return unchanged & _matches(tokens, url, MultiDict(), signature)
    except ValueError:
        return False


def _matches(
    tokens: Sequence[str], url: str, parameters: MultiDict[str, str], signature: str | None
) -> bool:
    """Compare with every token and every spelling, so that the time taken tells nothing."""
    received = (signature or "").encode()
    comparisons = [
        hmac.compare_digest(
            RequestValidator(token).compute_signature(spelling, parameters).encode(), received
        )
        for token in tokens
        if token  # an empty secret would let anybody sign
        for spelling in _spellings(url)
    ]
    return any(comparisons)


def _spellings(url: str) -> list[str]:
    """List the forms in which Twilio may have signed this URL.

    Twilio is inconsistent about the port, never signs a fragment, and writes an apostrophe in
    the query as %27. The library's own variants lose a password and the case of the scheme.
    """
    parts = _URL.match(url)
    if parts is None:
        return [url]
    scheme, authority, path, query = parts.groups(default="")
    host = _PORT.sub("", authority)
    authorities = [authority, host]
    if authority == host and scheme.lower() in _DEFAULT_PORTS:
        authorities.append(f"{host}:{_DEFAULT_PORTS[scheme.lower()]}")
    queries = [query, query.replace("'", "%27")]
    spellings = [f"{scheme}://{place}{path}{asked}" for place in authorities for asked in queries]
    return list(dict.fromkeys(spellings))
