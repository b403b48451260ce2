"""Task names: a script runs what an import of it enqueued, and the other way round."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qml import ConfigurationError, Qml

REPO = Path(__file__).parents[2]

SCRIPT = """
import sys
from qml import Qml

jobs = Qml("sqlite:///jobs.db")

@jobs.task
def double(n):
    return n * 2

class Sums:
    @staticmethod
    @jobs.task
    def add(a, b):
        return a + b

def main():
    if "enqueue" in sys.argv:
        print(double.enqueue(21).method, Sums.add.enqueue(1, 2).method)
    else:
        jobs.server(threads=1).run(burst=True)
        for job in jobs.storage.list():
            print((job.method, job.state.kind.value, job.state.result))

if __name__ == "__main__":
    main()
"""


def python(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(SCRIPT)
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tasks.py").write_text(SCRIPT)
    (package / "__main__.py").write_text(SCRIPT)
    return tmp_path


IMPORTS = "import sys; from {0} import main; main()"
DONE = "('{0}.Sums.add', 'succeeded', 3)\n('{0}.double', 'succeeded', 42)"


@pytest.mark.parametrize(
    ("name", "script", "imported"),
    [
        ("app", ["app.py"], "app"),
        ("app", ["./app.py"], "app"),
        ("app", ["-m", "app"], "app"),
        ("shop.tasks", ["-m", "shop.tasks"], "shop.tasks"),
        ("shop", ["-m", "shop"], None),
    ],
)
def test_python_app_runs_what_import_app_enqueued(folder, name, script, imported):
    methods = f"{name}.double {name}.Sums.add"
    if imported is None:
        assert python(folder, *script, "enqueue") == methods
    else:
        assert python(folder, "-c", IMPORTS.format(imported), "enqueue") == methods
    assert python(folder, *script) == DONE.format(name)


def test_import_app_runs_what_python_app_enqueued(folder):
    assert python(folder, "app.py", "enqueue") == "app.double app.Sums.add"
    assert python(folder, "-c", IMPORTS.format("app")) == DONE.format("app")


def test_a_script_from_another_folder_is_the_same(folder):
    assert python(folder, "-c", IMPORTS.format("app"), "enqueue") == "app.double app.Sums.add"
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "app.py").write_text(SCRIPT.replace("jobs.db", "../jobs.db"))
    assert python(elsewhere, "app.py") == DONE.format("app")


def test_a_script_that_comes_by_stdin_has_no_module_name(folder):
    with (folder / "app.py").open("rb") as script:
        told = subprocess.check_output(
            [sys.executable, "-", "enqueue"],
            stdin=script,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            timeout=60,
        )
    assert told.split() == [b"__main__.double", b"__main__.Sums.add"]


def test_a_script_that_imports_itself_does_not_conflict(folder):
    (folder / "app.py").write_text(SCRIPT.replace("def main():", "def main():\n    import app"))
    assert python(folder, "app.py", "enqueue") == "app.double app.Sums.add"
    assert python(folder, "app.py") == DONE.format("app")


class Doubles:
    def __call__(self, n):
        return n * 2


@pytest.mark.parametrize("function", [functools.partial(pow, 2), Doubles(), [].append])
def test_what_has_no_name_of_its_own_needs_one(function):
    app = Qml("memory://")
    with pytest.raises(ConfigurationError, match="no name to be stored by"):
        app.task(function)
    assert app.task(name="it")(function).name == "it"


@pytest.mark.parametrize("given", ["send_mail", 5])
def test_what_is_no_function_is_no_task(given):
    with pytest.raises(ConfigurationError, match=f"is given {given!r}, which cannot be called"):
        Qml("memory://").task(given)
