"""A plug-in of pytest that says which qml the tests have imported."""

import qml

SIGN = "the tests have imported"


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"{SIGN} {qml.__file__}")
