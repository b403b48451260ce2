"""Pictures of every page, light, dark and narrow: ``python -m tests.web.pictures FOLDER``."""

import sys
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


def take(folder, only=()):
    """Write the pictures; the names of those whose page is wider than the window."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = ManualClock(datetime.now(UTC) - timedelta(hours=3))
    wide = []
    with (
        connect("memory://", clock=clock, retry=RetryPolicy(max_retries=3)) as storage,
        launched() as browser,
    ):
        scene = Scene(storage, clock).play()
        app = Flask("pictures")
        app.register_blueprint(dashboard(scene.jobs))
        app.register_blueprint(dashboard(storage, token="a" * 20, name="token"), url_prefix="/t")
        with served(app) as address:
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


if __name__ == "__main__":
    print("too wide:", take(Path(sys.argv[1]), sys.argv[2:]) or "none")
