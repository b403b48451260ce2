"""Redis: keys that were evicted or deleted by hand. The rows are what counts."""

import logging

import pytest

from qml.drivers.redis import RedisDriver, mending
from qml.seam.rows import Expired, Finished, Lapsed, Overdue, Page, Verdict

from . import redis_indexes, redis_store
from .making import NOW, claim, done, everything, ids, later, move, put, row, running

PURGE = Finished("succeeded", NOW - 99)


class Store:
    """A driver, and the keys below it."""

    def __init__(self, folder, **settings):
        config = redis_store.config(folder, **settings)
        self.prefix = config.key_prefix
        self.driver = RedisDriver(config)
        self.driver.install()
        self.client = redis_store.raw_client()

    def key(self, name):
        return f"{{{self.prefix}}}:{name}"

    def delete(self, name):
        assert self.client.delete(self.key(name)) == 1, f"there is no {name}"

    def names(self):
        base = self.key("")
        found = (key[len(base) :] for key in self.client.scan_iter(match=f"{base}*"))
        return {name for name in found if not name.startswith("call:")}

    def upkeep(self):
        """What a server does every few seconds."""
        self.driver._mending._next_check = 0
        self.driver.scan(Lapsed(NOW, 100))
        self.driver.erase(PURGE, 100)

    def check(self):
        redis_indexes.check(self.client, self.prefix)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.driver.close()
    store.client.close()


def fill(store):
    """Rows in every place."""
    put(
        store.driver,
        row("a", unique_key="k", priority=1),
        row("b", queue="q"),
        later("c", NOW + 5),
        running("d", lease_until=NOW - 1, unique_key="l"),
        running("e", lease_until=NOW + 50),
        done("f"),
        done("g", state="failed"),
        row("h", expires_at=NOW + 5, priority=-1),
        done("i", purge_at=NOW + 5),
    )
    store.driver.write("r", "{}", 0)


INDEXES = (
    *("all", "state:enqueued", "state:processing", "state:succeeded", "ready", "ready:default"),
    *("ready:q", "waiting", "expiring", "running", "finished:succeeded", "finished:failed"),
    *("leaving", "keys", "totals", "of:7 defaultapp.send", "of:1 qapp.send"),
)


def test_these_are_all_indexes(store):
    fill(store)
    others = {"records", "names", "seq", "schema", "state:failed", "state:scheduled"}
    assert {name for name in store.names() if not name.startswith("job:")} == {*INDEXES, *others}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_vanished_is_made_anew(store, name, caplog):
    fill(store)
    before = redis_indexes.stored(store.client, store.prefix), everything(store.driver)
    store.delete(name)
    with caplog.at_level(logging.INFO, "qml.redis"):
        store.upkeep()
    assert (redis_indexes.stored(store.client, store.prefix), everything(store.driver)) == before
    told = [record.levelname for record in caplog.records]
    assert told == ["WARNING", "INFO"]
    assert f"{name} has 0 of " in caplog.text or name == "totals"
    caplog.clear()
    store.upkeep()
    assert caplog.records == []


def test_the_version_of_the_layout_is_written_down_again(tmp_path, store):
    """FLUSHALL takes it, too, and who only looks would find no jobs of qml for ever."""
    fill(store)
    store.delete("schema")
    store.upkeep()
    looking = RedisDriver(redis_store.config(tmp_path, create=False))
    looking.install()
    assert ids(everything(looking)) == [*"abcdefghi"]
    looking.close()


@pytest.mark.parametrize("job_id", "abcdefghi")
def test_a_row_that_vanished_is_reported_and_what_is_left_is_removed(store, job_id, caplog):
    fill(store)
    rows = {found.id: found for found in everything(store.driver)}
    store.delete(f"job:{job_id}")
    assert store.driver.load([job_id]) == [None]
    assert store.driver.swap([move(rows[job_id])]) == [Verdict.GONE]
    assert ids(everything(store.driver)) == sorted({*"abcdefghi"} - {job_id})
    taken = ids(store.driver.claim(claim(worker="w9", now=NOW + 5)).rows)
    assert taken == sorted({*"abch"} - {job_id})
    store.upkeep()
    assert f"job {job_id} has vanished" in caplog.text
    store.check()
    assert store.driver.count(Page(), "state") == {
        "processing": 6 if job_id in "fgi" else 5,
        "succeeded": 1 if job_id in "fi" else 2,
        **({} if job_id == "g" else {"failed": 1}),
    }


def test_a_claim_goes_on_past_rows_that_vanished(store, caplog):
    put(store.driver, *(row(f"gone {n}", unique_key=f"k{n}") for n in range(30)), row("there"))
    put(store.driver, *(later(f"late {n}", NOW - 9) for n in range(5)))
    for n in range(30):
        store.delete(f"job:gone {n}")
    store.delete("job:late 2")
    found = ids(store.driver.claim(claim(3)).rows)
    assert found == ["there", "late 0", "late 1"]
    assert caplog.text.count("has vanished") == 31
    store.driver.erase(PURGE, 1)
    store.check()


def test_a_purge_goes_on_past_rows_that_vanished(store, caplog):
    put(store.driver, *(done(f"{n:02d}", purge_at=NOW - 9 + n % 2) for n in range(20)))
    for n in range(0, 16, 2):
        store.delete(f"job:{n:02d}")
    assert sum(store.driver.erase(Overdue(NOW), 5) for _ in range(5)) == 12
    assert all(f"job {n:02d} has vanished" in caplog.text for n in range(0, 16, 2))
    store.upkeep()
    store.check()


def test_rows_that_are_alike_are_counted_each(store):
    first = later("a", NOW + 5, expires_at=NOW + 9)
    put(store.driver, first, *(first._replace(id=name) for name in "bc"))
    store.check()


def test_what_expired_and_vanished_is_passed_over_and_mended(store, caplog):
    put(store.driver, *(row(name, expires_at=NOW) for name in "abc"))
    store.delete("job:a")
    assert ids(store.driver.scan(Expired(NOW, 9))) == ["b", "c"]
    store.upkeep()
    assert "job a has vanished" in caplog.text
    store.check()


@pytest.mark.parametrize("column", ["purge_at", "expires_at", "notes"])
def test_a_row_that_lost_a_column_is_as_one_without(store, column):
    [a] = put(store.driver, row("a", purge_at=NOW, expires_at=NOW, notes="half"))
    if column == "notes":
        assert store.client.hdel(store.key("job:a"), column) == 1
    else:
        redis_indexes.change(store.client, store.key("job:a"), column, False)
    without = a._replace(**{column: "" if column == "notes" else None})
    assert store.driver.load(["a"]) == [without]
    store.driver._mending.suspect()
    store.upkeep()
    store.check()
    assert store.driver.erase(Overdue(NOW), 9) == (0 if column == "purge_at" else 1)


def test_a_time_that_was_changed_by_hand_is_the_one_that_counts(store):
    """An entry that does not agree with its row purges nothing."""
    put(store.driver, done("a", purge_at=NOW - 1), done("b", purge_at=NOW - 1))
    late = redis_indexes.BIAS + NOW + 1
    redis_indexes.change(store.client, store.key("job:a"), "purge_at", str(late))
    assert store.driver.erase(Overdue(NOW), 9) == 1
    assert ids(everything(store.driver)) == ["a"]
    store.upkeep()
    store.check()
    assert store.driver.erase(Overdue(NOW + 1), 9) == 1


def test_the_key_of_a_row_that_vanished_is_free(store):
    put(store.driver, row("a", unique_key="k"), row("b"))
    store.delete("job:a")
    put(store.driver, row("c", unique_key="k"))
    assert store.driver.holder("k") == "c"
    store.upkeep()
    store.check()


def test_a_key_that_was_taken_while_its_entry_was_gone_stays_with_who_took_it(store):
    put(store.driver, row("a", unique_key="k"), row("b", unique_key="l"))
    store.delete("keys")
    put(store.driver, row("c", unique_key="k"))
    store.upkeep()
    store.check()
    assert (store.driver.holder("k"), store.driver.holder("l")) == ("c", "b")
    assert [found.key_held for found in store.driver.load(["a", "b", "c"])] == [0, 2, 2]
    [a, _, _] = store.driver.claim(claim()).rows
    assert store.driver.swap([move(a)]) == [Verdict.DONE]
    assert store.driver.holder("k") == "c"


def test_who_lost_the_entry_of_its_key_frees_no_other(store):
    put(store.driver, row("a", unique_key="k"))
    [a] = store.driver.claim(claim()).rows
    store.delete("keys")
    put(store.driver, row("c", unique_key="k"))
    assert store.driver.swap([move(a)]) == [Verdict.DONE]
    assert store.driver.holder("k") == "c"
    store.check()


def test_entries_that_belong_nowhere_are_taken_out(store):
    fill(store)
    [a] = store.driver.load(["a"])
    member = f"{2**31:010d}{a.seq:016d}a"
    store.client.zadd(store.key("ready"), {member: 0})
    store.client.zadd(store.key("ready:q"), {member: 0})
    store.client.zadd(store.key("state:none"), {f"{a.seq:016d}a": 0})
    for name in ("expiring", "leaving"):
        store.client.zadd(store.key(name), {f"{redis_indexes.BIAS}{a.seq:016d}a": 0})
    assert ids(store.driver.claim(claim(4)).rows) == ["a", "b", "h"]
    store.upkeep()
    store.check()


@pytest.mark.parametrize("name", ["ready", "waiting", "expiring", "running", "leaving"])
def test_an_entry_where_there_should_be_none_is_found(store, name):
    """A check notices it, though no row is counted there and nobody has met it."""
    put(store.driver, done("a"))
    store.client.zadd(store.key(name), {f"{1:036d}a": 0})
    store.upkeep()
    store.check()


def test_seqs_go_on_when_their_counter_vanished(store):
    stored = put(store.driver, row("a"), row("b"))
    store.delete("seq")
    [c] = put(store.driver, row("c"))
    assert c.seq == stored[-1].seq + 1
    store.delete("seq")
    assert store.driver.swap([move(c, then=(row("d"), row("e")))]) == [Verdict.DONE]
    assert [one.seq for one in store.driver.load(["d", "e"])] == [c.seq + 1, c.seq + 2]


def test_work_goes_on_while_all_is_counted_anew(store, monkeypatch):
    """Rows come, change and go between any two steps."""
    monkeypatch.setattr(mending, "LOOK", 7)
    put(store.driver, *(row(f"{n:03d}", unique_key=f"k{n}") for n in range(100)))
    store.delete("totals")
    store.delete("ready")
    for number, _ in enumerate(mending.mend(store.driver._connections)):
        put(store.driver, row(f"new {number}"))
        taken = store.driver.claim(claim(2)).rows
        if number % 2:
            store.driver.swap([move(one) for one in taken])
        store.driver.erase([f"{99 - number:03d}"], 1)
    assert number > 50
    store.check()


def test_long_mending_is_spread_over_calls(store, monkeypatch):
    monkeypatch.setattr(mending, "AT_ONCE", 0.0)
    monkeypatch.setattr(mending, "LOOK", 3)
    put(store.driver, *(row(f"{n:03d}") for n in range(30)))
    store.delete("ready")
    calls = 1
    store.upkeep()
    while store.driver._mending._under_way:
        store.driver.erase(PURGE, 1)
        calls += 1
    assert calls > 10
    store.check()


def test_mending_that_was_cut_short_begins_anew(store):
    fill(store)
    store.client.set(store.key("recount"), f"{5:016d}")
    store.client.hset(store.key("recounted"), " 1 1 xyz", 7)
    store.delete("totals")
    store.upkeep()
    store.check()


def test_a_prefix_with_wildcards_is_taken_letter_by_letter(tmp_path):
    """The keys of another prefix are none of ours."""
    prefix = "te*t?[a-z]\\^é"
    store = Store(tmp_path / "a")
    store.driver.close()
    config = redis_store.config(tmp_path / "b")
    mine = RedisDriver(type(config)(config.url, key_prefix=prefix))
    mine.install()
    store.prefix, store.driver = prefix, mine
    other = "test?aé"
    store.client.hset(f"{{{other}}}:job:x", mapping={"seq": "1"})
    try:
        fill(store)
        store.delete("ready")
        store.client.zadd(store.key("state:none"), {f"{1:016d}a": 0})
        store.upkeep()
        store.check()
        assert ids(mine.claim(claim(1)).rows) == ["a"]
        found = [*mending._keys(mine._connections, "job:", "hash")]
        assert sorted(key for keys in found for key in keys) == [
            store.key(f"job:{letter}").encode() for letter in "abcdefghi"
        ]
    finally:
        keys = [
            key for key in store.client.scan_iter() if key.startswith((f"{{{prefix}", "{test?"))
        ]
        store.client.delete(*keys)
        mine.close()
        store.client.close()


@pytest.mark.parametrize("purge", [PURGE, Overdue(NOW - 99)])
def test_a_check_is_made_now_and_then(store, purge):
    store.driver.erase(purge, 1)
    fill(store)
    store.delete("ready")
    store.driver.erase(purge, 1)
    assert "ready" not in store.names()
    store.driver._mending._next_check = 0
    store.driver.erase(purge, 1)
    assert "ready" in store.names()
