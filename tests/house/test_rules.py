"""qml keeps the rules of the house, and every rule catches who breaks it."""

from pathlib import Path

import pytest

from tests.house import rules

LONG = "def f():\n" + "    x = 1\n" * 26
WIDE = "class {}:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(16))


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_qml_keeps_the_rule(rule):
    found = rules.breaks(rule, rules.REPO)
    assert not found, "\n".join(found)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "qml" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (rules.libraries_have_owners, "storage/x.py", "import sqlite3"),
        (rules.libraries_have_owners, "storage/x.py", "from pysqlite3 import dbapi2"),
        (rules.libraries_have_owners, "drivers/memory.py", "def f():\n    import sqlite3"),
        (rules.libraries_have_owners, "work/x.py", "import hypothesis.strategies as st"),
        (rules.libraries_have_owners, "cli/x.py", "import flask"),
        (rules.drivers_stand_apart, "drivers/sqlite.py", "from . import memory"),
        (rules.drivers_stand_apart, "drivers/redis/keys.py", "from ..sqlite import rows"),
        (rules.drivers_stand_apart, "drivers/memory.py", "import qml.drivers.postgres"),
        (rules.floors_import_no_front, "work/x.py", "import qml"),
        (rules.floors_import_no_front, "work/x.py", "from qml import Job"),
        (rules.floors_import_no_front, "work/x.py", "from .. import Job"),
        (rules.modules_say_what_they_are, "x.py", "x = 1"),
        (rules.modules_say_what_they_are, "x.py", '"""Values"""'),
        (rules.modules_say_what_they_are, "x.py", '"""Values. And more."""'),
        (rules.files_are_short, "x.py", "\n" * 301),
        (rules.functions_are_short, "x.py", LONG),
        (rules.functions_are_short, "x.py", "class A:\n    async " + LONG.replace("\n", "\n    ")),
        (rules.classes_are_narrow, "x.py", WIDE.format("Wide")),
        (rules.classes_are_narrow, "x.py", "class Driver: ..."),
        (rules.sql_stands_on_its_page, "x.py", "run('SELECT 1')"),
        (rules.sql_stands_on_its_page, "x.py", "run(f'pragma {name}')"),
        (rules.sql_stands_on_its_page, "x.py", "run(f'''\n  DELETE FROM {name}''')"),
        (rules.sql_stands_on_its_page, "x.py", "BEGIN = 'BEGIN IMMEDIATE'"),
        (rules.storages_open_no_files, "storage/x.py", "open(path).close()"),
        (rules.storages_open_no_files, "drivers/x.py", "Path(url).open('rb')"),
        (rules.storages_open_no_files, "drivers/sqlite.py", "Path('a.db').read_bytes()"),
    ],
)
def test_a_rule_catches_who_breaks_it(rule, file, text, tmp_path):
    (found,) = rules.breaks(rule, tree(tmp_path, {file: text}))
    assert found.startswith(f"qml/{file}:")


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (rules.libraries_have_owners, "drivers/sqlite_watch.py", "import sqlite3, json, attrs"),
        (rules.drivers_stand_apart, "drivers/sqlite_watch.py", "from . import sqlite, pages"),
        (rules.floors_import_no_front, "work/x.py", "from .. import work\nimport qml.work"),
        (rules.floors_import_no_front, "cli/x.py", "from qml import Job"),
        (rules.modules_say_what_they_are, "x.py", '"""Values, e.g. a job.\n\nMore. More."""'),
        (
            rules.functions_are_short,
            "x.py",
            LONG.replace("    x = 1\n", '    """\nA\n    """\n', 1),
        ),
        (rules.functions_are_short, "x.py", LONG.replace("x = 1", "# why", 9)),
        (rules.classes_are_narrow, "x.py", WIDE.format("SqliteDriver")),
        (rules.classes_are_narrow, "x.py", "class SqliteStorage: ..."),
        (rules.sql_stands_on_its_page, "x.py", '"""SELECT in a docstring."""\nx = "Update it."'),
        (rules.storages_open_no_files, "drivers/x.py", "files('qml').joinpath('a').read_text()"),
        (rules.storages_open_no_files, "cli/x.py", "open(path)"),
        (rules.storages_open_no_files, "drivers/x.py", "Path('/proc/uptime').read_text()"),
    ],
)
def test_a_rule_lets_the_others_pass(rule, file, text, tmp_path):
    assert rules.breaks(rule, tree(tmp_path, {file: text})) == []
