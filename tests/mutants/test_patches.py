"""Every mutant that is kept can be tried: it applies to qml as it is, and says what it breaks."""

import pytest

from tests.house.rules import REPO
from tests.mutants import patch

MUTANTS = patch.read_all()

DIFF = """Promise: one and two are given
   in order (law 2).
Tests: tests/a.py
   tests/b.py
Select: one or
   two

--- a/qml/x.sql
+++ b/qml/x.sql
@@ -1,4 +1,4 @@
 one

-two
+three
 four
"""


def names(mutants):
    return [mutant.name for mutant in mutants]


def test_there_are_many():
    assert len(MUTANTS) >= 200


def test_each_applies_to_qml_as_it_is():
    broken = []
    for mutant in MUTANTS:
        for path, diff in mutant.diffs:
            before = (REPO / path).read_text("utf-8")
            try:
                if patch.applied(before, diff) == before:
                    broken.append(f"{mutant.name} changes nothing")
            except (OSError, patch.DoesNotApply) as error:
                broken.append(f"{mutant.name} does not apply to {path}: {error}")
    assert not broken, "\n".join(broken)


def test_each_changes_qml_and_nothing_else():
    paths = {path for mutant in MUTANTS for path, _ in mutant.diffs}
    assert all(path.startswith("qml/") for path in paths)


def test_each_names_a_promise_and_tests_that_are_there():
    for mutant in MUTANTS:
        assert mutant.promise.endswith("."), mutant.name
        assert all((REPO / test).is_file() for test in mutant.tests), mutant.name


def test_no_two_are_the_same():
    seen = {}
    for mutant in MUTANTS:
        assert mutant.diffs not in seen, f"{mutant.name} is {seen[mutant.diffs]}"
        seen[mutant.diffs] = mutant.name


@pytest.mark.parametrize("driver", ["sqlite", "memory", "postgres", "redis"])
@pytest.mark.parametrize(
    "guard", ["move-unfenced", "move-by-id", "rescue-takes-the-renewed", "ripens-without-bound"]
)
def test_each_driver_has_the_mutants_of_the_same_guards(driver, guard):
    assert f"{driver}-{guard}" in names(MUTANTS)


def test_a_patch_is_read(tmp_path):
    (tmp_path / "m.patch").write_text(DIFF)
    [mutant] = patch.read_all(tmp_path)
    assert mutant.name == "m"
    assert mutant.promise == "one and two are given in order (law 2)."
    assert mutant.tests == ("tests/a.py", "tests/b.py")
    assert mutant.select == "one or two"
    assert [path for path, _ in mutant.diffs] == ["qml/x.sql"]


@pytest.mark.parametrize(
    "text",
    [
        DIFF.replace("Promise:", "Promises:"),
        DIFF.replace("Tests:", "tests:"),
        DIFF.replace("--- a/", "--- "),
        DIFF.replace("Select:", "Selects:"),
    ],
)
def test_a_patch_without_its_lines_is_refused(tmp_path, text):
    (tmp_path / "m.patch").write_text(text)
    with pytest.raises(ValueError, match=r"m\.patch needs the lines"):
        patch.read_all(tmp_path)


@pytest.fixture
def mutant(tmp_path):
    (tmp_path / "m.patch").write_text(DIFF)
    (tmp_path / "qml").mkdir()
    return patch.read(tmp_path / "m.patch")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("one\n\ntwo\nfour\n", "one\n\nthree\nfour\n"),
        ("zero\none\n\ntwo\nfour\nfive\n", "zero\none\n\nthree\nfour\nfive\n"),
    ],
)
def test_it_applies_wherever_its_lines_stand(mutant, tmp_path, before, after):
    (tmp_path / "qml/x.sql").write_text(before)
    mutant.apply(tmp_path)
    assert (tmp_path / "qml/x.sql").read_text() == after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one\n\ntwo \nfour\n",
        "one\ntwo\nfour\n",
        "someone\n\ntwo\nfour\n",
        "one\n\ntwo\nfour and more\n",
        "one\n\ntwo\nfour\none\n\ntwo\nfour\n",  # where?
    ],
)
def test_it_applies_to_the_letter_or_not_at_all(mutant, tmp_path, text):
    (tmp_path / "qml/x.sql").write_text(text)
    with pytest.raises(patch.DoesNotApply, match=r"found \d times"):
        mutant.apply(tmp_path)
    assert (tmp_path / "qml/x.sql").read_text() == text
