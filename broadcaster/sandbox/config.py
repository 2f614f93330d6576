"""How a sandbox is set up: one account, its senders, the phones, and where the product listens."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from broadcaster.sandbox import addresses
from broadcaster.sandbox.errors import InvalidConfig
from broadcaster.sandbox.faults import FaultPlan

_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}", re.ASCII)
_LAST_PORT = 65_535
_NAME = re.compile(r"[\w][\w .'-]{0,39}")


class Condition(StrEnum):
    """What becomes of a message to a phone."""

    ON = "on"
    OFF = "off"
    LANDLINE = "landline"
    UNKNOWN = "unknown"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone on the page: the name of its owner, its number, and whether it can be reached."""

    name: str
    number: str
    condition: Condition = Condition.ON


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds from acceptance to each state; ``None`` leaves a state out."""

    sending: float | None = None
    sent: float = 0.15
    delivered: float = 0.45
    read: float | None = None
    failed: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Everything a sandbox is told at its start.

    Args:
        account_sid: the account, ``AC`` and 32 hexadecimal digits.
        auth_token: the account's token; it also signs the webhooks.
        senders: the account's own addresses, ``+31…`` or ``whatsapp:+31…``.
        phones: the phones on the page. Any other number works too and is always on.
        webhook_base: where the product listens; ``None`` until ``point_to`` is called.
        inbound_path: the path of the product's inbound webhook.
        product_url: where the page's link leads, when it is not ``webhook_base``.
        host: a loopback address; the sandbox binds to nothing else.
        port: 0 takes a free one.
        timing: how fast messages travel.
        chips: texts offered as buttons under each phone.
        journal_path: a file to which each entry is written, and synced, before the answer.
        messaging_service_sid: a Messaging Service that holds all senders.
        advanced_opt_out: send ``OptOutType`` with inbound SMS that matched a default word.
        templates: WhatsApp templates by their ``HX…`` sid, with ``{{1}}`` for variables.
        special_endings: numbers with these endings behave like a phone in that condition.
        faults: what goes wrong from the start.
        webhook_timeout: seconds a webhook may take; Twilio's limit is 15.
        callback_connections: how many status callbacks are under way at once.
        zone: the time zone of the clock on the page; without one it is this machine's.
        relative_page_uris: answer lists with relative links like the real service, which its own
            OpenAPI description calls invalid. The default satisfies the description, and gives
            the official client the same pages.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    senders: tuple[str, ...]
    phones: tuple[Phone, ...] = ()
    webhook_base: str | None = None
    inbound_path: str = "/webhooks/twilio/inbound"
    product_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    timing: Timing = field(default_factory=Timing)
    chips: tuple[str, ...] = ("NRC AAN", "NRC UIT", "STOP", "HELP")
    journal_path: Path | None = None
    messaging_service_sid: str | None = None
    advanced_opt_out: bool = False
    templates: Mapping[str, str] = field(default_factory=dict)
    special_endings: Mapping[str, Condition] = field(default_factory=dict)
    faults: FaultPlan = field(default_factory=FaultPlan)
    webhook_timeout: float = 15.0
    callback_connections: int = 100
    zone: str | None = None
    relative_page_uris: bool = False

    def __post_init__(self) -> None:
        """Refuse a set-up that cannot work.

        Raises:
            InvalidConfig: with every fault found, one a line.
        """
        faults = [*self._account_faults(), *self._address_faults(), *self._network_faults()]
        if self.zone is not None and not _is_zone(self.zone):
            faults.append("The time zone must be one such as Europe/Amsterdam.")
        if faults:
            raise InvalidConfig("\n".join(faults))

    def _account_faults(self) -> list[str]:
        faults = []
        if not _ACCOUNT.fullmatch(self.account_sid):
            faults.append("The account sid must be AC and 32 hexadecimal digits.")
        if not self.auth_token:
            faults.append("The auth token is empty; give the account one.")
        return faults

    def _address_faults(self) -> list[str]:
        faults = []
        if not self.senders:
            faults.append("Give at least one sender, such as whatsapp:+15550100000.")
        if not all(map(addresses.is_valid, self.senders)):
            faults.append("A sender must be +<digits> or whatsapp:+<digits>.")
        if not all(map(addresses.is_number, (phone.number for phone in self.phones))):
            faults.append("A phone's number must be + and 7 to 15 digits.")
        if not all(_NAME.fullmatch(phone.name) for phone in self.phones):
            faults.append("A phone's name is 1 to 40 letters, digits, spaces, dots or hyphens.")
        faults.extend(
            f"Two phones have the same {what}."
            for what in ("name", "number")
            if len({getattr(phone, what) for phone in self.phones}) < len(self.phones)
        )
        return faults

    def _network_faults(self) -> list[str]:
        faults = []
        if not is_loopback(self.host):
            faults.append("The sandbox binds to loopback only; use 127.0.0.1.")
        if not 0 <= self.port <= _LAST_PORT:
            faults.append("The port must be from 0 to 65535; 0 takes a free one.")
        urls = (self.webhook_base, self.product_url)
        if any(url is not None and not is_web_url(url) for url in urls):
            faults.append("The product's URL must begin with http:// or https://.")
        return faults


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False
    return True


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_web_url(text: str) -> bool:
    """Say whether a text is an absolute http or https URL without spaces or controls."""
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
