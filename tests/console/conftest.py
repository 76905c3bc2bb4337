"""A browser, if this machine has one; without it these tests are skipped, and say so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from local.scenario import Scenario

from .page import PATIENCE, Console

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WITHOUT = "NO BROWSER: the console is not tested. Install it with `apt-get install chromium`"


def pytest_terminal_summary(terminalreporter):
    """A skip among a thousand dots is not seen."""
    if CHROMIUM is None:
        terminalreporter.section("no browser", red=True)
        terminalreporter.write_line(WITHOUT, red=True)


@pytest.fixture(scope="package")
def browser():
    """Debian's Chromium, headless."""
    if CHROMIUM is None:
        pytest.skip(WITHOUT)
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium refuses its own sandbox.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--force-color-profile=srgb"])
        expect.set_options(timeout=PATIENCE)
        yield started
        started.close()


@pytest.fixture
def scenario(stack):
    """Everything around the bundle, with the stand-ins as they started."""
    around = Scenario(stack)
    around.clean()
    yield around
    for vendor in ("twilio", "elevenlabs", "supabase"):
        around.expect([204], "DELETE", f"{stack[vendor]['url']}/_control/faults")
    around.close()


@pytest.fixture
def employee(scenario) -> str:
    """Somebody whom no other test looks at."""
    return new_employee(scenario, "Ada Verhoeven")


@pytest.fixture
def context(browser):
    """One person's browser: windows that share nothing with other tests. Nothing but this machine is reachable from it."""
    opened = browser.new_context(viewport={"width": 1440, "height": 1000}, reduced_motion="reduce")
    opened.set_default_timeout(PATIENCE)
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    opened.close()
    elsewhere = [url for url in asked if not url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:"))]
    assert elsewhere == [], "the page asks nobody outside of this machine"


@pytest.fixture
def console(context, scenario, stack):
    """The console, open; at the end nothing may have gone wrong in it."""
    opened = Console(context, stack["console_url"])
    yield opened
    assert opened.complaints == []


def new_employee(scenario: Scenario, name: str, organization: dict | None = None) -> str:
    org_id = (organization or scenario.organization)["id"]
    return str(scenario.one("insert into employees (id, org_id, full_name) values (gen_random_uuid(), %s, %s) returning id", org_id, name))


@pytest.fixture
def screenshots(request) -> Path | None:
    """The folder for pictures of the page, when they are asked for."""
    return request.config.getoption("screenshots")
