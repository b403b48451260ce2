"""The documentation builds without a warning, and its Python code runs as printed."""

import os
import shutil
import subprocess
import sys
import types

import docutils.core
import pytest
from sybil import Sybil
from sybil.parsers.rest import DocTestParser, PythonCodeBlockParser, SkipParser

from tests.house.rules import REPO
from tests.servers import postgres_url

PAGES = [REPO / "README.rst", *sorted((REPO / "docs").rglob("*.rst"))]

# Plain code goes in `code-block:: python`; a session with >>> stands bare or in
# `code-block:: pycon`. `.. skip: next` in front of a block leaves it out.
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), DocTestParser(), SkipParser()])

# These connect by Python's sqlite3, so qml has to use that, too: in a process of their own.
APART = ("howto", "transactions")


def build(root, target):
    """What Sphinx complains of comes before it writes pages; so none are written."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-b", "dummy", "docs", target]
    command += ["-D", "extensions=sphinx.ext.autodoc"]
    return subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )


def run_code_of(page, monkeypatch, folder):
    """The blocks of a page are one module, run in a folder of its own."""
    # Not by its own name, where that is a library's which it imports.
    module = types.ModuleType({"flask": "shop"}.get(page.stem, page.stem.lower()))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(folder)
    document = SYBIL.parse(page)
    document.namespace = vars(module)
    for example in document:
        example.evaluate()


def test_the_docs_build(tmp_path):
    done = build(REPO, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_readme_renders_on_its_own():
    """As PyPI shows it: without Sphinx."""
    text = (REPO / "README.rst").read_text(encoding="utf-8")
    docutils.core.publish_string(text, writer="html5", settings_overrides={"halt_level": 2})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_runs(page, monkeypatch, tmp_path):
    if page.stem in APART:
        run_apart(page, tmp_path)
    else:
        run_code_of(page, monkeypatch, tmp_path)


def run_apart(page, folder):
    """In a process of its own, where qml uses Python's sqlite3."""
    code = (
        "import pathlib, pytest, sys; from tests.house.test_docs import run_code_of\n"
        "page, folder = map(pathlib.Path, sys.argv[1:])\n"
        "with pytest.MonkeyPatch.context() as patch: run_code_of(page, patch, folder)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, page, folder],
        cwd=REPO,
        env={**os.environ, "QML_SQLITE": "sqlite3", "DATABASE_URL": postgres_url()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_warning_fails_the_build(tmp_path):
    (tmp_path / "docs").mkdir()
    shutil.copy(REPO / "docs" / "conf.py", tmp_path / "docs")
    (tmp_path / "docs" / "index.rst").write_text("Index\n=====\n\n:ref:`nowhere`\n")
    done = build(tmp_path, tmp_path / "html")
    assert done.returncode != 0
    assert "nowhere" in done.stderr


@pytest.mark.parametrize("code", [".. code-block:: python\n\n    assert x == 2\n", ">>> x\n2\n"])
def test_wrong_code_fails(code, monkeypatch, tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(".. code-block:: python\n\n    x = 1\n\n" + code)
    with pytest.raises(AssertionError):
        run_code_of(page, monkeypatch, tmp_path)


def test_blocks_share_a_module_and_a_folder_of_their_own(monkeypatch, tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(
        ".. code-block:: python\n\n    def f(): ...\n    open('x.db', 'w').close()\n\n"
        ".. skip: next\n\n.. code-block:: python\n\n    1 / 0\n\n"
        ".. code-block:: pycon\n\n    >>> f.__module__\n    'page'\n"
    )
    run_code_of(page, monkeypatch, tmp_path)
    assert (tmp_path / "x.db").exists()
