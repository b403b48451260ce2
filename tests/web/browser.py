"""A real browser: found on the machine, driven by playwright."""

import os
import shutil
from contextlib import contextmanager

from playwright.sync_api import Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

MISSING = (
    "there is no browser for the dashboard's tests: apt-get install chromium (or set QML_CHROMIUM "
    "to the path of a Chromium or Chrome, or run: python -m playwright install chromium)"
)


def executable():
    """The path of a Chromium; None = playwright's own, which may not be there."""
    given = os.environ.get("QML_CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched():
    """A browser, closed at the end. AssertionError with what to install where there is none."""
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        except Error as error:
            raise AssertionError(f"{MISSING}\n\n{error}") from error
        try:
            yield browser
        finally:
            browser.close()
