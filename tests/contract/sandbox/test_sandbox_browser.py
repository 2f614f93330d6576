"""The phones in a real browser: texting, answers, read ticks, small and large, light and dark."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

WHATSAPP = "whatsapp:+15550100000"
ANNA = "+15550100001"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    """Start Chromium once; each visit has a window with nothing remembered."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("This machine has no Chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, sandbox):
    """Open the page; afterwards nothing may have been complained of or asked of another host."""
    contexts, complaints = [], []

    def visit(**settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith(sandbox.url) else complaints.append(asked.url)
            ),
        )
        page.goto(sandbox.url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def test_a_text_is_answered_on_the_phone_and_read(visit, client, sandbox, product):
    product.says("Welkom bij NRC")
    page = visit()
    anna = page.locator("#phone-anna")
    anna.get_by_role("button", name="Text NRC AAN from Anna").click()
    expect(anna.locator(".bubble.theirs .text")).to_have_text("Welkom bij NRC")
    expect(anna.locator(".bubble.mine .ticks.read")).to_be_visible()
    read = sandbox.wait_for(lambda entry: entry["kind"] == "reply")
    sandbox.settle()
    assert client.messages(read["sid"]).fetch().status == "read"
    assert page.locator("#phone-bram .bubble").count() == 0


def test_each_channel_has_its_own_messages(visit, product):
    product.says("Dag")
    page = visit()
    anna = page.locator("#phone-anna")
    anna.locator("label.sms").click()
    anna.get_by_label("Text from Anna").fill("STOP")
    anna.get_by_label("Text from Anna").press("Enter")
    expect(anna.get_by_text("successfully been unsubscribed")).to_be_visible()
    expect(anna.get_by_text("Twilio’s own reply")).to_be_visible()
    anna.locator("label.whatsapp").click()
    expect(anna.get_by_text("successfully been unsubscribed")).to_be_hidden()
    expect(anna.get_by_label("Text from Anna")).to_have_value("")


def test_the_page_works_without_script(visit, product):
    product.says("Welkom bij NRC")
    page = visit(java_script_enabled=False)
    page.get_by_role("button", name="Text NRC AAN from Anna").click()
    expect(page.locator("#phone-anna .bubble.mine .text")).to_have_text("NRC AAN")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_sticks_out_at_any_width(visit, sandbox, scheme, width):
    sandbox.inbound(f"whatsapp:{ANNA}", WHATSAPP, "https://example.org/" + "long" * 40)
    page = visit(viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(page.locator("#phone-anna .bubble")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
