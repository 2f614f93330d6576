"""Each answer has the form that Twilio's own OpenAPI description gives it."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import jsonschema
import pytest
import requests

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a token that signs"
SMS = "+15550100000"
WHATSAPP = "whatsapp:+15550100000"
ANNA = "+15550100001"
MANY = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
ONE = "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json"

formats = jsonschema.FormatChecker(formats=())


@formats.checks("uri")
def is_absolute(text):
    return not isinstance(text, str) or bool(urlsplit(text).scheme and urlsplit(text).netloc)


@formats.checks("date-time-rfc-2822", raises=ValueError)
def is_mail_date(text):
    return not isinstance(text, str) or parsedate_to_datetime(text).utcoffset() is not None


@pytest.fixture(scope="session")
def specification(specification_path):
    return modern(json.loads(specification_path.read_text()))


def modern(node):
    """Turn OpenAPI 3.0's ``nullable`` into what JSON Schema understands."""
    if isinstance(node, list):
        return [modern(part) for part in node]
    if not isinstance(node, dict):
        return node
    there = {key: modern(part) for key, part in node.items() if key != "nullable"}
    return {"anyOf": [there, {"type": "null"}]} if node.get("nullable") is True else there


@pytest.fixture
def check(specification):
    """Check an answer against the description's schema for it."""

    def check(answer, path, method):
        responses = specification["paths"][path][method]["responses"]
        assert str(answer.status_code) in responses
        declared = responses[str(answer.status_code)].get("content")
        if declared is None:
            assert answer.content == b""
            return
        assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
        schema = declared["application/json"]["schema"] | {
            "components": specification["components"]
        }
        jsonschema.Draft202012Validator(schema, format_checker=formats).validate(answer.json())

    return check


@pytest.fixture
def call(sandbox):
    def call(method, path, **form):
        url = sandbox.url + path.format(AccountSid=ACCOUNT, Sid=form.pop("sid", ""))
        where = "params" if method == "get" else "data"
        return requests.request(method, url, **{where: form}, auth=(ACCOUNT, TOKEN), timeout=10)

    return call


def test_the_check_itself_finds_a_wrong_status(check, call):
    answer = call("post", MANY, To=ANNA, From=SMS, Body="Dag")
    wrong = answer.json() | {"status": "sentt"}
    answer._content = json.dumps(wrong).encode()
    with pytest.raises(jsonschema.ValidationError):
        check(answer, MANY, "post")


@pytest.mark.parametrize("sender", [SMS, WHATSAPP])
def test_all_answers_keep_to_the_description(check, call, sandbox, sender):
    phone = ANNA if sender == SMS else f"whatsapp:{ANNA}"
    sandbox.inbound(phone, sender, "Dag")
    created = call("post", MANY, To=phone, From=sender, Body="Dag €", ValidityPeriod="60")
    check(created, MANY, "post")
    sid = created.json()["sid"]
    check(call("get", ONE, sid=sid), ONE, "get")
    sandbox.settle()
    check(call("get", ONE, sid=sid), ONE, "get")
    for query in ({}, {"PageSize": "1"}, {"PageSize": "1", "Page": "1"}, {"To": "+15550199"}):
        check(call("get", MANY, **query), MANY, "get")
    check(call("post", ONE, sid=sid, Body=""), ONE, "post")
    check(call("delete", ONE, sid=sid), ONE, "delete")


def test_failed_messages_keep_to_the_description(check, call, sandbox):
    for phone in ("+15550100002", "+15550100003", "+15550100004"):
        sid = call("post", MANY, To=phone, From=SMS, Body="Dag").json()["sid"]
        sandbox.settle()
        check(call("get", ONE, sid=sid), ONE, "get")
    sandbox.inbound(ANNA, SMS, "STOP")
    assert call("post", MANY, To=ANNA, From=SMS, Body="Dag").status_code == 400
    check(call("get", MANY, To=ANNA), MANY, "get")
