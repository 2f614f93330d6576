"""The form of a message to send: what Twilio takes, and what it says about the rest.

Real Twilio ignores fields that it does not know. The sandbox refuses them, and also fields
repeated by mistake, so that a typing error in the product shows at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from broadcaster.sandbox.config import is_web_url
from broadcaster.sandbox.errors import ApiError

MAX_BODY = 1600
_MAX_URL = 4000
_MAX_VALIDITY = 36_000
_REPEATABLE = frozenset({"MediaUrl", "PersistentAction"})
_ENUMS: Mapping[str, frozenset[str]] = {
    "ContentRetention": frozenset({"retain", "discard"}),
    "AddressRetention": frozenset({"retain", "obfuscate"}),
    "RiskCheck": frozenset({"enable", "disable"}),
    "TrafficType": frozenset({"free"}),
    "ProvideFeedback": frozenset({"true", "false"}),
    "ForceDelivery": frozenset({"true", "false"}),
    "SmartEncoded": frozenset({"true", "false"}),
    "ShortenUrls": frozenset({"true", "false"}),
    "SendAsMms": frozenset({"true", "false"}),
}
_KNOWN = frozenset(
    {
        "To",
        "From",
        "MessagingServiceSid",
        "Body",
        "MediaUrl",
        "ContentSid",
        "ContentVariables",
        "StatusCallback",
        "ValidityPeriod",
        "Attempt",
        "MaxPrice",
        "PersistentAction",
        *_ENUMS,
    }
)
# Twilio knows these; the sandbox has no scheduler, no applications and no second sender.
_NOT_OFFERED = frozenset({"SendAt", "ScheduleType", "ApplicationSid", "FallbackFrom"})
_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")

Form = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A message somebody asks to send, its form checked but not yet its addresses."""

    to: str
    sender: str | None
    service_sid: str | None
    body: str
    is_template: bool
    num_media: int
    status_callback: str | None
    validity_period: int | None


def read_form(raw: bytes, content_type: str) -> Form:
    """Decode a form.

    Raises:
        ApiError: it is not a form, not UTF-8, or has too many fields.
    """
    if content_type != "application/x-www-form-urlencoded":
        text = "Content-Type must be application/x-www-form-urlencoded"
        raise ApiError(20415, text, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=100,
        )
    except ValueError as error:
        text = "The request body is not a form in UTF-8"
        raise ApiError(20001, text) from error
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def refuse_unknown(form: Form, known: Iterable[str], *, repeatable: frozenset[str]) -> None:
    """Refuse fields that are not known, and fields given twice.

    Raises:
        ApiError: naming the field.
    """
    for name, given in form.items():
        if name not in known:
            text = f"Unknown parameter: {name[:60]}"
            raise ApiError(20001, text)
        if len(given) > 1 and name not in repeatable:
            text = f"Parameter given more than once: {name}"
            raise ApiError(20001, text)


def read_order(form: Form, templates: Mapping[str, str]) -> Order:
    """Check the form of a message to send, in the order in which Twilio complains.

    Raises:
        ApiError: with Twilio's code for the first fault.
    """
    for name in _NOT_OFFERED & form.keys():
        text = f"The sandbox does not offer {name}"
        raise ApiError(20001, text)
    refuse_unknown(form, _KNOWN, repeatable=_REPEATABLE)
    to, sender, service = (_one(form, name) for name in ("To", "From", "MessagingServiceSid"))
    if not to:
        raise ApiError(21604, "A 'To' phone number is required.")
    if not sender and not service:
        raise ApiError(21603, "A 'From' phone number is required.")
    body = _body(form, templates)
    _check_choices(form)
    return Order(
        to=to,
        sender=sender,
        service_sid=service,
        body=body,
        is_template="ContentSid" in form,
        num_media=len(form.get("MediaUrl", ())),
        status_callback=_status_callback(form),
        validity_period=_validity_period(form),
    )


def _one(form: Form, name: str) -> str | None:
    """Return the value of a field, or ``None`` when it is absent or empty."""
    return form.get(name, [""])[0] or None


def _body(form: Form, templates: Mapping[str, str]) -> str:
    content_sid = _one(form, "ContentSid")
    if content_sid is not None:
        return _rendered(content_sid, _one(form, "ContentVariables"), templates)
    body = _one(form, "Body") or ""
    if not body.strip() and not form.get("MediaUrl"):
        raise ApiError(21602, "Message body is required.")
    if len(body) > MAX_BODY:
        text = "The concatenated message body exceeds the 1600 character limit"
        raise ApiError(21617, text)
    if len(form.get("MediaUrl", ())) > 10:  # noqa: PLR2004 - Twilio's limit of media
        raise ApiError(21623, "Number of media files exceeds the limit of 10")
    return body


def _rendered(content_sid: str, given: str | None, templates: Mapping[str, str]) -> str:
    """Fill in a template's variables."""
    template = templates.get(content_sid)
    if template is None:
        raise ApiError(21655, "The ContentSid is invalid")
    try:
        variables = json.loads(given or "{}")
    except ValueError:
        variables = None
    if not isinstance(variables, dict) or not all(isinstance(v, str) for v in variables.values()):
        raise ApiError(21656, "The ContentVariables parameter is invalid")
    return _VARIABLE.sub(lambda found: variables.get(found[1], ""), template)


def _check_choices(form: Form) -> None:
    for name, choices in _ENUMS.items():
        if name in form and form[name][0] not in choices:
            text = f"{name} must be one of {', '.join(sorted(choices))}"
            raise ApiError(20001, text)
    for name in ("Attempt", "MaxPrice"):
        if name in form and not form[name][0].replace(".", "", 1).isdecimal():
            text = f"{name} must be a number"
            raise ApiError(20001, text)


def _status_callback(form: Form) -> str | None:
    url = _one(form, "StatusCallback")
    if url is None:
        return None
    host = urlsplit(url).hostname if is_web_url(url) else None
    if host is None or "_" in host or len(url) > _MAX_URL:
        raise ApiError(21609, "The 'StatusCallback' URL is not a valid URL.")
    return url


def _validity_period(form: Form) -> int | None:
    text = _one(form, "ValidityPeriod")
    if text is None:
        return None
    seconds = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= seconds <= _MAX_VALIDITY:
        message = "Validity period can only be set to integers between 1 and 36,000 seconds"
        raise ApiError(21624, message)
    return seconds
