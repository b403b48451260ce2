"""The store is away for a while, longer than a lease, and three servers live through it.

One outage for all of these tests: `QML_OUTAGE_SECONDS` long, and of both kinds of server at once.
"""

import re

import pytest

from qml.work import backoff

from .outage import GRACE, LEFT, SECONDS, SERVERS, suffered
from .stores import KINDS, SECRET
from .tasks import at_once


@pytest.fixture(scope="module")
def outages():
    return dict(
        zip(KINDS, at_once(*[lambda kind=kind: suffered(kind) for kind in KINDS]), strict=True)
    )


@pytest.fixture(params=KINDS)
def told(request, outages):
    if isinstance(outages[request.param], Exception):
        raise outages[request.param]
    return outages[request.param]


def test_nothing_acknowledged_is_lost(told):
    assert len(told.states) == len(told.acknowledged) > 25
    assert {state.kind.value for state in told.states.values()} == {"succeeded"}
    assert [job.arguments for job in told.left] in ([], [[LEFT]])


def test_nothing_is_doubled(told):
    """Also not what went on through it: its lease lapsed, and who ran it was there again."""
    assert {n: count for n, count in told.runs.items() if count > 1 and n != LEFT} == {}
    assert {n: count for n, count in told.attempts.items() if count > 1 and n != LEFT} == {}


def test_the_servers_go_on_within_their_longest_pause(told):
    assert told.until_first_finish < backoff.LONGEST * 1.5 + 1


def test_a_stop_was_obeyed_meanwhile(told):
    assert told.stopped
    assert told.stop_took < GRACE + 8


def test_the_log_has_a_few_lines(told):
    """That hints do not come, that the store does not answer, that it does again; a reminder once
    a minute; and the farewell of the one that was stopped."""
    assert len(told.log) <= 4 * SERVERS + SECONDS / 60 * SERVERS
    assert len(told.log) >= 2 * SERVERS


def test_a_line_says_what_happens_next(told):
    """Each is one line, names the store unless it says that it is back, and tells what is done."""
    for record in told.log:
        line = record.getMessage()
        assert "\n" not in line
        assert not record.exc_info
        assert re.search(
            "again|go on|goes on|come back|instead|stays listed|handed back|stopped", line
        ), line
        assert len(line) < 500


def test_no_password_is_logged(told):
    text = "\n".join(record.getMessage() for record in told.log)
    assert told.store.url not in text
    assert SECRET not in text
    assert SECRET[:4] not in text
