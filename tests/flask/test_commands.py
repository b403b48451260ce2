"""``flask qml``, and ``qml run`` with a Flask app or a factory."""

import json
import signal

import pytest

from tests.cli.calls import until
from tests.flask.sites import Site

FLASK = ("flask", "--app", "shop:create_app()", "qml")


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path) as site:
        yield site


def test_the_help_is_qmls_own(site):
    for words in (("--help",), ("run", "--help")):
        done = site.call(*FLASK, *words)
        assert done.returncode == 0
        assert done.stdout.startswith("usage: flask qml")
    assert "--max-jobs" in done.stdout
    assert "qml " in site.call("flask", "--app", "shop", "--help").stdout


def enqueue(site, method, **variables):
    code = f"import shop; shop.create_app(); print(shop.{method}.enqueue().id)"
    (site.folder / "enqueue.py").write_text(code)
    done = site.call("enqueue", **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_flask_qml_run_runs_the_apps_jobs_in_its_context(site):
    enqueue(site, "work")
    done = site.call(*FLASK, "run", "--burst", "--threads", 2)
    assert done.returncode == 0, done.stderr
    assert site.diary("ran")[0][3] == "shop"
    assert "shop:create_app()" in done.stderr
    assert str(site.folder / "instance" / "jobs.db") in done.stderr
    assert "succeeded" in site.call(*FLASK, "jobs", "list").stdout


def test_the_apps_store_holds_and_not_the_environments(site):
    enqueue(site, "work")
    done = site.call(*FLASK, "jobs", "list", QML_URL="sqlite:///nowhere.db")
    assert (done.returncode, "shop.work" in done.stdout) == (0, True), done.stderr
    done = site.call(*FLASK, "jobs", "list", "--url", "sqlite:///nowhere.db")
    assert done.returncode == 3
    assert "nowhere.db" in done.stderr


@pytest.mark.parametrize("words", [("queues", "list"), ("servers", "list"), ("doctor",)])
def test_other_commands_look_at_the_apps_store_too(site, words):
    enqueue(site, "work")
    done = site.call(*FLASK, *words, "--json")
    assert done.returncode in {0, 5}, done.stdout + done.stderr
    json.loads(done.stdout)


def test_a_store_that_is_not_there_is_not_made(site):
    done = site.call(*FLASK, "stats")
    assert done.returncode == 3
    assert not (site.folder / "instance").exists()


def test_the_configurations_url_may_be_a_url_of_anything(site):
    done = site.call(*FLASK, "stats", FLASK_QML_URL="memory://")
    assert done.returncode == 2
    assert "memory://" in done.stderr


def test_a_wrong_url_in_the_configuration_is_one_sentence(site):
    done = site.call(*FLASK, "stats", FLASK_QML_URL="nonsense")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "'nonsense' is no scheme qml knows" in done.stderr


def test_a_wrong_key_is_one_sentence_with_qmls_exit_code(site):
    done = site.call(*FLASK, "stats", FLASK_QML_ULR="memory://")
    assert "did you mean QML_URL" in done.stderr


@pytest.mark.parametrize(
    "target", ["shop:create_app()", "shop:create_app('other')", "made:app", "shop.py:create_app()"]
)
def test_qml_run_takes_a_factory_or_an_app(site, target):
    (site.folder / "made.py").write_text("import shop\napp = shop.create_app()\n")
    enqueue(site, "work")
    done = site.call("qml", "run", target, "--burst")
    assert done.returncode == 0, done.stderr
    name = "other" if "other" in target else "shop"
    assert site.diary("ran")[0][3] == name


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("shop:create_app", "call it: shop:create_app()"),
        ("shop:nothing()", "has no nothing that can be called"),
        ("shop:create_app(x)", "give literals"),
        ("shop:create_app(1, 2)", "TypeError"),
        ("shop:jobs", "flask --app"),
    ],
)
def test_qml_run_says_what_is_wrong_with_a_target(site, target, says):
    done = site.call("qml", "run", target, "--burst")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [(*FLASK, "run", "--burst"), ("qml", "run", "shop:create_app()", "--burst")]
)
def test_a_task_in_a_process_has_the_app_there(site, words):
    enqueue(site, "apart")
    done = site.call(*words)
    assert done.returncode == 0, done.stderr
    assert [line[2] for line in site.diary("apart")] == ["shop"], done.stderr


def test_a_signal_ends_it_with_grace(site):
    process = site.start(*FLASK, "run", TICK="0.3")
    site.ticks(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_it_begins_again_after_so_many_jobs(site):
    process = site.start(*FLASK, "run", "--max-jobs", 2, TICK="0.3")
    until(lambda: len(site.diary("made")) >= 2)
    assert {line[1] for line in site.diary("made")} == {str(process.pid)}
