"""The console as its user sees it: buttons by their names, parts by their ids."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Locator, Page, expect

# Milliseconds. A retry waits for a queue's delay, beside other work on this machine.
PATIENCE = 120_000


class Console:
    """The page in a window of its own, signed in as the first user, an admin."""

    def __init__(self, context: BrowserContext, url: str):
        self.context = context
        self.page: Page = context.new_page()
        # Anything in here is a fault of the page; the test's end looks.
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text) if is_complaint(message) else None)
        self.page.goto(url)
        self.page.locator("body[data-ready]").wait_for()

    def __getitem__(self, name: str) -> Locator:
        """The part with this id."""
        return self.page.locator(f"#{name}")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def status(self, text: str) -> None:
        """Waits until the page has said so."""
        expect(self["status"]).to_contain_text(text)

    def sign_in(self, role: str, organization: str) -> None:
        self["user"].select_option(label=f"{role} · {organization}")
        self.status(f"{role} of {organization}")

    def choose(self, employee: str) -> None:
        self["employees"].locator(f"[data-key='{employee}']").click()
        self.page.locator(f"body[data-employee='{employee}']").wait_for()

    def place_call(self) -> None:
        self.button("Place a call").click()
        expect(self["call"]).to_have_attribute("data-state", "done")

    def invite(self) -> Page:
        """The employee's window, opened by the link that an admin made."""
        self.button("Make an invitation").click()
        with self.context.expect_page() as opened:
            self.page.get_by_role("link", name="Open as the employee").click()
        return opened.value

    def switch(self, name: str) -> None:
        """Turns a fault on."""
        self.page.get_by_role("switch", name=name, exact=True).click()
        expect(self.page.get_by_role("switch", name=name, exact=True)).to_be_checked()


def is_complaint(message) -> bool:
    """An error, but for a refusal of the API, which a browser logs too, and which the page shows."""
    return message.type == "error" and "the server responded with a status of" not in message.text


def consents(scenario, employee: str) -> None:
    """By a signed release, without the employee's window."""
    assert scenario.consent(employee)["outcome"] == "granted"
