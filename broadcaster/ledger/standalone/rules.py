"""What an entry of the log must be: canonical JSON (RFC 8785), and every field in its form."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from broadcaster.ledger.standalone.notes import sha256
from broadcaster.ledger.standalone.refusal import need, refuse

MAX_LEAF, MAX_NUMBER, DIGITS = 65_535, 2**53 - 1, 17
HASH = re.compile("[0-9a-f]{64}")
SUBJECT = re.compile("[0-9a-f]{32}")
NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?")
UUID4 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LANGUAGE = re.compile("[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
MOMENT = re.compile("[0-9-]{10}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{6}Z")
VALIDITY = re.compile(
    "until-withdrawn|P[0-9]+W|P(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
    "(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?"
)
EVENTS = (
    "opt_in opt_out opt_out_all restart terms_agreed terms_refused provider_stop provider_start "
    "import admin_opt_out correction expired erased access_answered"
)
METHODS = (
    "keyword button free_text provider_keyword provider_error whatsapp_preference admin import api"
)
# Who acts for a person says why.
WITH_REASON = {"event": "import admin_opt_out correction", "method": "admin import"}
CONSENT = {
    "id": UUID4, "subject": SUBJECT, "list": NAME, "purpose": NAME, "basis": NAME, "rule": NAME,
    "actor": NAME, "config": HASH, "evidence": HASH, "validity": VALIDITY,
    "occurred": MOMENT, "recorded": MOMENT,
    "event": re.compile(EVENTS.replace(" ", "|")),
    "state": re.compile("given|withdrawn|refused|expired|terminated"),
    "channel": re.compile("whatsapp|sms"),
    "method": re.compile(METHODS.replace(" ", "|")),
}  # fmt: skip
DOCUMENT = {
    "id": UUID4,
    "kind": re.compile("notice|terms|config"),
    "sha256": HASH,
    "recorded": MOMENT,
}


def read_json(data: bytes) -> Any:  # noqa: ANN401 - JSON has any shape; the caller checks it
    """Read JSON that is written in the one canonical way."""
    try:
        text = data.decode("utf-8")
        value = json.loads(text, parse_int=read_number, parse_float=read_number)
        # No key with a meaning here has other letters than a to z, so their order is plain.
        written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        refuse("this is not JSON in UTF-8")
    need(written == text, "JSON, but not in its canonical form (RFC 8785)")
    return value


def read_number(digits: str) -> int:
    """Read a whole number that survives JSON; there are no others."""
    number = int(digits) if len(digits) <= DIGITS else MAX_NUMBER + 1
    need(abs(number) <= MAX_NUMBER, "a number outside of 2^53 does not survive JSON")
    return number


def read_entry(leaf: bytes) -> dict[str, Any]:
    """Read an entry, and refuse what is none."""
    need(len(leaf) <= MAX_LEAF, f"an entry has at most {MAX_LEAF:,} bytes")
    entry = read_json(leaf)
    version = entry.get("v") if isinstance(entry, dict) else None
    if version == "broadcaster/consent/1":
        check_consent(entry)
    elif version == "broadcaster/document/1":
        check_fields(entry, DOCUMENT, {"v", "text"})
        text = entry["text"]
        need(isinstance(text, str), "the field 'text' must be a string")
        need(sha256(text.encode()) == entry["sha256"], "'sha256' is not the hash of the text")
    else:
        refuse("the entry is of a version unknown here; a newer verifier may know it")
    return entry  # type: ignore[no-any-return]


def check_consent(entry: dict[str, Any]) -> None:
    """Check the fields of a consent entry."""
    check_fields(entry, CONSENT, {"v", "notice", "terms", "reason", "prev"})
    check_part(entry["notice"], {"id": NAME, "sha256": HASH, "lang": LANGUAGE})
    check_part(entry["terms"], {"sha256": HASH})
    need(entry["prev"] is None or is_number(entry["prev"], 0), "'prev' must be a whole number")
    needed = any(entry[name] in words.split() for name, words in WITH_REASON.items())
    reason = entry["reason"]
    given = isinstance(reason, str) and reason.strip()
    need(given or (reason is None and not needed), "the field 'reason' has not its form")


def check_fields(value: dict[str, Any], forms: dict[str, re.Pattern[str]], more: set[str]) -> None:
    """Check that exactly these fields are there, and that each has its form."""
    expected = more.union(forms)
    need(value.keys() == expected, f"it must have exactly these fields: {', '.join(expected)}")
    for name, form in forms.items():
        found = value[name]
        formed = isinstance(found, str) and form.fullmatch(found)
        need(formed, f"the field '{name}' has not the form it must have")
        if form is MOMENT:
            check_moment(name, found)


def check_moment(name: str, value: str) -> None:
    """Check that there is such a moment."""
    try:
        datetime.fromisoformat(value[:-1])
    except ValueError:
        refuse(f"the field '{name}' names a moment that does not exist")


def check_part(value: object, forms: dict[str, re.Pattern[str]]) -> None:
    """Check the reference to a notice or to terms, if there is one."""
    if value is None:
        return
    need(isinstance(value, dict), "a notice or terms must be an object")
    check_fields(value, forms, {"version"})  # type: ignore[arg-type]
    need(is_number(value["version"], 1), "'version' must be a whole number")  # type: ignore[index]


def is_number(value: object, least: int) -> bool:
    """Tell whether this is a whole number that survives JSON."""
    return type(value) is int and least <= value <= MAX_NUMBER
