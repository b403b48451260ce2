"""Redis: what goes through JSON, Lua and back comes out as it went in, and sorts as it should."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qml.drivers.redis import RedisDriver, connections, texts
from qml.seam.rows import After, Available, Lapsed, Page, Verdict
from qml.values.errors import StorageError

from . import redis_indexes, redis_store
from .making import NOW, claim, everything, ids, later, move, put, renewal, rewrite, row, running

TEXTS = st.text(max_size=30)  # of any letter but surrogates, NUL among them
MICROS = st.integers(-(2**63), 2**63 - 1)
SMALL = st.integers(0, 2**31 - 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    config = redis_store.config(tmp_path_factory.mktemp("store"))
    driver, client = RedisDriver(config), redis_store.raw_client()
    driver.install()
    yield driver, client, config.key_prefix
    redis_store.remove(config.key_prefix)
    driver.close()
    client.close()


def emptied(driver):
    """Without the rows that another test left."""
    driver.erase([one.id for one in everything(driver)], 9_999)


@st.composite
def any_row(draw):
    maybe = {name: draw(st.none() | TEXTS) for name in ("worker", "locked_by", "job_type")}
    times = ("lease_until", "due_at", "finished_at", "purge_at", "expires_at")
    moments = {name: draw(st.none() | MICROS) for name in times}
    plain = {name: draw(TEXTS) for name in ("state", "queue", "method", "unique_while")}
    names = ("detail", "failures", "metadata", "payload", "notes")
    opaque = {name: draw(TEXTS) * draw(st.sampled_from((1, 1, 1_000))) for name in names}
    numbers = {name: draw(SMALL) for name in ("version", "attempt", "fence", "max_attempts")}
    return row(
        draw(TEXTS),
        **maybe | moments | plain | opaque | numbers,
        priority=draw(st.integers(-(2**31) + 1, 2**31 - 1)),
        created_at=draw(MICROS),
        unique_key=draw(st.none() | TEXTS),
        max_retries=draw(st.none() | SMALL),
        timeout_seconds=draw(st.none() | st.floats(1e-9, 1e12)),
    )


@settings(max_examples=80)
@given(rows=st.lists(any_row(), min_size=1, max_size=4), new=any_row(), data=st.data())
def test_any_row_comes_back_and_stands_where_it_should(store, rows, new, data):
    driver, client, prefix = store
    emptied(driver)
    seqs, obstacles = driver.insert(rows)
    expected = [] if obstacles else [r._replace(seq=s) for r, s in zip(rows, seqs, strict=True)]
    assert everything(driver) == expected
    redis_indexes.check(client, prefix)
    if expected:
        old = data.draw(st.sampled_from(expected))
        changed = rewrite(old, **new._replace(id=old.id, seq=old.seq)._asdict())
        if driver.swap([changed]) == [Verdict.DONE]:
            assert driver.load([old.id]) == [changed.row._replace(notes=old.notes)]
        taken = driver.claim(claim(9, now=data.draw(MICROS), detail=new.detail)).rows
        assert driver.load(ids(taken)) == taken
        redis_indexes.check(client, prefix)


@given(st.lists(MICROS))
def test_times_as_texts_sort_as_they_do(moments):
    assert sorted(map(texts.moment, moments)) == [texts.moment(one) for one in sorted(moments)]
    assert {len(texts.moment(one)) for one in moments} <= {20}
    assert [texts.micros(texts.moment(one)) for one in moments] == moments


def test_times_before_1970_are_times(store):
    driver, *_ = store
    emptied(driver)
    put(driver, later("a", -5), later("b", -7), running("c", lease_until=-9), later("d", 3))
    assert ids(driver.scan(Lapsed(-9, 9))) == ["c"]
    taken = driver.claim(claim(9, now=-6))
    assert (ids(taken.rows), taken.next_due) == (["b"], 3)


def test_texts_of_a_megabyte(store):
    driver, *_ = store
    emptied(driver)
    large = 'ä😀\0"\\/' * 120_000
    [stored] = put(driver, row("large", payload=large, due_at=0, priority=9))
    assert stored.payload == large
    [taken] = driver.claim(claim(1)).rows
    assert taken.payload == large
    assert driver.swap([move(taken, detail=large)]) == [Verdict.DONE]
    assert driver.load(["large"])[0].detail == large


def test_notes_travel_only_when_they_are_read_or_written(store, monkeypatch):
    """Neither a finish nor an update carries what the run said of itself."""
    driver, *_ = store
    emptied(driver)
    put(driver, row("a"), row("b"))
    taken = driver.claim(claim()).rows
    large = "ä😀\0" * 100_000
    driver.hold([renewal(one, NOW * 2, notes=large) for one in taken])
    a, b = driver.load(["a", "b"])
    assert a.notes == b.notes == large
    sent, write = [], driver._connections.write
    monkeypatch.setattr(
        driver._connections,
        "write",
        lambda script, order, beside=(): (
            sent.append(b"".join((order, *beside))) or write(script, order, beside)
        ),
    )
    assert driver.swap([move(a), rewrite(b)]) == [Verdict.DONE] * 2
    assert driver.hold([renewal(b, NOW * 3)]) == [Verdict.DONE]
    assert driver.let_go("b", "w1", NOW) is Verdict.DONE
    assert max(map(len, sent)) < 2_000
    assert [one.notes for one in driver.load(["a", "b"])] == [large] * 2


def test_many_large_rows_are_read_in_several_steps(store, monkeypatch):
    driver, *_ = store
    emptied(driver)
    stored = put(driver, *(row(str(n), payload="x" * 1_000_000) for n in range(11)))
    steps, read = [], driver._connections.read
    monkeypatch.setattr(driver._connections, "read", lambda *a: steps.append(1) or read(*a))
    assert driver.scan(Page()) == stored[::-1]
    assert len(steps) == 3


def test_a_batch_that_no_server_takes_is_refused_before_it_is_sent(store, monkeypatch):
    driver, *_ = store
    emptied(driver)
    monkeypatch.setattr(connections, "LONGEST", 1_000)
    with pytest.raises(StorageError, match="make several of it"):
        driver.insert([row("a", payload="x" * 1_000)])
    assert driver.load(["a"]) == [None]


def test_damaged_bytes_are_read_as_far_as_they_can_be(tmp_path):
    """One bad record is one bad job, and no page that fails."""
    config = redis_store.config(tmp_path)
    driver, client = RedisDriver(config), redis_store.raw_client()
    put(driver, row("a"), row("b", unique_key="k"), row("c"))
    key = f"{{{config.key_prefix}}}:job:b"
    client.hset(key, "payload", b'x\xff\xfe\xe2\x82"y')
    stored = client.hget(key, "row").encode()
    client.hset(key, "row", stored.replace(b"app.send", b'x\xff\xfe\xe2\x82\\"y'))
    [_, b, _] = everything(driver)
    bad = 'x\ufffd\ufffd\ufffd"y'
    assert (b.id, b.payload, b.method) == ("b", bad, bad)
    taken = driver.claim(claim()).rows
    assert ids(taken) == ["a", "b", "c"]
    assert driver.swap([move(one) for one in taken]) == [Verdict.DONE] * 3
    assert ids(driver.scan(After(0, 9))) == ["a", "b", "c"]
    assert sum(driver.count(Page(), "method").values()) == 3
    driver.close()
    client.close()


def test_a_page_far_from_the_newest(store):
    """Passed over by rank where nothing is asked of the rows, one by one where there is."""
    driver, *_ = store
    emptied(driver)
    [first, *_], _ = driver.insert(
        [row(str(n), state="ab"[n % 2], queue="q" if n % 3 else "p") for n in range(2_500)]
    )
    newest = [*range(2_499, -1, -1)]

    def page(**filters):
        return [int(one.id) for one in driver.scan(Page(**filters))]

    for offset in (0, 1, 999, 1_000, 1_001, 2_400, 2_499, 2_500, 9_999):
        assert page(offset=offset) == newest[offset:]
        assert page(offset=offset, limit=3) == newest[offset:][:3]
        assert page(states=("a",), offset=offset, limit=2) == newest[1::2][offset:][:2]
        assert page(states=("a", "b"), offset=offset, limit=2) == newest[offset:][:2]
        found = [n for n in newest if n % 3 == 0]
        assert page(queue="p", offset=offset, limit=2) == found[offset:][:2]
        for below in (0, 1, 2, 1_300, 2_499, 2_500, 10**30):
            lower = {"below": first + below, "offset": offset}
            left = newest[max(0, 2_500 - below) :]
            assert page(**lower, limit=3) == left[offset:][:3]
            found = [n for n in left if n % 2 == 0]
            assert page(**lower, limit=3, states=("a",)) == found[offset:][:3]


def test_counts_below_a_seq_over_many_steps(store):
    driver, *_ = store
    emptied(driver)
    stored = put(driver, *(row(str(n), queue="q" if n % 3 else "p") for n in range(2_500)))
    for below in (-1, 0, 1, 1_200, 2_500):
        counted = Counter(one.queue for one in stored[: max(0, below)])
        assert driver.count(Page(below=stored[0].seq + below, limit=1), "queue") == counted


def test_available_over_many_steps(store):
    driver, *_ = store
    emptied(driver)
    put(driver, *(row(f"r{n}", priority=n % 5) for n in range(1_300)))
    put(driver, *(later(f"l{n}", NOW - n, priority=n % 7) for n in range(1_300)))
    rows = driver.scan(Available(NOW))
    assert len(rows) == 2_600
    assert rows == sorted(rows, key=lambda one: (-one.priority, one.seq))
    assert driver.scan(Available(NOW, 1_234)) == rows[:1_234]
    assert driver.scan(Available(NOW, 3)) == rows[:3]
