"""Pages by filters: whatever indexes a driver goes along, the rows are the same."""

import pytest

from qml.drivers.sqlite import pages
from qml.seam.rows import Page
from tests.drivers.making import row


@pytest.mark.parametrize("many", [0, 3, 1_000])
@pytest.mark.parametrize(
    "filters",
    [
        {"states": ("enqueued", "failed")},
        {"states": ("failed",)},
        {"states": ()},
        {"queue": "q1"},
        {"queue": "q1", "states": ("enqueued",), "method": "m0"},
        {"method": "m1"},
        {"states": ("enqueued",), "below": 30, "offset": 3},
    ],
)
def test_every_way_leads_to_the_same_rows(driver, monkeypatch, filters, many):
    monkeypatch.setattr(pages, "MANY", many)
    rows = [
        row(
            str(n),
            queue=f"q{n % 5}",
            method=f"m{n % 3}",
            state="failed" if n % 4 == 0 else "enqueued",
        )
        for n in range(60)
    ]
    [first, *_] = driver.insert(rows).seqs
    page = Page(**{"limit": 7, **filters})
    below = page.below
    if below is not None:
        page = page._replace(below=first + below)
    stored = rows[::-1]
    wanted = [
        one.id
        for one in stored
        if (page.states is None or one.state in page.states)
        and page.queue in (None, one.queue)
        and page.method in (None, one.method)
        and (below is None or int(one.id) < below)
    ]
    found = [one.id for one in driver.scan(page)]
    assert found == wanted[page.offset :][: page.limit]
