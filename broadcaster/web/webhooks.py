"""Twilio's webhooks: prove who asks, read it strictly, do it in one transaction, then answer.

A valid signature is not enough: it protects neither the borders of fields nor repeats nor replay
(a captured request can be cut up anew). So every field comes once, in a strict form, and a
message's sid has one effect for ever.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import parse_qsl

import structlog
from flask import Blueprint, Response, abort, request

from broadcaster.core.errors import InvalidAddress, MalformedWebhook
from broadcaster.services import inbound, statuses
from broadcaster.storage import incidents
from broadcaster.web.access import public
from broadcaster.web.extensions import runtime

_log = structlog.get_logger()

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks/twilio")

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 100
_LOOK_AGAIN = 0.02


@blueprint.post("/inbound")
@blueprint.post("/fallback", endpoint="fallback")
@public
def receive() -> Response:
    """Take in a text that somebody sent us, and answer it."""
    fields = _signed_fields()
    try:
        message = runtime().provider.parse_inbound(fields)
    except MalformedWebhook as error:
        _refuse(error)
    except InvalidAddress:
        # A short code or a name such as BANK: nobody who could join, and nobody to answer.
        _note("bad_address", "inbound")
        return _twiml(())
    handled = runtime().run(lambda session: inbound.receive(session, runtime(), message))
    if handled.withdrawn is not None:
        _wait_for_hand_overs(handled.withdrawn)
    return _twiml(handled.answers)


@blueprint.post("/status", defaults={"token": ""})
@blueprint.post("/status/<token>")
@public
def status(token: str) -> Response:
    """Take in what became of a message."""
    fields = _signed_fields()
    try:
        update = runtime().provider.parse_status(fields)
    except MalformedWebhook as error:
        _refuse(error)
    runtime().run(lambda session: statuses.apply(session, runtime(), token, update))
    return Response(status=200)


def _signed_fields() -> dict[str, str]:
    """Return the fields of a request that the provider signed; each has one value.

    The signature is checked over everything received, at the URL that was configured: the Host
    header is the sender's to choose.
    """
    if (request.content_length or 0) > _MOST_BYTES:
        abort(413)
    body = request.get_data(cache=False)
    if request.mimetype != _FORM or "Content-Encoding" in request.headers:
        _refuse_other_body(body)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        abort(400)
    if not runtime().provider.is_authentic(_signed_url(), pairs, _signature()):
        _refuse_stranger()
    fields = dict(pairs)
    if len(fields) != len(pairs):
        _log.warning("webhook_repeats_a_field", endpoint=request.endpoint)
        abort(400)
    return fields


def _refuse_other_body(body: bytes) -> NoReturn:
    """Refuse what is no form: our webhooks are forms, even if Twilio itself sent this one."""
    signed = runtime().provider.is_authentic_body(_signed_url(), body, _signature())
    if request.mimetype == _JSON and not signed:
        _refuse_stranger()
    abort(415)


def _refuse_stranger() -> NoReturn:
    _log.warning(
        "webhook_not_authentic",
        endpoint=request.endpoint,
        signature="wrong" if _signature() else "missing",
        checked_against=runtime().settings.public_url,
    )
    abort(403)


def _signed_url() -> str:
    query = request.query_string.decode("ascii", "replace")
    return runtime().settings.public_url + request.path + (f"?{query}" if query else "")


def _signature() -> str | None:
    return request.headers.get("X-Twilio-Signature")


def _wait_for_hand_overs(subscriber_id: int) -> None:
    """Let requests that began before the stop end before it is answered.

    No other can begin: the stop is committed, and a claim from before it is good for less time
    than this waits.
    """
    until = time.monotonic() + runtime().settings.sending.opt_out_wait
    while time.monotonic() < until:
        with runtime().reading() as session:
            if not inbound.is_in_flight(session, subscriber_id):
                return
        time.sleep(_LOOK_AGAIN)


def _refuse(error: MalformedWebhook) -> NoReturn:
    _log.warning("webhook_malformed", reason=str(error))
    abort(400)


def _note(kind: str, reference: str) -> None:
    with runtime().transaction() as session:
        incidents.note(session, kind, reference, runtime().clock.now())


def _twiml(texts: Sequence[str]) -> Response:
    return Response(runtime().provider.render_answer(texts), mimetype="text/xml")
