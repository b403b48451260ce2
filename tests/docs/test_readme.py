"""README.rst has the two commands, one line each, and CI takes the second from there."""

import configparser
import re
import subprocess

from qml.cli.parser import make_parser
from tests.house.rules import REPO

README = (REPO / "README.rst").read_text(encoding="utf-8")


def commands():
    return [line.strip() for line in README.splitlines() if line.startswith("    python3 -m venv")]


def test_there_are_two_commands_of_one_line():
    demo, tests = commands()
    assert "pytest" not in demo
    assert ".[test]" in tests


def test_one_line_tells_how_to_run_the_tests():
    found = [line for line in README.splitlines() if ".[test]" in line and "pytest" in line]
    assert [line.strip() for line in found] == [commands()[1]]


def test_ci_finds_that_line():
    script = (REPO / ".ci" / "run").read_text(encoding="utf-8")
    expression = re.search(r"sed -n '(.*?)'", script)[1]
    command = ["sed", "-n", expression, REPO / "README.rst"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.strip() == commands()[1]


def test_the_extras_exist():
    setup = configparser.ConfigParser()
    setup.read(REPO / "setup.cfg", encoding="utf-8")
    named = set(re.findall(r"'\.\[(\w+)\]'", README))
    extras = ["sqlite", "flask", "dashboard", "postgres", "testing", "test", "docs"]
    assert named == set(extras)
    assert named <= set(setup["options.extras_require"])


def test_the_demo_takes_a_folder():
    line = commands()[0].partition("/bin/qml ")[2]
    assert make_parser().parse_args(line.split()).folder == "."


def test_every_page_it_names_exists():
    pages = re.findall(r"``(docs/[\w-]+\.rst)``", README)
    assert pages
    assert all((REPO / page).exists() for page in pages)
