"""Page.below: pages that stay where they are while rows come."""

import pytest

from qml.seam.rows import Page

from .making import done, ids, move, put, row


def seq_of(driver, job_id):
    return driver.load([job_id])[0].seq


@pytest.mark.parametrize(
    ("below", "filters", "found"),
    [
        ("11", {}, [*range(10, -1, -1)]),
        ("6", {}, [5, 4, 3, 2, 1, 0]),
        ("0", {}, []),
        ("6", {"limit": 2}, [5, 4]),
        ("6", {"limit": 2, "offset": 3}, [2, 1]),
        ("6", {"limit": 0}, []),
        ("8", {"states": ("failed",)}, [5, 2]),
        ("9", {"states": ("failed",), "limit": 2}, [8, 5]),
        ("8", {"states": ("failed",), "limit": 2, "offset": 1}, [2]),
        ("8", {"states": ("scheduled", "failed")}, [7, 5, 4, 2, 1]),
        ("8", {"states": ("scheduled", "failed"), "limit": 2}, [7, 5]),
        ("8", {"states": ("scheduled", "failed"), "limit": 2, "offset": 2}, [4, 2]),
        ("8", {"states": ("failed", "failed")}, [5, 2]),
        ("8", {"states": ()}, []),
        ("8", {"queue": "q1"}, [7, 5, 3, 1]),
        ("8", {"method": "m1"}, [7, 6]),
        ("10", {"states": ("enqueued",), "queue": "q1", "method": "m1"}, [9]),
        ("9", {"states": ("enqueued",), "queue": "q1", "method": "m1"}, []),
    ],
)
def test_only_what_was_stored_before(mixed, below, filters, found):
    page = Page(below=seq_of(mixed, below), **filters)
    assert [int(one.id) for one in mixed.scan(page)] == found


def test_below_all_is_nothing_and_above_all_is_everything(mixed):
    assert mixed.scan(Page(below=0)) == []
    assert mixed.scan(Page(below=-5)) == []
    assert mixed.scan(Page(below=2**53)) == mixed.scan(Page())
    assert mixed.scan(Page(below=None)) == mixed.scan(Page())


@pytest.mark.parametrize("states", [None, ("enqueued",), ("enqueued", "failed")])
def test_pages_do_not_shift_when_rows_come_and_go(mixed, states):
    """With an offset, each row that comes shows one row twice."""
    whole = mixed.scan(Page(states=states))
    seen, below = [], None
    while page := mixed.scan(Page(states=states, limit=3, below=below)):
        seen += page
        below = page[-1].seq
        put(mixed, row(f"new {below}"), done(f"more {below}", state="failed"))
        mixed.erase([page[-1].id], 1)
    assert seen == whole


def test_a_change_does_not_move_a_row_between_pages(mixed):
    [five] = mixed.load(["5"])
    mixed.swap([move(five, state="enqueued", due_at=0, finished_at=None)])
    assert ids(mixed.scan(Page(states=("enqueued",), below=five.seq + 1)))[0] == "5"
    assert ids(mixed.scan(Page(states=("enqueued",), below=five.seq)))[0] == "3"


@pytest.mark.parametrize(
    ("filters", "by", "counts"),
    [
        ({}, "state", {"enqueued": 3, "scheduled": 3, "failed": 2}),
        ({}, "queue", {"q0": 4, "q1": 4}),
        ({"queue": "q1"}, "state", {"enqueued": 1, "scheduled": 2, "failed": 1}),
        ({"states": ("failed",)}, "method", {"m0": 2}),
        ({"states": ("failed", "enqueued")}, "state", {"enqueued": 3, "failed": 2}),
        ({"limit": 1, "offset": 7}, "method", {"m0": 6, "m1": 2}),
    ],
)
def test_counts_leave_out_what_is_not_below(mixed, filters, by, counts):
    assert mixed.count(Page(below=seq_of(mixed, "8"), **filters), by) == counts


def test_a_count_below_all(mixed):
    assert mixed.count(Page(below=0), "state") == {}
