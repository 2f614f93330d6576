"""A pack of evidence as a page to print: on the screen, as a file of its own, as a PDF."""

from __future__ import annotations

import base64
import importlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import render_template

from broadcaster.core.errors import InvalidInput
from broadcaster.core.importing import Medium
from broadcaster.ledger.entry import DocumentKind, Event
from broadcaster.ledger.merkle import leaf_hash
from broadcaster.services.evidence import Pack
from broadcaster.web import delivery_words, register_words
from broadcaster.web.formats import asset
from broadcaster.web.wording import gettext as _

_SHEET = "evidence.css"
_STATIC = Path(__file__).parent / "static"


def as_page(pack: Pack, *, reason: str, opener: str) -> str:
    """Write a pack as a page of the site."""
    back = f"/people/{pack.value['subject']}/evidence"
    return _page(pack, asset(_SHEET), reason=reason, opener=opener, back=back)


def as_file(pack: Pack, *, reason: str, opener: str) -> str:
    """Write a pack as one file that needs no other."""
    sheet = base64.b64encode((_STATIC / _SHEET).read_bytes()).decode()
    return _page(pack, f"data:text/css;base64,{sheet}", reason=reason, opener=opener)


def as_pdf(pack: Pack, *, reason: str, opener: str) -> bytes:
    """Write a pack as a PDF on A4; nothing is fetched from anywhere.

    Raises:
        InvalidInput: the extra ``pdf``, or a library that it needs, is not installed.
    """
    printer = find_printer()
    page = as_file(pack, reason=reason, opener=opener)
    data: bytes = printer.HTML(string=page, url_fetcher=_fetch(printer)).write_pdf()
    return data


def may_print() -> bool:
    """Tell whether the extra ``pdf`` is there."""
    return find_spec("weasyprint") is not None


def find_printer() -> Any:  # noqa: ANN401 - a module
    """Return what writes PDFs.

    Raises:
        InvalidInput: the extra ``pdf``, or a library that it needs, is not installed.
    """
    try:
        found = importlib.import_module("weasyprint")
    except ImportError as error:
        message = "A PDF needs the extra 'pdf': pip install 'broadcaster[pdf]'"
        raise InvalidInput(message) from error
    except OSError as error:
        message = (
            "WeasyPrint does not find Pango. On Debian: apt install libpango-1.0-0 "
            "libpangoft2-1.0-0; elsewhere: https://doc.courtbouillon.org/weasyprint"
        )
        raise InvalidInput(message) from error
    # What of a style sheet is for screens alone it need not complain about.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return found


def _fetch(printer: Any) -> Any:  # noqa: ANN401 - a module, a fetcher of its
    """Only what is in the page itself is read, whatever words people sent."""
    return printer.urls.URLFetcher(allowed_protocols={"data"}, fail_on_errors=True)


def _page(pack: Pack, sheet: str, *, reason: str, opener: str, back: str | None = None) -> str:
    value = pack.value
    entries = [_entry(one) for one in value["entries"]]
    documents = [_document(one) for one in value["documents"]]
    messages = [_message(one) for one in value["messages"]]
    return render_template(
        "evidence/pack.html",
        medium_words=_medium_words,
        sheet=sheet,
        back=back,
        pack=value,
        made=_moment(value["about"]["made"]),
        entries=entries,
        texts=[{**one, "received": _moment(one["received"])} for one in value["texts"]],
        notices=[one for one in documents if one["kind"] != DocumentKind.CONFIG],
        registers=[one for one in documents if one["kind"] == DocumentKind.CONFIG],
        places={one["sha256"]: one["index"] for one in documents},
        titles=_titles(entries),
        messages=messages,
        faulty=sum(1 for one in messages if one["fault"]),
        lists=[{**one, "since": _moment(one["since"])} for one in value["lists"]],
        reason=reason,
        opener=opener,
    )


def _entry(one: dict[str, Any]) -> dict[str, Any]:
    leaf = json.loads(one["leaf"])
    return {
        **leaf,
        "index": one["index"],
        "occurred": _moment(leaf["occurred"]),
        "recorded": _moment(leaf["recorded"]),
        "hash": leaf_hash(one["leaf"].encode()).hex(),
        "leaf": one["leaf"],
        # What an import had to prove; nobody else's entry has that.
        "proof": one["private"] if one["private"] and leaf["event"] == Event.IMPORT else None,
    }


def _medium_words(medium: str) -> str:
    """Say how somebody agreed elsewhere."""
    known = {
        Medium.WEBSITE: _("on a website"),
        Medium.APP: _("in an app"),
        Medium.PAPER: _("on paper"),
        Medium.KEYWORD: _("by a texted keyword"),
        Medium.EMAIL: _("by e-mail"),
        Medium.TELEPHONE: _("by telephone"),
        Medium.IN_PERSON: _("in person"),
    }
    return known[Medium(medium)] if medium in {*Medium} else medium


def _document(one: dict[str, Any]) -> dict[str, Any]:
    leaf = json.loads(one["leaf"])
    record = register_words.read(leaf["text"]) if leaf["kind"] == DocumentKind.CONFIG else None
    return {
        **leaf,
        "index": one["index"],
        "recorded": _moment(leaf["recorded"]),
        "record": record,
    }


def _titles(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Name each notice as the entries do that name it."""
    named = [one["notice"] for one in entries if one["notice"]]
    return {
        one["sha256"]: _("notice %(id)s, version %(version)s", id=one["id"], version=one["version"])
        for one in named
    }


def _message(one: dict[str, Any]) -> dict[str, Any]:
    said = delivery_words.state(one["state"])
    if one["reason"]:
        said = f"{said}, {delivery_words.reason(one['state'], one['reason'])}"
    return {
        **one,
        "said": said,
        "handed": _moment(one["handed"]) if one["handed"] else None,
        "statuses": [
            {
                **two,
                "said": delivery_words.state(two["status"]),
                "received": _moment(two["received"]),
            }
            for two in one["statuses"]
        ],
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
