"""A wheel brings every file of qml, and the command."""

import configparser
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.house.rules import REPO


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since a build leaves folders beside setup.cfg."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(REPO / "qml", source / "qml", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "MANIFEST.in", "LICENSE", "README.rst"):
        shutil.copy(REPO / name, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source]
    done = subprocess.run([*command, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(source.glob("*.whl"))) as opened:
        yield opened


def test_the_wheel_holds_the_whole_package(wheel):
    files = {
        path.relative_to(REPO).as_posix()
        for path in (REPO / "qml").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == files
    assert "qml/py.typed" in files


def test_the_wheel_brings_the_command(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert points["console_scripts"]["qml"] == "qml.cli:main"
