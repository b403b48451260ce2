"""What the machine's steps draw: few names and few values, so that jobs meet."""

from typing import Any

from hypothesis import strategies as st

from ..values.followup import Followup
from ..values.rate import Rate
from ..values.retention import Retention
from ..values.selection import JobFilter
from ..values.states import StateKind
from .strategies import json_values

A_MICROSECOND = 0.000001

IDS = st.sampled_from("abcd")  # of jobs that are there, most of the time
NEW_IDS = st.sampled_from("abcdefgh")
QUEUES = st.sampled_from(["mail", "reports"])
POOLS = st.sampled_from([None, None, ["mail"], ["reports"], ["reports", "mail"], ["nobody's"]])
BATCHES = st.sampled_from(["night", "night", "day"])
WORKERS = st.sampled_from(["w1", "w2"])
LEASES = st.sampled_from([None, 0.5, 60.0])
KINDS = st.sampled_from(list(StateKind))
SECONDS = st.sampled_from([0.000001, 1.0, 30.0, 45.0])
OUTCOMES = st.sampled_from(
    ["succeeded", "failed", "failed", "awaiting_retry", "enqueued", "deleted", "scheduled"]
)
ARGUMENTS = st.one_of(
    st.sampled_from([[1, 1.0, True, -0.0], [2**64, "\0", {"b": [], "a": {}}]]),
    st.lists(json_values(max_leaves=3), max_size=2),
)

SHORT = Retention(succeeded=5.0, deleted=0.5, failed=40.0)
MENDS = [Followup("mend"), Followup("mend", "mail", priority=2, max_retries=1)]
LAST = Followup("last", "mail", kwargs={"b": 1, "a": 2}, takes_result=True, metadata={"m": [1]})
NEXTS = [
    Followup("next", arguments=[1.0], on_success=LAST),
    Followup("next", "mail", concurrency_key="one", concurrency_limit=1, takes_result=True),
    Followup("next", rate=Rate(2, 1.0), rate_key="pace", on_success=Followup("next")),
]

LIMITS: list[dict[str, Any]] = [
    {"concurrency_key": "one", "concurrency_limit": 1},
    {"concurrency_key": "one", "concurrency_limit": 1},
    {"concurrency_key": "one", "concurrency_limit": 2},
    {"concurrency_key": "two", "concurrency_limit": 2},
    {"rate": Rate(2, 1.0), "rate_key": "pace"},
    {"rate": Rate(1, 30.0, burst=2), "rate_key": "pace"},
    {"rate": Rate(3, 10.0, burst=3), "rate_key": "one"},
    {
        "concurrency_key": "two",
        "concurrency_limit": 1,
        "rate": Rate(1, 5.0),
        "rate_key": "pace",
    },
]
UNLIMITED = dict.fromkeys(LIMITS[-1])

FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "queue": QUEUES,
        "priority": st.integers(-1, 2),
        "max_retries": st.sampled_from([1, None]),
        "unique_key": st.sampled_from([None, "k", "k2"]),
        "unique_while": st.sampled_from(["unfinished", "queued"]),
        "due_in": st.sampled_from([None, None, -5.0, 0.000001, 5.0, 40.0]),
        "expires_in": st.sampled_from([None, None, None, 0.0, 5.0, 40.0]),
        "retention": st.sampled_from([None, None, None, SHORT]),
        "on_failure": st.sampled_from([None, None, *MENDS]),
        "on_success": st.sampled_from([None, None, None, *NEXTS]),
        "schedule": st.sampled_from([None, None, None, "s"]),
        "limits": st.sampled_from([UNLIMITED, *LIMITS]),
        "batch": st.sampled_from([None, None, "night", "day"]),
        "arguments": ARGUMENTS,
        "metadata": st.just({"b": 1, "a": {"": -0.0}}),
    },
)
"""What a step says about a job; what it leaves out is as usual."""

LIKE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"arguments": ARGUMENTS},
    optional={
        "unique_key": st.sampled_from([None, "k", "k2"]),
        "metadata": st.sampled_from([{}, {"b": 1}]),
        "priority": st.integers(-1, 2),
        "timeout_seconds": st.sampled_from([None, 30, 30.0]),
    },
)
"""What is different of a job that is made like another, as the jobs of one call of a task are."""

FILTERS = st.just(JobFilter()) | st.builds(
    JobFilter,
    states=st.lists(KINDS, max_size=3) | st.none(),
    queue=QUEUES | st.none(),
    method=st.sampled_from([None, None, None, "task", "mend"]),
    batch=st.sampled_from([None, None, "night"]),
    ids=st.none() | st.none() | st.none() | st.lists(IDS, max_size=3),
    older_than=st.sampled_from([None, None, None, 0.0, 1.0, 45.0]),
    metadata=st.sampled_from([{}, {}, {}, {"note": 1}, {"note": True}, {"a": {"": -0.0}}]),
)

JOBS = st.lists(
    st.tuples(NEW_IDS, FIELDS, st.lists(st.tuples(NEW_IDS, LIKE), max_size=2)), max_size=4
)
"""What is enqueued in one call: jobs, each with some that are like it."""
