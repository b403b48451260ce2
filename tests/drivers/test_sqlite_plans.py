"""SQLite answers from an index what it is asked often: it has no statistics, and guesses.

What is asked must not depend on how many rows there are; so no plan walks a table or sorts.
"""

import re

import pytest

from qml.drivers.sqlite.changing import end_claims
from qml.drivers.sqlite.library import library as sqlite
from qml.drivers.sqlite.statements import SQL

from .conftest import MAKERS

PLANS = {
    "outlook": "qml_jobs_waiting (due_at>?)",
    "anything_for": "qml_jobs_ready_any",
    "anything_in_queue": "qml_jobs_ready_in (queue=?)",
    "best": "qml_jobs_ready_any",
    "best_in_queue": "qml_jobs_ready_in (queue=?)",
    "take": "PRIMARY KEY (rowid=?)",
    "ripen": "qml_jobs_waiting (due_at>? AND due_at<?)",
    "end_claims": "PRIMARY KEY (rowid=?)",
    "leave": "PRIMARY KEY (rowid=?)",
    "move": "sqlite_autoindex_qml_jobs_1 (id=?)",
    "renew": "sqlite_autoindex_qml_jobs_1 (id=?)",
    "write_notes": "sqlite_autoindex_qml_jobs_1 (id=?)",
    "holder_of_key": "qml_jobs_unique_key (unique_key=?)",
    "lapsed": "qml_jobs_running (lease_until<?)",
    "expired": "qml_jobs_expiring (expires_at<?)",
    "finished": "qml_jobs_finished (state=? AND finished_at<?)",
    "overdue": "qml_jobs_leaving (purge_at<?)",
    "page": "PRIMARY KEY (rowid<?)",
    "seqs_of_queue": "qml_jobs_listing (state=? AND queue=? AND seq<?)",
    "next_state": "qml_jobs_listing (state>?)",
    "first_queue": "qml_jobs_listing (state=?)",
    "next_queue": "qml_jobs_listing (state=? AND queue>?)",
    "after": "PRIMARY KEY (rowid>?)",
    "first_batch": "qml_jobs_batch (batch>?)",
    "next_batch": "qml_jobs_batch (batch>?)",
    "page_of_batch": "qml_jobs_batch (batch=? AND seq<?)",
    "paused_queues": "PRIMARY KEY (name>? AND name<?)",
    "queues": "qml_jobs_ready_in (queue>?)",
    "queues_of_lanes": "qml_lanes_open_in (queue>?)",
    "open_lanes": "qml_lanes_open",
    "open_lanes_in_queue": "qml_lanes_open_in (queue=?)",
    "best_in_lane": "qml_jobs_ready_in_lane (lane=?)",
    "leases": "qml_jobs_permits (permit=? AND lease_until>?)",
    "pace": "PRIMARY KEY (pace=?)",
    "sweep_paces": "qml_paces_time (time<?)",
    "reopen": "qml_lanes_closed (opens_at<?)",
    "forget_lane": "qml_jobs_ready_in_lane (lane=?)",
    "settle_lane": "qml_jobs_ready_in_lane (lane=?)",
    "parent": "sqlite_autoindex_qml_jobs_1 (id=?)",
}

TRIGGERS = {
    "qml_lane_of_new": ["PRIMARY KEY (lane=?)"],
    "qml_lane_of_ready": ["PRIMARY KEY (lane=?)"],
    "qml_permit_freed": ["qml_lanes_permit (permit=?)"],
    "qml_permit_erased": ["qml_lanes_permit (permit=?)"],
    "qml_tally_of_new": ["PRIMARY KEY (name=?)"],
    "qml_tally_awaited": [],
    "qml_tally_of_end": ["PRIMARY KEY (name=?)"],
    "qml_tally_of_erased": ["PRIMARY KEY (name=?)"],
    "qml_tally_over": ["qml_jobs_awaiting (awaits=?)", "PRIMARY KEY (name=?)"],
}

SAYS_WHETHER = "SCAN qml_lanes"
"""Of "outlook": whether there are any, which ends with the first."""


@pytest.fixture
def connection(tmp_path):
    driver = MAKERS["sqlite"](tmp_path)
    driver.install()
    driver.close()
    connection = sqlite.connect(tmp_path / "jobs.db")
    yield connection
    connection.close()


def values_for(name):
    return [None] * SQL[name].count("?") or dict.fromkeys(re.findall(r":(\w+)", SQL[name]))


def plan_of(connection, name):
    """The steps of the plan, first to last."""
    found = connection.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", values_for(name)).fetchall()
    return [step for *_, step in found]


@pytest.mark.parametrize("name", PLANS)
def test_each_is_answered_from_its_index(connection, name):
    plan = plan_of(connection, name)
    assert any(step.endswith(PLANS[name]) for step in plan), plan
    assert not [step for step in plan if step.startswith("USE TEMP B-TREE")], plan
    walks = [step for step in plan if re.fullmatch(r"SCAN (qml_\w+|j|p)", step)]
    assert walks == ([SAYS_WHETHER] if name == "outlook" else []), plan


LOOKED_AT_AGAIN = [name for name in SQL if SQL[name].startswith(("SELECT", "UPDATE", "DELETE"))]


@pytest.mark.parametrize("name", LOOKED_AT_AGAIN)
def test_other_values_need_no_other_plan(connection, name):
    """SQLite would prepare the statement anew for each: a claim took 45 us longer for it when hot,
    and an idle server 300 us when cold."""
    statement = SQL[name].format(by="state") if name.startswith("count") else SQL[name]
    prepared = []
    connection.set_authorizer(lambda *what: prepared.append(what) or 0)
    for value in (1, 2):
        values = values_for(name)
        given = [value] * len(values) if isinstance(values, list) else dict.fromkeys(values, value)
        prepared.clear()
        connection.execute(statement, given).fetchall()
        assert bool(prepared) is (value == 1)


def test_many_ends_of_claims_are_found_as_one_is(connection):
    statement = end_claims(256)
    nothing = [None] * statement.count("?")
    plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", nothing)]
    assert [step for step in plan if "qml_jobs" in step] == [
        "SEARCH qml_jobs USING INTEGER PRIMARY KEY (rowid=?)"
    ]


@pytest.mark.parametrize("by", ["state", "queue"])
def test_counts_of_a_state_come_in_the_order_of_an_index(connection, by):
    """A walk along it, 50 ns a job: nothing is looked up, nothing sorted."""
    statement = SQL["count"].replace("{by}", by)
    found = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values_for("count")).fetchall()
    plan = [step for *_, step in found]
    assert plan == ["SEARCH qml_jobs USING COVERING INDEX qml_jobs_listing (state=?)"]


def test_what_triggers_change_is_found_by_an_index(connection):
    found = {}
    triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    for name, text in connection.execute(triggers).fetchall():
        body = re.search(r"\bBEGIN\n(.*)END\Z", text, re.S)[1]
        plain = re.sub(r"\b(?:NEW|OLD)\.\w+", "?", body)
        steps = []
        for statement in plain.split(";\n")[:-1]:
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN {statement}", [None] * statement.count("?")
            )
            steps += [step for *_, step in plan if "qml_" in step]
        found[name] = [step.partition(" USING ")[2].removeprefix("INDEX ") for step in steps]
    assert found == TRIGGERS


@pytest.mark.parametrize("name", ["end_claims", "renew", "let_go"])
def test_what_few_jobs_have_costs_the_others_nothing(connection, name):
    """It writes no column of these indexes, so SQLite does not open them."""
    code = connection.execute(f"EXPLAIN {SQL[name]}", values_for(name)).fetchall()
    names = dict(connection.execute("SELECT rootpage, name FROM sqlite_master"))
    triggers = [place for place, (address, *_) in enumerate(code) if address == 0][1:]
    of_all = code[: triggers[0]] if triggers else code  # what the triggers do follows
    opened = {names[root] for _, step, _, root, *_ in of_all if step == "OpenWrite"}
    assert {"qml_jobs", "qml_jobs_running"} <= opened
    assert not opened & {"qml_jobs_expiring", "qml_jobs_leaving", "qml_jobs_waiting"}
