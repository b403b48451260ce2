"""Pictures of every page, light, dark and narrow: ``python -m tests.web.pictures FOLDER``.

That of the documentation: ``python -m tests.web.pictures docs/pictures documentation``.
"""

import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask

from qml import ManualClock, RetryPolicy, connect
from qml.web import dashboard
from tests.web.browser import launched
from tests.web.scene import Scene
from tests.web.serving import served

LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 800}, "color_scheme": "light"},
}


def pages(scene):
    """The pages by name, as paths below the dashboard."""
    return {
        "overview": "/",
        "queues": "/queues",
        "jobs": "/jobs",
        "jobs-filtered": "/jobs?state=awaiting_retry&queue=default&text=example&newer=2h",
        "job": f"/job?id={scene.job.id}",
        "job-waits": f"/job?id={scene.last.id}",
        "job-runs": f"/job?id={scene.running[0].id}",
        "confirm": "/jobs/confirm?verb=delete&state=succeeded",
        "batches": "/batches",
        "schedules": "/schedules",
        "servers": "/servers",
        "errors": "/errors",
        "unknown": "/nowhere",
    }


@contextmanager
def playing():
    """The address of two dashboards of a scene, a browser, and the scene."""
    clock = ManualClock(datetime.now(UTC) - timedelta(hours=3))
    retry = RetryPolicy(max_retries=3)
    with connect("memory://", clock=clock, retry=retry) as storage, launched() as browser:
        scene = Scene(storage, clock).play()
        app = Flask("pictures")
        app.register_blueprint(dashboard(scene.jobs))
        app.register_blueprint(dashboard(storage, token="a" * 20, name="token"), url_prefix="/t")
        with served(app) as address:
            yield address, browser, scene


def take(folder, only=()):
    """Write the pictures; the names of those whose page is wider than the window."""
    folder.mkdir(parents=True, exist_ok=True)
    wide = []
    with playing() as (address, browser, scene):
        for look, options in LOOKS.items():
            page = browser.new_page(**options)
            for name, path in {**pages(scene), "sign-in": "/t/"}.items():
                if only and name not in only:
                    continue
                page.goto(address + path, wait_until="load")
                page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.append(f"{name}-{look}")
            page.close()
    return wide


def document(folder):
    """Write the picture that docs/dashboard.rst shows."""
    with playing() as (address, browser, _):
        page = browser.new_page(viewport={"width": 1100, "height": 700}, color_scheme="light")
        page.goto(address, wait_until="load")
        page.screenshot(path=folder / "dashboard.png")


if __name__ == "__main__":
    target, *rest = sys.argv[1:]
    if rest == ["documentation"]:
        document(Path(target))
    else:
        print("too wide:", take(Path(target), rest) or "none")
