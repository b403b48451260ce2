"""Kill -9 at the commit points, a share of them on each store; in processes of their own, which
fork cleanly. All of them by hand: ``python -m tests.crash.points``."""

import os
import re
import subprocess
import sys

import pytest

from qml.drivers.sqlite.statements import SQL
from tests.crash.ledger import Ledger
from tests.crash.points import within_sqlite
from tests.crash.points.point import Points
from tests.house.rules import REPO

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")

SHARE = {
    "sqlite": ("--every=15", "--first=2"),
    "postgres": ("--every=37", "--first=7"),
    "redis": ("--every=29", "--first=4"),
}
"""What some seconds each allow; the same points each time."""

CHANGES = {
    "sqlite": {name for name, text in SQL.items() if within_sqlite.name_of(text)}
    - {"move_payloads"},  # only where payloads were lost
    "postgres": {
        *(
            "insert",
            "insert_one_kept",
            "insert_alike_kept",
            "insert_mixed_kept",
            "move",
            "rewrite",
            "claim",
            "claim_queues",
            "hold",
        ),
        *("let_go", "erase", "erase_finished"),
        *("create_record", "change_record", "remove_record"),
        *("begin", "one_migrates", "create_schema", "migration", "set_schema_version", "commit"),
        "notify",
    },
    "redis": {
        *("SET", "PUBLISH", "add", "insert", "swap", "claim", "hold", "let_go", "erase"),
        "write_record",
    },
}
"""What a store is told that changes something."""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.points", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_where_nothing_has_happened_there_is_no_new_point(tmp_path):
    points = Points(Ledger(tmp_path, 1), 0)
    with points.around("one"):
        pass
    with points.around("another"):
        points.at("within it")
    points.note("ack")
    points.at("answered")
    assert points.names == [": before one", ": after one", ": after another", ": answered"]


@pytest.mark.parametrize("store", SHARE)
def test_a_kill_at_a_commit_point_does_no_harm(store):
    done = run(f"--store={store}", "--list", *SHARE[store])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
    print(done.stdout)  # how many, and what was found: seen with -s
    points = re.findall(r"^\d+ .*: (?:before |after (?:the answer to )?)?(\w+)", done.stdout, re.M)
    assert CHANGES[store] <= {*points}


@pytest.mark.parametrize(
    ("store", "name"),
    [
        ("sqlite", "commits_come_with_the_next_call"),
        ("postgres", "batches_are_stored_one_by_one"),
        ("redis", "keys_are_set_after_the_script"),
    ],
)
def test_a_broken_qml_is_rejected(store, name):
    """Those that are soon found; all of them by hand, see mutants/__main__.py."""
    done = run(f"--store={store}", f"--mutant={name}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "REJECTED" in done.stdout
    assert f"--store {store} --mutant {name} --only" in done.stdout


def test_every_mutant_still_finds_what_it_breaks():
    """In a process of its own, which is broken afterwards."""
    code = "from tests.crash.points import mutants; [break_it() for break_it in mutants.every()]"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
