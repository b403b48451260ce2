"""What every test needs: the Hypothesis profiles, chosen by HYPOTHESIS_PROFILE."""

import gc
import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("ci", max_examples=60, derandomize=True, deadline=None, print_blob=True)
settings.register_profile("long", max_examples=5_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_xdist_auto_num_workers(config):
    """For ``-n auto``: half of their time tests wait for servers, and processes of their own."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """A worker that has nothing left takes from one that has: some tests take half a minute."""
    if getattr(config.option, "numprocesses", None):
        config.option.dist = "worksteal"


LONG = """sqlite_carried contract copy copying docs example finds_faults forks health kills machine
map_kills outage points pooler prove redis_indexes redis_texts release strategies tools tutorials
whole"""
"""Where there are tests that take ten seconds or more: ``test_machine.py`` and so on."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Each worker begins with what takes long, or at the end one would be at it alone."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = {f"test_{name}" for name in LONG.split()}
    share = len(items) / workers  # what lies together goes to one worker first
    keys = {id(it): (at // share, it.path.stem not in long) for at, it in enumerate(items)}
    items.sort(key=lambda it: keys[id(it)])


def pytest_collection_finish(session):
    """Thousands of tests need not be looked through each time that Python looks for garbage."""
    gc.freeze()


# What a shell begins in the background has Ctrl-C ignored, and so have all processes it begins.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
