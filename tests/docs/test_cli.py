"""docs/cli.rst knows every command, flag, variable and exit code, and no other."""

import argparse
import re

from qml.cli import codes
from qml.cli.parser import make_parser
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "cli.rst").read_text(encoding="utf-8")


def parsers(parser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


def everything():
    return list(parsers(make_parser()))


def test_the_page_has_every_command():
    leaves = {p.prog for p in everything() if not p._subparsers}
    assert leaves == set(re.findall(r"\* - ``(qml [a-z ]*[a-z])(?: [A-Z.]+)?``", PAGE))


def test_the_page_has_every_flag():
    flags = {flag for parser in everything() for flag in parser._option_string_actions}
    known = {flag for flag in flags if flag.startswith("--") and not flag.startswith("--no-")}
    assert known - {"--help", "--version"} == set(re.findall(r"``(--[a-z-]+)[ A-Z,=]*``", PAGE))


def test_the_page_has_every_variable():
    told = {name for p in everything() for name in re.findall(r"\[(QML_\w+)\]", p.format_help())}
    assert told == set(re.findall(r"``(QML_\w+)``", PAGE))


def test_the_page_has_every_exit_code():
    table = PAGE.partition("Exit codes\n---")[2]
    assert [int(code) for code in re.findall(r"\* - (\d+)\n", table)] == sorted(codes.MEANING)
