"""The strategies give what the contract lists, and never what it refuses."""

import math
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from qml import ConfigurationError, Job, StateKind
from qml.testing import jobs, json_values, queue_names, states
from qml.testing.strategies import (
    DEEPEST,
    followups,
    job_filters,
    moments,
    names,
    notes,
    retentions,
)

QUICK = settings(max_examples=5_000, derandomize=True, database=None, phases=[Phase.generate])


def leaves(value):
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from leaves(item)
    else:
        yield value


def depth(value):
    items = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, items), default=0) if isinstance(value, list | dict) else 0


WANTED = {
    "a large int": lambda v: type(v) is int and abs(v) > 2**64,
    "an int at a limit": lambda v: type(v) is int and abs(v) in (2**53 + 1, 2**63, 2**64),
    "-0.0": lambda v: type(v) is float and v == 0 and math.copysign(1, v) < 0,
    "a bool": lambda v: type(v) is bool,
    "None": lambda v: v is None,
    "NUL": lambda v: type(v) is str and "\0" in v,
    "an emoji": lambda v: type(v) is str and "😀" in v,
    "{}": lambda v: v == {},
    "[]": lambda v: v == [],
    "an empty key": lambda v: isinstance(v, dict) and "" in v,
    "keys in no order": lambda v: isinstance(v, dict) and list(v) != sorted(v),
    "depth": lambda v: depth(v) > DEEPEST // 2,
}


def test_json_values_have_all_of_these():
    missing = dict(WANTED)

    def was_the_last(value):
        for name in [name for name, wanted in missing.items() if wanted(value)]:
            del missing[name]
        return not missing

    with suppress(NoSuchExample):
        find(json_values(), was_the_last, settings=QUICK)
    assert not missing


@given(json_values())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_json_values_are_never_refused(value):
    assert Job("t", [value]).arguments == [value]
    for leaf in leaves(value):
        assert type(leaf) in (type(None), bool, int, float, str)
        assert not isinstance(leaf, float) or math.isfinite(leaf)


@given(jobs())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_jobs_are_fresh(job):
    assert (job.version, job.attempt, job.fence, job.unique_key) == (0, 0, 0, None)
    assert job.state.kind in (StateKind.ENQUEUED, StateKind.SCHEDULED)
    assert Job.from_json(job.to_json()) == job


@pytest.mark.parametrize(
    "field",
    [
        *("expires_at", "retention", "on_failure", "schedule", "slot", "max_retries"),
        *("on_success", "batch", "place", "concurrency_key", "rate"),
    ],
)
def test_jobs_have_and_have_not(field):
    find(jobs(), lambda job: getattr(job, field) is not None, settings=QUICK)
    find(jobs(), lambda job: getattr(job, field) is None, settings=QUICK)


@given(st.lists(jobs(), max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_jobs_keep_back_no_other(drawn):
    keys = [key for job in drawn for key in (job.concurrency_key, job.rate_key) if key]
    assert len(keys) == len(set(keys))
    assert not any(job.waits for job in drawn)


def test_limits_can_be_replaced():
    two = {"concurrency_key": st.just("k"), "concurrency_limit": st.just(2)}
    job = find(jobs(**two), lambda job: True, settings=QUICK)
    assert (job.concurrency_key, job.concurrency_limit, job.rate) == ("k", 2, None)


def test_what_is_rare_is_rare():
    """So that most jobs are as most jobs are."""
    drawn = []

    @given(jobs())
    @settings(QUICK, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
    def draw(job):
        drawn.append(job.expires_at is None and job.on_failure is None)

    draw()
    assert len(drawn) / 2 < sum(drawn) < len(drawn)


@given(notes(), job_filters(), followups(), retentions())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_else_there_is_can_be_kept(notes, where, after, kept):
    job = Job("t", notes=notes, on_failure=after, on_success=after, retention=kept)
    assert Job.from_json(job.to_json()) == job
    assert where.passes(job, 0) in (True, False)


@given(jobs(queue=st.just("mail"), state=states([StateKind.FAILED]), unique_key=names()))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_fields_can_be_replaced(job):
    assert (job.queue, job.state.kind) == ("mail", StateKind.FAILED)
    assert job.unique_key


@pytest.mark.parametrize("kind", StateKind)
def test_states_have_every_kind(kind):
    assert find(states(), lambda state: state.kind == kind, settings=QUICK).kind == kind


@given(queue_names(), moments())
def test_names_and_moments(name, moment):
    assert name
    assert "\0" not in name
    assert moment.utcoffset().total_seconds() == 0


def test_kinds_of_states_may_be_texts():
    assert find(states("failed"), lambda state: True).kind == StateKind.FAILED
    assert find(states(["failed", StateKind.DELETED]), lambda it: it.kind == "deleted")
    with pytest.raises(ConfigurationError, match=r"'bogus'\]; give one or several of enqueued"):
        states(["bogus"])


@pytest.mark.parametrize(
    ("wrong", "why"), [({"foo": st.none()}, "no foo"), ({"queue": "mail"}, r"st.just\('mail'\)")]
)
def test_what_no_job_has_is_refused_before_any_is_drawn(wrong, why):
    with pytest.raises(ConfigurationError, match=why):
        jobs(**wrong)
