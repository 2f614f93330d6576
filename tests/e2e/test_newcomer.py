"""The newcomer's story, in a real browser: phones, a bulletin, a stop, a ledger that verifies."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack

import pytest

from broadcaster.cli.demo.stage import AUDITOR, EDITOR, set_up
from broadcaster.sandbox.config import Timing

TEXT = "Goedemorgen! Het kabinet praat verder over de begroting."

pytestmark = pytest.mark.browser


@pytest.fixture
def stage(tmp_path):
    """The demo, as the command starts it."""
    with ExitStack() as stack:
        yield set_up(
            stack, tmp_path / "home", port=0, phones_port=0, timing=Timing(sent=0.05, delivered=0.1)
        )


def test_the_newcomers_story(stage, context, tmp_path):
    phones = context.new_page()
    phones.goto(stage.phones_url)
    text(phones, "Anna", "NRC AAN")
    expect_bubble(phones, "Anna", "je ontvangt nu NRC Ochtendnieuws")
    text(phones, "Bilal", "NRC AAN")
    expect_bubble(phones, "Bilal", "je ontvangt nu NRC Ochtendnieuws")

    newsroom = context.new_page()
    sign_in(newsroom, stage, EDITOR)
    newsroom.goto(f"{stage.url}/bulletins/new")
    newsroom.get_by_label(re.compile("^Tekst|^Text")).fill(TEXT)
    newsroom.locator("form:has(textarea) button[type=submit]").last.click()
    newsroom.wait_for_url(re.compile(r"/bulletins/\d+/check"))
    assert "2" in newsroom.locator("main").inner_text()
    newsroom.locator("form[action$='/send'] button[type=submit]").click()
    newsroom.wait_for_url(re.compile(r"/bulletins/\d+$"))

    expect_bubble(phones, "Anna", TEXT)
    expect_bubble(phones, "Bilal", TEXT)
    assert TEXT not in phone(phones, "Daan").inner_text()

    text(phones, "Anna", "STOP")
    expect_bubble(phones, "Anna", "Je bent afgemeld")

    auditor = context.browser.new_context().new_page()
    sign_in(auditor, stage, AUDITOR)
    auditor.goto(f"{stage.url}/ledger")
    with auditor.expect_download() as download:
        auditor.get_by_role("button", name=re.compile("bundle|bundel", re.IGNORECASE)).click()
    bundle = tmp_path / "ledger.zip"
    download.value.save_as(bundle)
    done = subprocess.run(  # noqa: S603 - our own verifier
        [sys.executable, "-m", "broadcaster.ledger", "verify", str(bundle)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def sign_in(page, stage, name):
    page.goto(f"{stage.url}/login")
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(stage.passwords[name])
    page.locator("main form button[type=submit]").click()
    page.wait_for_url(lambda url: "/login" not in url)


def phone(page, name):
    """One phone on the page."""
    return page.get_by_role("article", name=name)


def text(page, name, words):
    """Type a text on a phone and send it."""
    box = phone(page, name).locator("input[name=body]")
    box.fill(words)
    box.press("Enter")


def expect_bubble(page, name, words):
    """Wait until a phone shows a message with these words."""
    phone(page, name).get_by_text(words).first.wait_for(timeout=15_000)
