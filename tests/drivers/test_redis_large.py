"""Redis: large texts, which are sent beside the JSON of orders and answers, between small ones."""

import pytest

from qml.drivers.redis import RedisDriver, texts
from qml.drivers.redis.driver import ADD
from qml.seam.onlooking import Batches, Oldest
from qml.seam.rows import After, Available, Expired, Lapsed, Page, Verdict

from . import redis_indexes, redis_store
from .making import NOW, alike, claim, everything, later, move, put, renewal, rewrite, row, running

DONE = Verdict.DONE
LARGE = texts.LARGE
SIZES = (0, 1, LARGE - 1, LARGE, LARGE + 1, LARGE * 2)
"""Of texts, in letters."""


def text(name, letters=LARGE + 1):
    """One that no other text begins as."""
    return (f'{name}: ä😀\0"\\/\n' * (letters // 5))[: max(letters, len(name))]


class Calls:
    """What goes to the server and comes from it: the JSON, and what is beside it. New rows that go
    by add.lua are no JSON, so of theirs it is only what is large."""

    def __init__(self, connections, monkeypatch):
        self.orders, self.answers, self.beside = [], [], []
        self.read, self.write = connections.read, connections.write
        monkeypatch.setattr(connections, "read", self.reading)
        monkeypatch.setattr(connections, "write", self.writing)

    def reading(self, script, order):
        return self.answered(order, (), self.read(script, order))

    def writing(self, script, order, beside=()):
        answer = self.write(script, order, beside)
        if script is ADD:
            beside = [word for word in beside if len(word) > LARGE]
        return self.answered(order, beside, answer)

    def answered(self, order, beside, answer):
        head, *rest = answer if isinstance(answer, list) else [answer]
        self.orders.append(len(order))
        self.answers.append(len(head))
        self.beside += map(len, [*beside, *rest])
        return answer


@pytest.fixture
def store(tmp_path):
    config = redis_store.config(tmp_path)
    driver, client = RedisDriver(config), redis_store.raw_client()
    driver.install()
    yield driver, client, f"{{{config.key_prefix}}}:"
    redis_indexes.check(client, config.key_prefix)
    driver.close()
    client.close()


@pytest.fixture
def driver(store):
    return store[0]


def mixed(name, size):
    """A row whose texts are large and small in turn."""
    columns = ("detail", "failures", "metadata", "payload", "notes")
    letters = [SIZES[(size + at) % len(SIZES)] for at in range(len(columns))]
    return row(name, **{c: text(c + name, n) for c, n in zip(columns, letters, strict=True)})


def test_large_and_small_texts_in_any_order(driver):
    stored = put(driver, *(mixed(str(n), n) for n in range(len(SIZES) * 2)))
    for number, one in enumerate(stored):
        assert one == mixed(str(number), number)._replace(seq=one.seq)
    assert driver.load([*"31", "nobody", *"13"]) == [*stored[3:0:-2], None, *stored[1:4:2]]
    taken = driver.claim(claim(5)).rows
    assert [one.payload for one in taken] == [one.payload for one in stored[:5]]
    assert driver.load([one.id for one in taken]) == taken
    assert driver.scan(After(0, 99)) == [*taken, *stored[5:]]


@pytest.mark.parametrize("columns", [{}, {"unique_key": "k"}, {"batch": "b"}])
def test_rows_that_are_alike_have_a_large_text_each(driver, columns):
    first, *others = alike(row("a", payload=text("a"), **columns), *"bcdef")
    if "unique_key" in columns:
        others = [one._replace(unique_key=f"k{one.id}") for one in others]
    rows = [first, *(one._replace(payload=text(one.id, SIZES[n])) for n, one in enumerate(others))]
    assert [one.payload for one in put(driver, *rows)] == [one.payload for one in rows]


def test_each_change_of_a_batch_has_its_own_large_texts(driver):
    """Of those that are not carried out no text is taken for another's."""
    put(driver, *(row(name) for name in "abcd"))
    a, b, c, d = driver.claim(claim()).rows
    new = mixed("d", 2)
    then = (row("e", payload=text("e")), row("a", payload=text("x")), mixed("f", 3))
    changes = [
        move(a, detail=text("a"), failures=text("fa")),
        move(b, version=9, detail=text("b"), failures=text("fb"), then=(mixed("g", 1),)),
        move(c, detail="c", failures=text("fc"), then=then),
        rewrite(d, **{name: getattr(new, name) for name in ("detail", "metadata", "payload")}),
    ]
    assert driver.swap(changes) == [DONE, Verdict.STALE, DONE, DONE]
    found = {one.id: one for one in everything(driver)}
    assert (found["a"].detail, found["a"].failures) == (text("a"), text("fa"))
    assert found["b"] == b
    assert (found["c"].detail, found["c"].failures) == ("c", text("fc"))
    assert found["d"] == changes[3].row
    assert found["e"].payload == text("e")
    assert found["f"] == mixed("f", 3)._replace(seq=found["f"].seq)
    assert "g" not in found


def test_a_rewrite_leaves_the_payload_and_the_notes(driver):
    put(driver, row("a", payload=text("old"), notes=text("notes")))
    [a] = driver.load(["a"])
    other = {"payload": text("new"), "notes": text("other"), "detail": text("detail")}
    assert driver.swap([rewrite(a, keeps_payload=True, **other)]) == [DONE]
    [found] = driver.load(["a"])
    assert (found.payload, found.notes, found.detail) == (a.payload, a.notes, text("detail"))


def test_notes_of_several_runs(driver):
    put(driver, *(row(name) for name in "abc"))
    a, b, c = driver.claim(claim()).rows
    held = [renewal(a, NOW * 2, notes=text("a")), renewal(b, NOW * 2, fence=9, notes=text("b"))]
    assert driver.hold([*held, renewal(c, NOW * 2, notes=text("c"))]) == [
        *(DONE, Verdict.STALE, DONE)
    ]
    assert [one.notes for one in driver.load([*"abc"])] == [text("a"), "", text("c")]


def test_every_list_gives_large_texts(driver):
    put(driver, *(row(f"r{n}", payload=text(f"r{n}"), batch=f"{n % 3}") for n in range(9)))
    put(driver, later("late", NOW - 1, payload=text("late"), queue="other"))
    put(driver, running("run", lease_until=NOW - 1, payload=text("run")))
    put(driver, row("exp", expires_at=NOW, payload=text("exp"), batch="33", queue="third"))
    stored = {one.id: one for one in everything(driver)}
    assert {one.payload for one in stored.values()} == {text(name) for name in stored}
    queries = [
        (Page(batch="1"), 3),
        (Page(queue="other"), 1),
        (Available(NOW), 11),
        (Lapsed(NOW, 9), 1),
        (Expired(NOW, 9), 1),
        (Oldest(NOW), 3),
        (Batches("", 9), 4),
        (Batches("", 2), 2),
    ]
    for query, number in queries:
        found = driver.scan(query)
        assert len(found) == number
        assert found == [stored[one.id] for one in found]


def test_large_texts_are_not_made_json_of(driver, monkeypatch):
    """That would take the server longer than all else."""
    calls = Calls(driver._connections, monkeypatch)
    large = "x" * 1_000_000
    put(driver, row("a", payload=large), row("b", payload=large))
    taken = driver.claim(claim()).rows
    driver.hold([renewal(one, NOW * 2, notes=large) for one in taken])
    driver.swap([move(one, detail=large, then=(row(one.id * 2, payload=large),)) for one in taken])
    assert len(everything(driver)) == 4
    assert max(calls.orders) < 5_000
    assert max(calls.answers) < 5_000
    # Stored, loaded, claimed, noted, ended with a follower; and at last two or one of each of four.
    texts_sent = 2 + 2 + 2 + 2 + 4 + 8
    assert calls.beside == [1_000_000] * texts_sent


def test_small_texts_go_within_the_json(driver, monkeypatch):
    """A value of its own takes redis-py longer than some more letters."""
    calls = Calls(driver._connections, monkeypatch)
    put(driver, *(row(str(n), payload="x" * LARGE) for n in range(3)))
    driver.swap([move(one, detail="y" * LARGE) for one in driver.claim(claim()).rows])
    assert len(everything(driver)) == 3
    assert calls.beside == []


def test_many_texts_do_not_make_a_word_that_a_server_refuses(driver, monkeypatch):
    """A server with a small proto-max-bulk-len would cut the line, each time it is asked again."""
    put(driver, *(row(str(n)) for n in range(200)))
    calls = Calls(driver._connections, monkeypatch)
    ends = [text(f"end of {n}", LARGE) for n in range(200)]
    taken = driver.claim(claim(200)).rows
    told = driver.swap(
        [move(one, detail=end, failures=end) for one, end in zip(taken, ends, strict=True)]
    )
    assert told == [DONE] * 200
    assert max(calls.orders) < 1_048_576
    assert [one.detail for one in everything(driver)] == ends
    assert [one.failures for one in everything(driver)] == ends


def test_damaged_bytes_of_a_large_text_are_read_as_far_as_they_can_be(store):
    driver, client, prefix = store
    put(driver, row("a"), row("b"), row("c", payload=text("c")))
    client.hset(f"{prefix}job:b", "payload", b'x\xff\xfe\xe2\x82"y' * LARGE)
    taken = driver.claim(claim()).rows
    wanted = ["payload of a", 'x\ufffd\ufffd\ufffd"y' * LARGE, text("c")]
    assert [one.payload for one in taken] == wanted
    assert [one.payload for one in everything(driver)] == wanted
    driver.erase(["b"], 1)  # who checks the indexes cannot read it
