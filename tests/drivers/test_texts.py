"""Texts of any kind are kept as they are, and are never read as orders to the store."""

import pytest

from qml.seam.rows import Finished, Obstacle, Page, Verdict

from .making import NOW, claim, done, ids, lock, move, put, renewal, rewrite, row

TEXTS = {
    "quotes": "it's \"quoted\" `so` ''",
    "sql": "a'; DROP TABLE jobs; --",
    "wildcards": "%_*?[a-z]\\%",
    "emoji": "👩‍👩‍👧 é e\u0301 \U0010ffff",
    "long": "ä" * 10_000,
    "spaces": " \t\r\n ",
    "number": "007",
    "float": "1e5",
    "null": "NULL",
    "json": '{"a": [1, null]}',
    "placeholders": ":id ? $1 %s %(id)s {0} {name}",
    "separators": "a:b|c,d/e\x1f\x7f\u2028",
    "right to left": "\u202eabc\u202c שלום",
}


@pytest.fixture(params=TEXTS.values(), ids=TEXTS.keys())
def text(request):
    return request.param


def test_in_every_column_of_text(driver, text):
    full = row(
        text,
        state=text,
        queue=text,
        method=text,
        worker=text,
        unique_key=text,
        unique_while=text,
        job_type=text,
        detail=text,
        failures=text,
        metadata=text,
        payload=text,
        notes=text,
    )
    [stored] = put(driver, full)
    assert stored == full._replace(seq=stored.seq)
    assert driver.swap([rewrite(stored, payload=text + text)]) == [Verdict.DONE]
    assert driver.load([text]) == [stored._replace(version=1, payload=text + text)]


def test_as_an_id(driver, text):
    put(driver, row(text), row("other"))
    assert driver.insert([row(text)]).obstacles == [Obstacle(0, "id", text)]
    [a, _] = driver.claim(claim(now=NOW, worker="w1")).rows
    assert a.id == text
    assert driver.hold([renewal(a, NOW + 1)]) == [Verdict.DONE]
    assert driver.let_go(text, "w1", NOW) is Verdict.DONE
    assert driver.swap([move(a)]) == [Verdict.DONE]
    assert driver.erase([text], 9) == 1
    assert ids(driver.scan(Page())) == ["other"]


def test_as_a_queue(driver, text):
    put(driver, row("other"), row("a", queue=text), row("b", queue=text + "x"))
    assert ids(driver.scan(Page(queue=text))) == ["a"]
    assert driver.count(Page(queue=text), "queue") == {text: 1}
    assert ids(driver.claim(claim(queues=("none", text))).rows) == ["a"]


def test_as_a_method(driver, text):
    put(driver, row("other"), row("a", method=text))
    assert ids(driver.scan(Page(method=text))) == ["a"]
    assert driver.count(Page(), "method") == {"app.send": 1, text: 1}


def test_as_a_worker(driver, text):
    put(driver, row("a"), row("b"))
    assert driver.hold([lock("b", text, until=NOW + 9)]) == [Verdict.DONE]
    assert ids(driver.claim(claim(worker="w1", now=NOW)).rows) == ["a"]
    [b] = driver.claim(claim(worker=text, now=NOW)).rows
    assert (b.id, b.worker) == ("b", text)
    assert driver.hold([renewal(b, NOW + 9)]) == [Verdict.DONE]
    assert driver.let_go("b", text + "x", NOW) is Verdict.STALE
    assert driver.let_go("b", text, NOW) is Verdict.DONE


def test_as_a_unique_key(driver, text):
    put(driver, row("a", unique_key=text))
    assert driver.insert([row("b", unique_key=text)]).obstacles == [Obstacle(0, "key", "a")]
    put(driver, row("c", unique_key=text + "x"))
    assert (driver.holder(text), driver.holder(text + "x")) == ("a", "c")


def test_as_a_state(driver, text):
    put(driver, done("a", state=text), done("b"))
    assert ids(driver.scan(Page(states=(text,)))) == ["a"]
    assert driver.erase(Finished(text, NOW), 9) == 1
    assert ids(driver.scan(Page())) == ["b"]


def test_as_a_record(driver, text):
    assert driver.write(text, text, 0) is Verdict.DONE
    assert driver.write("x" + text, text, 0) is Verdict.DONE
    assert driver.list(text) == [driver.read(text)]
    assert driver.read(text).body == text
    assert driver.write(text, None, 1) is Verdict.DONE


def test_texts_that_look_alike_differ(driver):
    alike = ["é", "e\u0301", "E\u0301", "ß", "ss", "ﬁ", "fi", "1", "1.0", "01", "a", "a\u200b"]
    put(driver, *(row(name, queue=name, unique_key=name) for name in alike))
    for name in alike:
        assert ids(driver.claim(claim(queues=(name,))).rows) == [name]
