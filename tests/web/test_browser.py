"""The dashboard in a real browser: nothing stored runs, no other site is obeyed, all is usable."""

import re
from urllib.parse import urlencode

import pytest
from flask import Flask

from qml import Cron, Job, ManualClock, Qml, connect
from qml.storage import servers
from qml.values.states import Failed
from qml.web import dashboard
from tests.web.browser import launched
from tests.web.pictures import pages
from tests.web.scene import Scene
from tests.web.serving import served

TOKEN = "correct horse battery staple"

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "</progress></svg><iframe srcdoc='<script>alert(1)</script>'>",
    "{{constructor.constructor('alert(1)')()}}",
)


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture
def jobs():
    with connect("memory://") as storage:
        yield Qml(storage)


@pytest.fixture
def site(jobs):
    """The address of an app with the dashboard at /qml."""
    app = Flask("site")
    app.register_blueprint(dashboard(jobs), url_prefix="/qml")
    with served(app) as address:
        yield f"{address}/qml"


class Window:
    """A page of a browser, and what went wrong on it."""

    def __init__(self, page):
        self.page, self.troubles = page, []
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda told: told.type == "error" and self.troubles.append(told.text))

    def _dialog(self, dialog):
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, address):
        self.page.goto(address, wait_until="load")
        return self.page

    def words(self):
        return self.page.inner_text("body")


@pytest.fixture
def window(browser):
    """A window; at its end nothing may have gone wrong in it."""
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    found = Window(page)
    yield found
    page.close()
    assert found.troubles == []


def everything_by(storage, name):
    storage.enqueue(
        Job(name, [name, {name: [name]}], {name: name}, queue=name, metadata={name: name},
            batch=name, job_type=name, unique_key=name)
    )  # fmt: skip
    [claimed] = storage.fetch_available_jobs_atomic(name, 1, queues=[name])
    storage.note(claimed, claimed.notes.with_progress(0.5, name, storage.now()))
    running = claimed
    failing = storage.enqueue(Job(name, queue=name))
    [claimed] = storage.fetch_available_jobs_atomic(name, 1, queues=[name])
    storage.finish(claimed, Failed(exception=f"{name}: {name}", stack_trace=name))
    storage.schedules.add(name, Cron("0 9 * * *"), Job(name, [name]))
    late = [{"job": running.id, "method": name, "seconds": 9}]
    servers.beat(storage, name, {"host": name, "queues": [name], "threads": name, "running": name,
                                 "pid": name, "late": late, "late_threads": 1})  # fmt: skip
    storage.queues.pause(name)
    return running, failing


def see_that_nothing_runs(window, site, paths):
    for path in paths:
        page = window.open(site + path)
        assert page.locator("main img, main iframe, main script").count() == 0
        assert all(
            link.startswith(("/qml/", "#"))
            for link in page.eval_on_selector_all(
                "a", "all => all.map(a => a.getAttribute('href'))"
            )
        )
        page.evaluate("fetch(location.href, {headers: {'Qml-Live': '1'}}).then(a => a.text())")


@pytest.mark.parametrize("name", PAYLOADS, ids=range(len(PAYLOADS)))
def test_nothing_stored_runs(window, site, jobs, name):
    running, failing = everything_by(jobs.storage, name)
    query = urlencode({"queue": name, "text": name, "method": name, "batch": name})
    paths = (f"/job?id={running.id}", f"/job?id={failing.id}", f"/jobs?{query}",
             f"/jobs/confirm?verb=delete&{query}", f"/batches?{query}")  # fmt: skip
    see_that_nothing_runs(window, site, paths)


def test_nothing_of_all_that_is_stored_runs(window, site, jobs):
    for name in PAYLOADS:
        everything_by(jobs.storage, name)
    paths = ("/", "/queues", "/jobs", "/schedules", "/servers", "/errors", "/batches")
    see_that_nothing_runs(window, site, paths)


def test_what_is_told_after_a_form_does_not_run_either(window, site, jobs):
    jobs.storage.enqueue(Job("m", queue=PAYLOADS[1]))
    page = window.open(f"{site}/queues")
    page.click("td button")
    page.wait_for_selector(".said")
    assert PAYLOADS[1] in page.inner_text(".said")


def test_the_policy_stops_what_would_slip_through(browser, site):
    """The second line of defence, tried by hand: were something not escaped, it would not run."""
    page = browser.new_page()
    told = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(f"{site}/")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">');"
        "const s = document.createElement('script'); s.textContent = 'window.ran = 2';"
        "document.body.append(s)"
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert "Content Security Policy" in " ".join(told)
    page.close()


ATTACK = """<!doctype html><form method=post action="{target}/queues/change">
<input name=name value=mail><input name=verb value=pause><input name=_form value=guess></form>
<script>
fetch("{target}/queues/change", {{method: "POST", credentials: "include", mode: "no-cors",
  body: new URLSearchParams({{name: "mail", verb: "pause"}})}})
  .finally(() => document.forms[0].submit());
</script>"""


@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_page_of_another_origin_changes_nothing(browser, jobs, token):
    app = Flask("site")
    app.register_blueprint(dashboard(jobs, token=token), url_prefix="/qml")
    with served(app) as address:
        evil = Flask("evil")
        evil.add_url_rule("/", view_func=lambda: ATTACK.format(target=f"{address}/qml"))
        with served(evil) as elsewhere:
            page = browser.new_page()
            page.goto(f"{address}/qml/")
            if token is not None:
                page.fill("#token", TOKEN)
                page.click("text=Sign in")
                page.wait_for_selector("h1:text('Overview')")
            with page.expect_navigation(url=re.compile("/queues/change")) as navigation:
                page.goto(elsewhere.replace("127.0.0.1", "localhost"))
            assert navigation.value.status in (401, 403)
            assert jobs.storage.queues.paused() == {}
            page.goto(f"{address}/qml/queues")
            page.close()


def test_it_cannot_be_framed(browser, jobs, site):
    evil = Flask("evil")
    evil.add_url_rule("/", view_func=lambda: f"<iframe src='{site}/queues'></iframe>")
    with served(evil) as elsewhere:
        page = browser.new_page()
        page.goto(elsewhere)
        page.wait_for_timeout(200)
        assert all("Queues" not in frame.content() for frame in page.frames[1:])
        page.close()


def test_a_page_keeps_itself_up_to_date(window, site, jobs):
    jobs.storage.enqueue(Job("first", queue="one"))
    page = window.open(f"{site}/jobs")
    page.check("[name=pick]")
    jobs.storage.enqueue(Job("second", queue="two"))
    page.wait_for_selector("text=second", timeout=15_000)
    assert page.locator("[name=pick]").count() == 2
    assert page.locator("[name=pick]:checked").count() == 1, "what was ticked stays ticked"
    assert page.inner_text("#link") == "Live"


def test_the_focus_and_what_was_opened_survive(window, site, jobs):
    storage = jobs.storage
    failing = everything_by(storage, "m")[1]
    page = window.open(f"{site}/job?id={failing.id}")
    page.click("summary >> nth=0")
    assert page.locator("details[open]").count() == 0
    page.focus("text=Delete…")
    storage.retry(failing.id)
    page.wait_for_selector(".bar .state.enqueued", timeout=15_000)
    assert page.locator("details[open]").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Delete…"


def test_updates_can_be_paused(window, site, jobs):
    page = window.open(f"{site}/queues")
    page.click("#pause")
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    jobs.storage.queues.pause("later")
    page.wait_for_timeout(2_500)
    assert asked == []
    page.click("#pause")
    page.wait_for_selector("text=later", timeout=15_000)


def test_it_says_when_it_is_not_connected_and_goes_on(browser, jobs):
    app = Flask("site")
    app.register_blueprint(dashboard(jobs))
    page = browser.new_page()
    with served(app) as address:
        page.goto(f"{address}/queues")
    page.wait_for_selector("#link.down", timeout=15_000)
    assert "Not connected" in page.inner_text("#link")
    jobs.storage.queues.pause("meanwhile")
    with served(app, int(address.rpartition(":")[2])):
        page.wait_for_selector("text=meanwhile", timeout=30_000)
        assert page.inner_text("#link") == "Live"
        page.close()


def test_without_scripts_everything_works(browser, site, jobs):
    jobs.storage.enqueue_many([Job("m", [n]) for n in range(3)])
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/jobs")
    page.locator("[name=pick]").nth(1).check()
    page.click("button[value=cancel]")
    page.click("text=Cancel 1 job")
    assert "1 job was cancelled" in page.inner_text(".said")
    page.click(".chips >> text=enqueued")
    page.click("a:text('delete…')")
    page.click("text=Delete 2 jobs")
    assert "2 jobs were deleted" in page.inner_text(".said")
    context.close()
    assert [job.state.kind for job in jobs.storage.list()] == ["deleted"]


def test_what_takes_long_goes_on_by_itself(window, site, jobs, monkeypatch):
    from qml.web import acting

    monkeypatch.setattr(acting, "PATIENCE", 0.0)
    monkeypatch.setattr(acting, "AT_ONCE", 3)
    jobs.storage.enqueue_many([Job("m") for _ in range(10)])
    page = window.open(f"{site}/jobs/confirm?verb=cancel")
    page.click("text=Cancel 10 jobs")
    page.wait_for_selector("text=10 jobs were cancelled", timeout=15_000)


def test_by_keyboard_alone(window, site, jobs):
    jobs.storage.enqueue(Job("m", queue="mail"))
    page = window.open(f"{site}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    box = page.locator(".skip").bounding_box()
    assert box["y"] >= 0, "it is seen while it has the focus"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    page.goto(f"{site}/queues")
    for _ in range(40):
        page.keyboard.press("Tab")
        if (
            page.evaluate("document.activeElement.innerText").startswith("Pause\n")
            or page.evaluate("document.activeElement.textContent") == "Pause mail"
        ):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is visible"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Queue mail is paused")
    assert list(jobs.storage.queues.paused()) == ["mail"]


UNLABELLED = """all => all.filter(one => {
  if (one.type === "hidden" || one.hidden) return false;
  return !(one.labels && one.labels.length) && !one.getAttribute("aria-label")
    && !one.textContent.trim();
}).map(one => one.outerHTML)"""

CONTRAST = """() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
      .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (one) => {
    for (; one; one = one.parentElement) {
      const found = getComputedStyle(one).backgroundColor;
      if (!/rgba\\(.*, 0\\)/.test(found)) return found;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [], LEFT_OUT = "svg, .unseen, option, datalist, :disabled, title";
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility() || one.closest(LEFT_OUT)) continue;
    const [a, b] = [light(getComputedStyle(one).color), light(back(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${one.outerHTML.slice(0, 120)}`);
  }
  return poor;
}"""

LOOKS = {
    "light": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 800}, "color_scheme": "light"},
}


@pytest.fixture(scope="module")
def scene():
    clock = ManualClock()
    with connect("memory://", clock=clock) as storage:
        yield Scene(storage, clock).play()


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_readable_and_as_wide_as_its_window(browser, scene, look):
    app = Flask("scene")
    app.register_blueprint(dashboard(scene.jobs))
    backs = set()
    with served(app) as address:
        page = browser.new_page(**LOOKS[look])
        for name, path in pages(scene).items():
            page.goto(address + path, wait_until="load")
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name} is {wide} px too wide"
            assert page.evaluate(CONTRAST) == [], name
            assert page.eval_on_selector_all("input, select, button, a", UNLABELLED) == [], name
            assert page.locator("h1").count() == 1
            assert page.locator("table:not(:has(caption))").count() == 0
            ids = page.eval_on_selector_all("[id]", "all => all.map((one) => one.id)")
            assert len(ids) == len(set(ids)), name
            backs.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        page.close()
    [back] = backs
    assert (max(map(int, re.findall(r"\d+", back))) < 60) == (look == "dark")


def test_long_names_do_not_widen_a_narrow_page(browser, jobs, site):
    for name in ("x" * 400, "long words " * 40, "a.b." * 90):
        everything_by(jobs.storage, name)
    job = jobs.storage.list(limit=1)[0]
    page = browser.new_page(viewport={"width": 400, "height": 800})
    for path in ("/", "/queues", "/jobs", "/schedules", "/servers", "/errors", "/batches",
                 f"/job?id={job.id}", f"/jobs?queue={'x' * 400}&text={'y' * 200}"):  # fmt: skip
        page.goto(site + path, wait_until="load")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
    page.close()


def test_signing_in(window, jobs):
    app = Flask("site")
    app.register_blueprint(dashboard(jobs, token=TOKEN), url_prefix="/qml")
    with served(app) as address:
        page = window.page
        page.goto(f"{address}/qml/queues")
        window.troubles.clear()  # the browser tells of each 401
        page.keyboard.type("a wrong token, but a long one")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=This is not the token")
        window.troubles.clear()
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:text('Queues')")
        assert page.url.endswith("/qml/queues")
        page.reload()
        page.click("text=Sign out")
        page.wait_for_selector("#token")
        page.goto("about:blank")  # it asks for nothing more, as the server goes
        window.troubles.clear()
