"""Twilio's two webhooks, read strictly: a valid signature protects no boundary between fields.

Every field that we act on has one exact form. Fields we do not know are allowed and kept, because
Twilio adds fields without notice. No error repeats a value: it may be somebody's number or words.
Source: https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import InvalidAddress, MalformedWebhook
from broadcaster.core.messages import InboundMessage, OptOutType, ProviderStatus, StatusUpdate

# No request body may be longer than this many bytes, so no honest field can be.
_LONGEST = 65_536
# PostgreSQL cannot store NUL, and a lone surrogate has no UTF-8 form: neither could be evidence.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NO_AUTHOR = ("", "whatsapp:")

_log = structlog.get_logger()

MESSAGE_SID = re.compile(r"\A(?:SM|MM)[0-9a-f]{32}\Z")


class _Webhook(Schema):
    """What both webhooks have."""

    message_sid = fields.String(
        required=True, data_key="MessageSid", validate=validate.Regexp(MESSAGE_SID)
    )
    account_sid = fields.String(required=True, data_key="AccountSid")


class _Inbound(_Webhook):
    """The fields of an inbound message that we act on."""

    to = fields.String(required=True, data_key="To")
    author = fields.String(load_default="", data_key="From")
    user_id = fields.String(load_default="", data_key="ExternalUserId")
    body = fields.String(data_key="Body", validate=validate.Length(max=_LONGEST))
    button = fields.String(
        load_default="", data_key="ButtonPayload", validate=validate.Length(max=_LONGEST)
    )
    opt_out_type = fields.String(load_default="", data_key="OptOutType")
    media = fields.String(
        load_default="0", data_key="NumMedia", validate=validate.Regexp(r"\A(?:[0-9]|10)\Z")
    )


class _Status(_Webhook):
    """The fields of a status callback that we act on."""

    status = fields.String(required=True, data_key="MessageStatus")
    error_code = fields.String(
        load_default="", data_key="ErrorCode", validate=validate.Regexp(r"\A[0-9]{0,6}\Z")
    )


_INBOUND = _Inbound(unknown=EXCLUDE)
_STATUS = _Status(unknown=EXCLUDE)


def parse_inbound(parameters: Mapping[str, str], *, account_sid: str) -> InboundMessage:
    """Read a message that somebody sent us.

    Args:
        parameters: the form's fields, one value each.
        account_sid: ours; a message for another account is none of our business.

    Raises:
        MalformedWebhook: a field is missing or has no strict form.
        InvalidAddress: the author is no person who can be answered, such as ``BANK``.
    """
    found = _load(_INBOUND, parameters, account_sid)
    if "body" not in found and found["media"] == "0":
        # Only a picture may come without the field; else its name was tampered with.
        raise _malformed(["Body"])
    try:
        sender = Address.parse(found["to"])
    except InvalidAddress:
        raise _malformed(["To"]) from None
    author = Address.parse(_author(found))
    if author.channel is not sender.channel:
        raise _malformed(["From", "To"])
    return InboundMessage(
        sid=found["message_sid"],
        sender=sender,
        author=author,
        body=found.get("body", ""),
        button=found["button"] or None,
        opt_out_type=_opt_out_type(found["opt_out_type"]),
        media=int(found["media"]),
        parameters=dict(parameters),
    )


def parse_status(parameters: Mapping[str, str], *, account_sid: str) -> StatusUpdate:
    """Read what became of one of our messages.

    Args:
        parameters: the form's fields, one value each.
        account_sid: ours.

    Raises:
        MalformedWebhook: a field is missing or has no strict form.
    """
    found = _load(_STATUS, parameters, account_sid)
    try:
        status = ProviderStatus(found["status"])
    except ValueError:
        status = ProviderStatus.UNRECOGNISED
    # An empty code and 0 both say that there was no error.
    return StatusUpdate(
        sid=found["message_sid"], status=status, error_code=int(found["error_code"] or 0) or None
    )


def _load(schema: Schema, parameters: Mapping[str, str], account_sid: str) -> dict[str, Any]:
    if any(_UNSTORABLE.search(text) for pair in parameters.items() for text in pair):
        message = "A field of the webhook holds characters that are no text. Nothing was done."
        raise MalformedWebhook(message)
    try:
        found: dict[str, Any] = schema.load(parameters)
    except ValidationError as error:
        raise _malformed(error.messages_dict) from None
    if found["account_sid"] != account_sid:
        raise _malformed(["AccountSid"])
    return found


def _malformed(names: Iterable[str]) -> MalformedWebhook:
    return MalformedWebhook(
        f"These fields of the webhook are missing or have not the form that Twilio gives them: "
        f"{', '.join(sorted(names))}. Nothing was done."
    )


def _author(found: Mapping[str, str]) -> str:
    """Find who wrote; on WhatsApp since April 2026 possibly without any phone number."""
    if found["author"] not in _NO_AUTHOR:
        return found["author"]
    if not (found["user_id"] and found["to"].startswith(f"{Channel.WHATSAPP.value}:")):
        raise _malformed(["From"])
    return f"{Channel.WHATSAPP.value}:{found['user_id']}"


def _opt_out_type(text: str) -> OptOutType | None:
    if not text:
        return None
    try:
        return OptOutType(text)
    except ValueError:
        # A kind we do not know: the words decide, and somebody should look at Twilio's documents.
        _log.warning("unknown_opt_out_type")
        return None
