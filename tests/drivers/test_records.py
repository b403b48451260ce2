"""read, write and list: small named documents, changed only by who knows their version."""

import pytest

from qml.seam.rows import Record, Verdict

DONE, STALE = Verdict.DONE, Verdict.STALE


def names(driver, prefix):
    return [record.name for record in driver.list(prefix)]


def test_what_is_not_there(driver):
    assert driver.read("a") is None
    assert driver.list("") == []


def test_a_record_is_made_once(driver):
    assert driver.write("a", "{}", 0) is DONE
    assert driver.read("a") == Record("a", 1, "{}")
    assert driver.write("a", "[]", 0) is STALE
    assert driver.read("a") == Record("a", 1, "{}")


def test_a_record_is_changed_by_who_knows_its_version(driver):
    driver.write("a", "one", 0)
    driver.write("b", "other", 0)
    assert driver.write("a", "two", 1) is DONE
    assert driver.write("a", "three", 2) is DONE
    assert driver.read("a") == Record("a", 3, "three")
    for stale in (0, 1, 2, 4):
        assert driver.write("a", "late", stale) is STALE
    assert driver.list("") == [Record("a", 3, "three"), Record("b", 1, "other")]


@pytest.mark.parametrize("expected", [1, 5])
def test_a_record_that_is_not_there_has_no_version_but_0(driver, expected):
    assert driver.write("a", "{}", expected) is STALE
    assert driver.write("a", None, expected) is STALE
    assert driver.read("a") is None


def test_a_record_is_removed_by_who_knows_its_version(driver):
    driver.write("a", "one", 0)
    driver.write("a", "two", 1)
    driver.write("b", "other", 0)
    for stale in (0, 1, 3):
        assert driver.write("a", None, stale) is STALE
    assert driver.read("a") == Record("a", 2, "two")
    assert driver.write("a", None, 2) is DONE
    assert driver.read("a") is None
    assert names(driver, "") == ["b"]
    assert driver.write("a", "again", 0) is DONE


def test_removing_what_is_not_there_as_expected(driver):
    assert driver.write("a", None, 0) is DONE
    assert driver.read("a") is None


def test_a_list_is_by_name(driver):
    for name in ("b", "a", "c", "B", "é", "a1"):
        driver.write(name, name, 0)
    assert names(driver, "") == ["B", "a", "a1", "b", "c", "é"]
    assert driver.list("a") == [Record("a", 1, "a"), Record("a1", 1, "a1")]


TRAPS = ["a%_", "a%_x", "abc", "a%c", "a_", "A%_", "%", "_", "*", "a*", "a?", "[a]", "a\\", "a\\%_"]


@pytest.mark.parametrize("prefix", [*TRAPS, "a", "[", "\\", "'", "a'--", "😀", "", "zzz", "aa"])
def test_a_prefix_is_taken_letter_by_letter(driver, prefix):
    stored = [*TRAPS, "a'--x", "😀", "😀😀", "a😀", "a\U0010ffff", "a\U0010ffffb", "b", "a\uffff"]
    for name in stored:
        assert driver.write(name, "{}", 0) is DONE
    assert names(driver, prefix) == sorted(name for name in stored if name.startswith(prefix))


@pytest.mark.parametrize("last", ["\U0010ffff", "\ud7ff", "\uffff", "z", "\x7f"])
def test_a_prefix_may_end_in_the_last_letter_of_an_alphabet(driver, last):
    prefix = "a" + last
    for name in (prefix, prefix + "b", prefix + last, "a", "b"):
        driver.write(name, "{}", 0)
    assert names(driver, prefix) == sorted([prefix, prefix + "b", prefix + last])


def test_bodies_are_kept_as_they_are(driver):
    for body in ("", " ", "null", '{"a": "\\u0000 😀 \'"}', "x" * 100_000):
        driver.write(body[:9], body, 0)
        assert driver.read(body[:9]) == Record(body[:9], 1, body)


def test_records_and_rows_do_not_meet(driver):
    driver.write("a", "{}", 0)
    assert driver.load(["a"]) == [None]
    assert driver.erase(["a"], 1) == 0
    assert driver.read("a") is not None
