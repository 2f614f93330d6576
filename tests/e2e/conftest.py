"""Chromium, for the tests that play in it."""

from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
# Root may not use the sandbox; the others keep Chromium from looking for hosts on its own.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium():
    """Start Chromium once for a module."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("there is no /usr/bin/chromium; install Debian's chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(chromium):
    """Open a browser's window with nothing remembered."""
    made = chromium.new_context(locale="en-GB")
    yield made
    made.close()
