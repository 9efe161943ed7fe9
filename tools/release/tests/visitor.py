"""A visitor of a real site: Debian's Chromium, driven by its own driver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

__all__ = ["Visitor", "visiting"]

_PATIENCE = 60
_SETTLED = "return document.readyState === 'complete' && (!window.M || !M.util || !M.util.pending_js.length)"
_END_OF_TOUR = "button[data-role='end']"
"""Ends the tour that Moodle gives a user on the first visit, and that lies over the page."""
_DISTURBED = "ERR_NETWORK_CHANGED"
"""What Chromium says of all its requests when a network of the machine, such as a container's, comes or goes."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
    "--window-size=1280,1600",
)


class Visitor:
    """One browser and the site at ``address`` that it visits."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.address = address
        self.complaints: list[str] = []

    def open(self, path: str) -> None:
        """Go to a page of the site."""
        self.driver.get(f"{self.address}{path}")
        self.settle()

    def settle(self, *, again: int = 5) -> None:
        """Wait until the page's own scripts are done, and take down what the browser's console says.

        A page that a change of this machine's network broke is loaded again.
        """
        late = ""
        try:
            WebDriverWait(self.driver, _PATIENCE).until(lambda driver: driver.execute_script(_SETTLED))
        except TimeoutException:
            late = f"{self.driver.current_url}: its scripts don't end"
        log: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        said = [f"{self.driver.current_url}: {entry['message']}" for entry in log if entry["level"] == "SEVERE"]
        if again and any(_DISTURBED in line for line in said):
            self.driver.refresh()
            self.settle(again=again - 1)
        else:
            self.complaints += [*said, *([late] if late else [])]

    def see(self, css: str) -> WebElement:
        """Return the element, waited for."""
        found: WebElement = WebDriverWait(self.driver, _PATIENCE).until(
            expected.visibility_of_element_located((By.CSS_SELECTOR, css))
        )
        return found

    def write(self, css: str, text: str) -> None:
        """Write into a field."""
        field = self.see(css)
        field.clear()
        field.send_keys(text)

    def press(self, css: str) -> None:
        """Press what is there, and wait for the page that follows."""
        element = self.see(css)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        try:
            element.click()
        except ElementClickInterceptedException:
            self.see(_END_OF_TOUR).click()
            WebDriverWait(self.driver, _PATIENCE).until(
                expected.invisibility_of_element_located((By.CSS_SELECTOR, _END_OF_TOUR))
            )
            element.click()
        self.settle()

    def log_in(self, user: str, password: str) -> None:
        """Log in by the form."""
        self.open("/login/index.php")
        self.write("#username", user)
        self.write("#password", password)
        self.press("#loginbtn")

    def picture(self, path: Path) -> None:
        """Keep a picture of the page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))


@contextmanager
def visiting(address: str) -> Iterator[Visitor]:
    """Yield a visitor of the site; skip the test where there is no Chromium."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("Chromium and its driver aren't here (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in _OPTIONS:
        options.add_argument(option)
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Visitor(window, address)
    finally:
        window.quit()
