"""What counts as killed: a test that ran on the right qml and failed, or never came to an end."""

import os
import time

import pytest

from tests.mutants import trial
from tests.mutants.__main__ import main

CHEAP = ["memory-move-by-id", "sqlite-move-unfenced", "sqlite-rescue-takes-the-renewed"]
"""Of three guards, by one file of quick tests."""

HARMLESS = """Promise: none, a comment has another word.
Tests: tests/drivers/test_swap.py
Select: memory and another_version

--- a/qml/__main__.py
+++ b/qml/__main__.py
@@ -1 +1 @@
-{first}
+{first} Indeed.
"""


def test_mutants_are_killed(capsys):
    assert main(["--jobs=2", "--only", *CHEAP]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert sorted(line.partition(": killed by tests/drivers/test_swap.py::")[0] for line in lines)
    assert all(": killed by tests/drivers/test_swap.py::test_" in line for line in lines)
    assert len(lines) == 3
    assert last.startswith("killed 3 / 3 mutants in ")


def test_what_survives_or_does_not_apply_is_told(tmp_path, capsys):
    docstring = (trial.REPO / "qml/__main__.py").read_text().splitlines()[0]
    (tmp_path / "harmless.patch").write_text(HARMLESS.format(first=docstring))
    (tmp_path / "stale.patch").write_text(HARMLESS.format(first="what never stood there"))
    assert main(["--jobs=1"], tmp_path) == 1
    told = capsys.readouterr().out
    assert "harmless: SURVIVED tests/drivers/test_swap.py. none, a comment" in told
    assert "stale: DOES NOT APPLY, found 0 times:\nwhat never stood there" in told
    assert "killed 0 / 2 mutants" in told


def test_an_unknown_mutant_is_an_error(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "no-such"])
    assert "no mutant is called no-such" in capsys.readouterr().err


TESTS = {
    "passed": "def test_it(): pass",
    "failed": "def test_it(): assert 0",
    "failed in a fixture": "import pytest\n@pytest.fixture\ndef f(): 1 / 0\ndef test_it(f): pass",
    "nothing to run": "",
    "cannot be imported": "import qml.nothing",
    "died": "import os\ndef test_it(): os._exit(1)",
}


@pytest.fixture
def tree(tmp_path):
    """A tree so small that its tests take no time."""
    tree = tmp_path / "tree"
    for package in ("qml", "tests", "tests/mutants"):
        (tree / package).mkdir(parents=True)
        (tree / package / "__init__.py").touch()
    witness = trial.REPO / "tests/mutants/witness.py"
    (tree / "tests/mutants/witness.py").write_text(witness.read_text())
    return tree


def run(tree, text, limit=120.0):
    (tree / "tests/test_it.py").write_text(text)
    return trial.run_tests(tree, ("tests/test_it.py",), "", {}, limit, tree / "files")


def test_a_copy_leaves_out_what_somebody_writes_just_now(tmp_path):
    source = tmp_path / "source"
    names = ("qml/a.py", "qml/b.sql", "qml/__pycache__/a.pyc", "qml/__pycache__/a.pyc.140")
    for name in (*names, "setup.cfg", "elsewhere/c.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    copy = trial.copy_tree(source, tmp_path / "copy")
    found = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert found == {*names[:3], "setup.cfg"}


@pytest.mark.parametrize("name", TESTS)
def test_only_tests_that_ran_have_a_say(tree, name):
    verdict = run(tree, TESTS[name])
    kind = name.partition(" ")[0]
    if kind in (trial.PASSED, trial.FAILED):
        detail = "" if kind == trial.PASSED else "tests/test_it.py::test_it"
        assert (verdict.kind, verdict.detail) == (kind, detail)
    else:
        assert verdict.kind == trial.UNCLEAR
        assert "exit code" in verdict.detail


def test_tests_of_another_qml_have_no_say(tree):
    (tree / "qml/__init__.py").write_text("__file__ = '/elsewhere/qml/__init__.py'")
    assert run(tree, "def test_it(): assert 0").kind == trial.UNCLEAR


def test_a_hang_ends_with_all_that_it_started(tree):
    (tree / "pids").touch()
    text = """
import os, subprocess, time
def test_it():
    child = subprocess.Popen(["sleep", "1000"])
    open("pids", "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(1000)
"""
    verdict = run(
        tree, text, limit=5.0
    )  # by then it has started, on a machine that is not too busy
    assert (verdict.kind, verdict.detail) == (trial.HUNG, "no end after 5 s")
    for pid in (tree / "pids").read_text().split():
        assert _ends(int(pid))


def _ends(pid):
    for _ in range(3_000):
        try:
            os.kill(pid, 0)
            if "\nState:\tZ" in (trial.Path(f"/proc/{pid}/status")).read_text():
                return True  # dead, and not yet collected
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False
