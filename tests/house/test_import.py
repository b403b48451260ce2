"""`import qml` is quick and quiet: it loads no driver's library and does nothing."""

import ast
import importlib
import json
import subprocess
import sys

import pytest

from tests.house.rules import REPO

# Prints what importing qml loaded and did, as Python's own audit events tell it.
# Python 3.11 has no event for a new thread, so `start` itself is watched.
PROBE = """
import json, os, sys, threading

did = []

def look(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        did.append(f"open {arguments[0]}")
    elif event.startswith(("socket.", "sqlite3.", "subprocess.", "os.fork")):
        did.append(event)
    elif event in ("os.mkdir", "os.system", "os.remove", "os.rename"):
        did.append(event)

sys.addaudithook(look)
threading.Thread.start = lambda thread: did.append(f"start {thread}")
import qml
for name in getattr(qml, "__all__", ()):
    getattr(qml, name)
print(json.dumps({"file": qml.__file__, "loaded": sorted(sys.modules), "did": did}))
"""

EXTRAS = [
    ("qml.flask", "flask", "flask"),
    ("qml.web", "flask", "dashboard"),
    ("qml.metrics", "prometheus_client", "metrics"),
    ("qml.tracing", "opentelemetry", "otel"),
]

NEVER = {"sqlite3", "pysqlite3", "psycopg2", "redis", "flask", "hypothesis", "pytest"}


def import_qml(root, elsewhere):
    command = [sys.executable, "-B", "-c", PROBE]
    done = subprocess.run(
        command, cwd=elsewhere, env={"PYTHONPATH": str(root)}, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_import_loads_no_driver_and_does_nothing(tmp_path):
    seen = import_qml(REPO, tmp_path)
    assert seen["file"] == str(REPO / "qml" / "__init__.py")
    assert NEVER.intersection(seen["loaded"]) == set()
    assert seen["did"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("package", "library", "extra"), EXTRAS)
def test_what_needs_an_extra_names_it(package, library, extra):
    script = f"import sys; sys.modules[{library!r}] = None; import {package}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=False
    )
    said = done.stderr.splitlines()[-1]
    assert said.startswith("ModuleNotFoundError: ")
    assert said.endswith(f"pip install 'queue-me-later[{extra}]'")


@pytest.mark.parametrize(
    "text",
    [
        "open('x', 'w').close()",
        "import os; os.mkdir('x')",
        "import threading; threading.Thread(target=int).start()",
        "import sqlite3; sqlite3.connect(':memory:').close()",
    ],
)
def test_the_probe_sees_what_an_import_does(text, tmp_path):
    (tmp_path / "qml").mkdir()
    (tmp_path / "qml" / "__init__.py").write_text(text)
    assert import_qml(tmp_path, tmp_path)["did"]


def test_the_probe_sees_what_an_import_loads(tmp_path):
    (tmp_path / "qml").mkdir()
    (tmp_path / "qml" / "__init__.py").write_text("import sqlite3")
    assert "sqlite3" in import_qml(tmp_path, tmp_path)["loaded"]


@pytest.mark.parametrize("package", ["qml", "qml.testing"])
def test_the_names_of_a_lazy_package_are_listed_alike(package):
    """For users, for type checkers, and for the import itself."""
    path = REPO.joinpath(*package.split("."), "__init__.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    [typed] = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        alias.name: "." * node.level + (node.module or alias.name)
        for node in typed.body
        for alias in node.names
    }
    [getter] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__getattr__"
    ]
    homes = ast.literal_eval(getter.args[1])
    assert homes == imported
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(homes.keys() | ({"__version__"} & {*module.__all__}))
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_without_hypothesis_the_rest_of_testing_works(tmp_path):
    (tmp_path / "hypothesis.py").write_text("raise ModuleNotFoundError(name='hypothesis')")
    script = """
import qml.testing
qml.testing.ManualClock, qml.testing.FaultyDriver, qml.testing.drain, qml.testing.History
try:
    qml.testing.StorageMachine
except ImportError as error:
    print(error)
"""
    path = f"{tmp_path}:{REPO}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "needs Hypothesis: pip install 'queue-me-later[testing]'" in done.stdout
