"""Addresses of web services and databases: what is accepted, and the one way each is written."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from broadcaster.settings.form import Form, one_line, refuse, shown

# No underscore: Twilio refuses callbacks to such hosts.
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?")
_POSTGRESQL = re.compile(r"(postgres|postgresql|postgresql\+psycopg)://")
_SQLITE = re.compile(r"sqlite(\+pysqlite)?://")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself, so that nobody listens in between."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Tell whether a URL leads to this machine itself."""
    return is_loopback(urlsplit(url).hostname or "")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        refuse("is no URL; write one such as https://news.example.org")
    if parts.username is not None or parts.password is not None:
        refuse("holds a name or password; write the URL without them")
    return parts


def _check_host(host: str) -> None:
    if "_" in host:
        refuse(f"has an underscore in its host {shown(host)}, which Twilio refuses; use a hyphen")
    if not host.isascii():
        refuse(f"has letters beyond ASCII in its host {shown(host)}; write its punycode (xn--…)")
    if ":" in host:
        ipaddress.IPv6Address(host)
    elif len(host) > 253 or not _HOST_NAME.fullmatch(host):  # noqa: PLR2004 - RFC 1035
        refuse(f"has no valid host: {shown(host)}; write one such as news.example.org")


def _authority(parts: SplitResult) -> str:
    host = (parts.hostname or "").removesuffix(".")
    _check_host(host)
    name = f"[{host}]" if ":" in host else host
    return name if parts.port is None else f"{name}:{parts.port}"


def _web_address(value: object, example: str, *, path: bool) -> str:
    url = one_line(value)
    if not url:
        return ""
    if any(character.isspace() or character == "\\" for character in url):
        refuse(f"holds a blank or a backslash; write one such as {example}")
    parts = _split(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        refuse(f"is {shown(url)}, not a full URL; write one such as {example}")
    authority = _authority(parts)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        refuse("starts with http://, which anyone on the way can read; write https://")
    if not path and (parts.path.strip("/") or "?" in url or "#" in url):
        refuse(f"has a path, query or fragment; write only scheme and host, such as {example}")
    return f"{parts.scheme}://{authority}" + (url.split(parts.netloc, 1)[1] if path else "")


def origin_url(example: str) -> Form[str]:
    """Make the form of a URL without path: https, or http to this machine; no slash at its end."""
    kind = "URL without path; https, or http to this machine"
    return Form(kind, lambda value: _web_address(value, example, path=False))


def page_url() -> Form[str]:
    """Make the form of the URL of a page."""
    example = "https://example.org/privacy"
    return Form("URL of a page", lambda value: _web_address(value, example, path=True))


def _sqlite(url: str) -> str:
    path = _SQLITE.sub("", url, count=1)
    if not path.startswith("//") or path.endswith("/"):
        refuse(
            "is no absolute path of a file; write sqlite:////var/lib/broadcaster/data.sqlite3, "
            "with four slashes"
        )
    if "?" in path:
        refuse("has options behind the file name; the product sets them itself, so leave them out")
    return sqlite_url(Path(path))


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file by its absolute path."""
    return "sqlite:////" + str(path).lstrip("/")


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite URL, or None for another database."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:") else None


def _postgresql(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        refuse("is no URL; write postgresql://user:password@host:5432/name")
    if not parts.path.strip("/"):
        refuse("names no database; write postgresql://user:password@host:5432/name")
    return _POSTGRESQL.sub("postgresql+psycopg://", url, count=1)


def _database(value: object) -> str:
    url = one_line(value)
    if not url:
        return ""
    if _SQLITE.match(url):
        return _sqlite(url)
    if _POSTGRESQL.match(url):
        return _postgresql(url)
    return _refuse_database(url)


def _refuse_database(url: str) -> NoReturn:
    scheme = url.split(":", 1)[0] if ":" in url else "no scheme at all"
    refuse(f"starts with {shown(scheme)}; only sqlite:////… and postgresql://… are supported")


def database_url() -> Form[str]:
    """Make the form of a database: a SQLite file by absolute path, or PostgreSQL."""
    return Form("sqlite:////path or postgresql://…", _database)


def without_password(url: str) -> str:
    """Return a database URL that may be printed."""
    return re.sub(r"(?<=://)([^:@/]*):[^@]*@", r"\1:•••@", url)
