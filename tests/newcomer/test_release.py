"""What is released: a source that makes the wheel, sound metadata, a command that runs."""

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import files
from pathlib import Path

import pytest

from qml._version import __version__
from tests.house.rules import REPO

# What lies about in a checkout and is no part of it.
NO_PART = (".*", "__pycache__", "*.egg-info", "build", "dist", "_build", "*.db*", "mutants.out")


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy, since a build leaves folders beside setup.cfg."""
    source = tmp_path_factory.mktemp("source") / "qml"
    shutil.copytree(REPO, source, ignore=shutil.ignore_patterns(*NO_PART))
    return source


@pytest.fixture(scope="module")
def dist(source, tmp_path_factory):
    """The source distribution, and the wheel that is made from it."""
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source)
    return dist


@pytest.fixture(scope="module")
def wheel(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as opened:
        yield opened


def test_the_source_holds_what_is_committed(source, dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    written = {p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()}
    kept = {name for name in written if not name.split("/")[0].endswith((".egg-info", "build"))}
    assert kept - held == set()
    assert {"tests/conftest.py", "docs/index.rst", "tox.ini", "LICENSE"} <= held


def test_their_metadata_and_contents_are_sound(dist):
    python = (sys.executable, "-m")
    assert "FAILED" not in run(*python, "twine", "check", "--strict", *dist.iterdir())
    assert run(*python, "check_wheel_contents", *dist.glob("*.whl")).rstrip().endswith("OK")


def test_two_builds_are_the_same_files(source, wheel, tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as again:
        assert {i.filename: i.CRC for i in again.infolist()} == {
            i.filename: i.CRC for i in wheel.infolist()
        }


@pytest.fixture(scope="module")
def bare(dist, tmp_path_factory):
    """The folder of commands of a fresh environment that has the wheel and what it asks for, no
    extra. What it asks for comes from the environment of these tests: no network."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    base = {"base": str(folder), "platbase": str(folder)}
    home = Path(sysconfig.get_path("purelib", "venv", vars=base))
    asked = ("attrs", "tzdata") if os.name == "nt" else ("attrs",)
    for file in (file for name in asked for file in files(name) or () if file.suffix != ".pyc"):
        place = home / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.locate(), place)
    commands = Path(sysconfig.get_path("scripts", "venv", vars=base))
    python = commands / Path(sys.executable).name
    python = python if python.exists() else commands / "python"
    target = ("--python", python, "install", "--no-index", "--quiet", *dist.glob("*.whl"))
    run(sys.executable, "-m", "pip", *target)
    return commands, python


def test_it_asks_for_little(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    asked = email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist")
    plain = {line.partition(">")[0].partition(";")[0] for line in asked if "extra ==" not in line}
    assert plain == {"attrs", "tzdata"}


def test_it_runs_in_a_fresh_environment_without_extras(bare, tmp_path):
    commands, python = bare
    qml = commands / "qml"
    assert run(qml, "--version", cwd=tmp_path).split() == ["qml", __version__]
    script = "import qml, sys; print(qml.__file__); assert 'hypothesis' not in sys.modules"
    assert str(commands.parent) in run(python, "-W", "error", "-c", script, cwd=tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).write_text("the same bytes")
    assert "2 files are duplicates" in run(qml, "demo", ".", cwd=tmp_path)
