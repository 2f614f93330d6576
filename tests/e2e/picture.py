"""Take the README's pictures from the running demo: ``uv run python -m tests.e2e.picture``."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from broadcaster.cli.demo import cast
from broadcaster.cli.demo.stage import EDITOR, Stage, set_up
from broadcaster.core.delivery import State
from broadcaster.sandbox.config import Timing
from broadcaster.sandbox.faults import Fault, FaultPlan, FaultRule
from broadcaster.services import bulletins
from broadcaster.services.bulletins import Report
from tests.e2e.conftest import CHROMIUM, FLAGS

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TEXT = (
    "Goedemorgen! Vandaag in het nieuws: het kabinet praat verder over de begroting, "
    "en de dijken houden. Fijne dag."
)


def main() -> None:
    """Play the story up to the report of a bulletin and take a picture of each side."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "home"
        timing = Timing(sent=0.05, delivered=0.1)
        stage = set_up(stack, home, port=8000, phones_port=8001, timing=timing, concurrency=1)
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 860})
        _join(stage)
        _send(context.new_page(), stage)
        phones = context.new_page()
        phones.goto(stage.phones_url)
        phones.get_by_text(TEXT).first.wait_for()
        phones.screenshot(path=IMAGES / "phones.png")
        browser.close()


def _join(stage: Stage) -> None:
    for phone in cast.PHONES[:3]:
        stage.sandbox.inbound(f"whatsapp:{phone.number}", cast.WHATSAPP.wire, "NRC AAN")
    for phone in cast.PHONES[4:6]:
        stage.sandbox.inbound(phone.number, cast.SMS.wire, "NRC AAN")
    stage.sandbox.inbound(
        f"whatsapp:{cast.PHONES[3].number}", cast.WHATSAPP.wire, "Wanneer komt de krant?"
    )


def _send(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.url}/login")
    page.locator("input[name=name]").fill(EDITOR)
    page.locator("input[name=password]").fill(stage.passwords[EDITOR])
    page.locator("main form button[type=submit]").click()
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{stage.url}/bulletins/new")
    page.get_by_label(re.compile("^Text")).fill(TEXT)
    page.locator("form:has(textarea) button[type=submit]").last.click()
    page.wait_for_url(re.compile(r"/check$"))
    # Slow enough for somebody to stop while it goes out.
    slow = FaultRule(fault=Fault.LATENCY, seconds=0.8)
    stage.sandbox.set_faults(FaultPlan(rules=(slow,)))
    page.locator("form[action$='/send'] button[type=submit]").click()
    page.wait_for_url(re.compile(r"/bulletins/\d+$"))
    _wait_until(lambda: _report(stage).audience > 0)
    stage.sandbox.inbound(f"whatsapp:{cast.PHONES[2].number}", cast.WHATSAPP.wire, "STOP")
    _wait_until(lambda: _is_finished(_report(stage)))
    page.reload()
    page.screenshot(path=IMAGES / "report.png")


def _report(stage: Stage) -> Report:
    with stage.runtime.reading() as session:
        return bulletins.report(session, 1)


def _is_finished(report: Report) -> bool:
    arrived = report.of(State.DELIVERED) + report.left_during
    return report.bulletin.ended is not None and arrived == report.audience


def _wait_until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.05)


if __name__ == "__main__":
    main()
