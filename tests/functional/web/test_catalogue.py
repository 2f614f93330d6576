"""Words and files that ship with the pages: complete, and what they say they are."""

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from broadcaster import web

WEB = Path(web.__file__).parent
CATALOGUE = WEB / "translations" / "nl" / "LC_MESSAGES" / "messages.po"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
}


@pytest.fixture(scope="module")
def catalogue():
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="nl")


def _extracted():
    found = extract_from_dir(
        WEB,
        method_map=[("**.py", "python"), ("**.html", "jinja2")],
        options_map={"**.html": {"trimmed": "true"}},
        keywords=KEYWORDS,
    )
    return {message for _, _, message, _, _ in found}


def test_every_text_on_the_screens_has_a_dutch_one(catalogue):
    missing = [text for text in _extracted() if catalogue.get(_first(text)) is None]
    assert missing == []


def test_no_dutch_text_is_empty_unsure_or_without_use(catalogue):
    used = {_first(text) for text in _extracted()}
    for message in catalogue:
        if message.id:
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            assert all(texts), message.id
            assert not message.fuzzy, message.id
            assert _first(message.id) in used, message.id


def test_every_dutch_text_has_the_placeholders_of_the_english_one(catalogue):
    faults = [(message.id, list(message.check())) for message in catalogue]
    assert [fault for fault in faults if fault[1]] == []


def test_the_compiled_catalogue_is_the_written_one(catalogue):
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    assert CATALOGUE.with_suffix(".mo").read_bytes() == compiled.getvalue()


def _first(text):
    return text[0] if isinstance(text, tuple | list) else text


def _vendored():
    lines = (WEB / "static" / "vendor" / "VERSIONS.txt").read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines[2:]]


@pytest.mark.parametrize("row", _vendored(), ids=lambda row: row[0])
def test_a_file_of_others_is_what_it_was_and_has_its_licence(row):
    name, _, _, licence, _, sha256 = row
    vendor = WEB / "static" / "vendor"
    assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == sha256
    assert (vendor / licence).read_text(encoding="utf-8")


def test_every_file_of_others_is_listed():
    vendor = WEB / "static" / "vendor"
    listed = {row[0] for row in _vendored()}
    assert {path.name for path in vendor.iterdir() if path.is_file()} - listed == {"VERSIONS.txt"}


def test_no_template_holds_script_or_style_that_the_policy_would_refuse():
    for path in (WEB / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert "|safe" not in text, path
        assert "onclick" not in text, path
        assert "<script>" not in text, path


def test_no_page_asks_a_foreign_host_for_anything():
    for path in [*(WEB / "templates").rglob("*.html"), *(WEB / "static").glob("*.*")]:
        text = path.read_text(encoding="utf-8")
        for mark in ('src="http', "url(http", '@import "http', 'rel="stylesheet" href="http'):
            assert mark not in text, path
