"""Where Twilio's API is: over TLS, or on this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit


def parse_api_base(text: str) -> SplitResult:
    """Read the address of the API.

    Args:
        text: scheme, host and perhaps a port, such as ``https://api.twilio.com``.

    Raises:
        ValueError: it is none, or would carry the secret token in the clear.
    """
    base = urlsplit(text)
    _ = base.port  # raises ValueError where it is no number
    bare = not (base.path.strip("/") or base.query or base.fragment or base.username)
    if base.scheme not in {"http", "https"} or not base.hostname or not bare:
        message = "The address of Twilio's API must be like https://api.twilio.com, without a path."
        raise ValueError(message)
    if base.scheme == "http" and not _is_loopback(base.hostname):
        message = "Plain http to Twilio's API is only for a server on this machine; use https."
        raise ValueError(message)
    return base


def lead(url: str, base: SplitResult) -> str:
    """Lead a request to the API's address instead of the one that the library knows.

    Args:
        url: where the library would send it.
        base: from `parse_api_base`.
    """
    return urlsplit(url)._replace(scheme=base.scheme, netloc=base.netloc).geturl()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
