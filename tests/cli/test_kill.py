"""Kills and signals at any moment: the next run of the demo goes on, and nothing is lost."""

import hashlib
import json
import random
import shlex
import signal
import time
from functools import partial

import pytest

from qml import connect
from tests.cli.calls import ended, until

COUNT = 3_000


@pytest.fixture
def files(tmp_path):
    root = tmp_path / "files"
    for number in range(COUNT):
        if number % 100 == 0:
            (root / f"{number // 100}").mkdir(parents=True)
        (root / f"{number // 100}" / f"{number}").write_text(f"{number % 2_900}\n")
    return root


@pytest.fixture
def demo(start, files):
    def begin(*flags):
        return start("demo", files, "--db", "demo.db", *flags)

    return begin


def hashed(folder):
    """How many files are done, as somebody sees who looks from outside."""
    if not (folder / "demo.db").exists():
        return 0
    with connect("sqlite:///demo.db") as store:
        return store.get_job_counts()["succeeded"]


def goes_on(process, folder, before):
    """Whether it has hashed a file, or has ended."""
    return hashed(folder) > before or process.poll() is not None


def is_right(called, files):
    assert called.code == 0, called.err
    result = json.loads(called.out)
    assert {each["path"]: each["sha256"] for each in result["sums"]} == {
        str(path.relative_to(files)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files.rglob("*")
        if path.is_file()
    }
    assert result["failures"] == []
    assert len(result["duplicates"]) == 100
    with connect("sqlite:///demo.db") as store:
        counts = store.get_job_counts()
    assert counts["succeeded"] == sum(counts.values()) == COUNT
    return result


def test_killed_again_and_again_it_loses_nothing(demo, files, folder):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    killed = 0
    for _ in range(4):
        before = hashed(folder)
        process = demo()
        until(partial(goes_on, process, folder, before))
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        killed += ended(process).code == -signal.SIGKILL
    assert killed >= 2
    begun = time.monotonic()
    result = is_right(ended(demo("--json")), files)
    assert result["new"] + result["known"] + result["unfinished_before"] == COUNT
    assert result["known"] > 0
    assert time.monotonic() - begun < 45


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_says_how_to_go_on(demo, files, folder, number):
    process = demo()
    until(lambda: goes_on(process, folder, 0))
    process.send_signal(number)
    called = ended(process)
    assert called.code == 4, called.err
    assert called.out == ""
    assert "Traceback" not in called.err
    assert f"qml demo {shlex.quote(str(files))} --db demo.db" in called.err
    with connect("sqlite:///demo.db") as store:
        assert store.get_job_counts()["processing"] == 0
    done = hashed(folder)
    assert 0 < done < COUNT
    result = is_right(ended(demo("--json")), files)
    assert result["known"] == done
