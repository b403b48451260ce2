"""A newcomer's folder: the files of a tutorial as printed, its commands, what they print."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from tests.house.rules import REPO

CAPTIONED = re.compile(r"^   :caption: (\S+)\n\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)


def files_of(page):
    """What the page says to write, by the name of the file."""
    text = (REPO / "docs" / f"{page}.rst").read_text(encoding="utf-8")
    return {name: textwrap.dedent(code) for name, code in CAPTIONED.findall(text)}


def run_pytest(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def folder(tmp_path):
    for name, code in files_of("tutorial-harness").items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


# What is found has not to be shortened, which takes the most time.
HASTY = """
from hypothesis import Phase, settings

settings.register_profile("hasty", phases=[Phase.generate], deadline=None)
settings.load_profile("hasty")
"""


def test_the_harness_finds_the_bug_and_passes_once_it_is_mended(folder):
    assert run_pytest(folder, "test_first.py")[0] == 0
    code, printed = run_pytest(folder, "test_points.py")
    assert code == 1
    assert "ada has 200 points" in printed
    story = printed.partition("Failing test case")[2].partition("Explanation")[0]
    assert re.findall(r"state\.(\w+)", story) == [
        "somebody_signs_up",
        "another_is_killed",
        "teardown",
    ]

    program = folder / "points.py"
    program.write_text(program.read_text(encoding="utf-8").replace("+= 100", "= 100"))
    tests = ("test_first.py", "test_points.py", "test_story.py")
    code, printed = run_pytest(folder, *tests)
    assert code == 0, printed
    assert "3 passed" in printed
    assert not (folder / "points.db").exists()


def test_the_harness_finds_the_storage_wanting(folder):
    (folder / "conftest.py").write_text(HASTY, encoding="utf-8")
    code, printed = run_pytest(folder, "test_storage.py")
    assert code == 1
    assert "counts have every kind" in printed
    assert "2 failed" in printed
