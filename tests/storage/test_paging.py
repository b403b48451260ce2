"""Pages for people: keyed, bounded, and the errors of what failed lately."""

import attrs
import pytest

from qml import Failed, Job, JobFilter
from qml.storage import selecting
from qml.values.errors import ConfigurationError


def ids(page):
    return [job.id for job in page.jobs]


def add(storage, names, **parts):
    storage.enqueue_many([Job("t", [name], id=name, **parts) for name in names])


def walked(storage, where, **given):
    """Every page until there is no next."""
    pages, after = [], None
    while not pages or after is not None:
        pages.append(storage.page(where, after=after, **given))
        after = pages[-1].next
    return pages


def test_pages_follow_each_other_to_the_end(storage):
    add(storage, "abcdefg")
    pages = walked(storage, JobFilter(), limit=3)
    assert [ids(page) for page in pages] == [["g", "f", "e"], ["d", "c", "b"], ["a"]]
    assert [page.looked_at for page in pages] == [3, 3, 1]
    assert [ids(page) for page in walked(storage, JobFilter(), limit=7)] == [[*"gfedcba"]]
    assert ids(storage.page(JobFilter(queue="none"))) == []


def test_jobs_that_come_and_go_disturb_no_page(storage):
    add(storage, "abcdef")
    first = storage.page(JobFilter(), limit=2)
    storage.delete("e")  # the last one on it
    storage.delete("d")
    add(storage, "xyz")
    second = storage.page(JobFilter(), limit=2, after=first.next)
    assert (ids(first), ids(second)) == (["f", "e"], ["c", "b"])


@pytest.mark.parametrize(
    "where",
    [
        JobFilter(states=["failed", "enqueued"]),
        JobFilter(queue="q"),
        JobFilter(method="t", queue="q", states="enqueued"),
        JobFilter(batch="b", method="t"),
        JobFilter(text="7"),
        JobFilter(text="n", metadata={"odd": True}),
    ],
)
def test_pages_by_any_filter_are_what_the_filter_names(storage, where):
    for number in range(60):
        job = Job(
            "u" if number % 5 == 0 else "t",
            [{"n": number}],
            queue="q" if number % 2 else "r",
            batch="b" if number % 3 == 0 else None,
            metadata={"odd": bool(number % 2)},
        )
        storage.enqueue(job if number % 7 else job.with_state(Failed(exception="E: no")))
    wanted = [job.id for job in storage.select(where)]
    assert wanted
    for limit, most in ((1, 3), (2, 7), (50, 60)):
        pages = walked(storage, where, limit=limit, look_at_most=most)
        assert [job_id for page in pages for job_id in ids(page)] == wanted
        assert all(len(page.jobs) <= limit for page in pages)


def test_a_search_looks_at_so_many_and_says_how_far_it_is(storage):
    add(storage, [f"{number:03}" for number in range(100)])
    page = storage.page(JobFilter(text="000"), look_at_most=30)
    assert (ids(page), page.looked_at) == ([], 30)
    assert page.next is not None
    assert ids(storage.page(JobFilter(text="000"), look_at_most=70, after=page.next)) == ["000"]
    found = storage.page(JobFilter(text="08"), limit=2)
    assert (ids(found), found.looked_at) == (["089", "088"], 12)
    last = storage.page(JobFilter(text="000"), look_at_most=100)
    assert (ids(last), last.next) == (["000"], None)
    assert storage.page(JobFilter(text="nowhere"), look_at_most=100).next is None


def test_a_search_reads_on_until_it_has_a_page(storage, monkeypatch):
    monkeypatch.setattr(selecting, "AT_ONCE", 10)
    add(storage, [f"{number:03}" for number in range(100)])
    found = storage.page(JobFilter(text="5"), limit=15)
    assert ids(found) == [job.id for job in storage.select(JobFilter(text="5"))][:15]
    assert found.looked_at == 55  # from 099 down to 045
    rest = storage.page(JobFilter(text="5"), limit=15, after=found.next)
    assert (ids(rest), rest.next) == (["035", "025", "015", "005"], None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"where": "failed"}, "give a JobFilter"),
        ({"limit": 0}, "limit is 0; give a whole number from 1 to 1,000"),
        ({"limit": None}, "limit is None"),
        ({"look_at_most": 0}, "look_at_most is 0"),
        ({"after": "7; DROP"}, "after is '7; DROP'; give the next of the page before"),
        ({"after": 7}, "after is 7"),
        ({"after": "9" * 40}, "after is '999"),
    ],
)
def test_what_makes_no_sense_is_said(storage, given, said):
    with pytest.raises(ConfigurationError, match=said):
        storage.page(**{"where": JobFilter(), **given})


def test_errors_of_the_newest_that_failed(storage):
    storage.enqueue_many(
        [
            Job("t", id=f"{number:03}").with_state(Failed(exception=f"E: bad id {number}"))
            for number in range(450)
        ]
    )
    add(storage, "abc")
    job = Job("t", id="other").with_state(Failed(exception="F: no"))
    storage.enqueue(job)
    groups = {group.exception: group for group in storage.errors()}
    assert {name: group.count for name, group in groups.items()} == {"E": 450, "F": 1}
    assert groups["E"].message == "bad id …"
    assert [group.count for group in storage.errors(look_at_most=301)] in ([1, 300], [300, 1])
    assert len(storage.errors(limit=1)) == 1
    storage.delete_many(JobFilter())
    assert storage.errors() == []


def test_a_job_is_shown_as_it_is_now(storage):
    add(storage, "ab")
    storage.update(attrs.evolve(storage.get("a"), queue="other"))
    assert ids(storage.page(JobFilter(queue="other"))) == ["a"]
    assert ids(storage.page(JobFilter(queue="default"))) == ["b"]
