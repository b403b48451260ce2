"""Every rule of the specification matters: without it, some history made by hand is misjudged."""

import re

import pytest

from qml.testing.history import specification
from qml.testing.history.operation import UNKNOWN
from qml.testing.history.splitting import split
from tests.testing.history_tales import Tale, micros
from tests.testing.test_history_bad import BAD
from tests.testing.test_history_good import GOOD
from tests.testing.test_history_sharing import BAD as BAD_SHARING
from tests.testing.test_history_sharing import GOOD as GOOD_SHARING

RULES = dict(specification.RULES)


def told(tell):
    tale = Tale()
    tell(tale)
    return tale


def rules_of(tale):
    operations = split(tale.calls, micros(0.2))
    all_of_them = [operations.anywhere, *operations.by_job.values()]
    return {(op.verb, op.answer) for ops in all_of_them for op in ops}


def misjudged(tale, why):
    """``why`` None: the history is good."""
    verdict = tale.judge()
    if why is None:
        return bool(verdict.faults or verdict.undecided)
    return not any(re.search(why, fault) for fault in verdict.faults)


TALES = [(told(tell), why) for tell, why in BAD + BAD_SHARING]
TALES += [(told(tell), None) for tell in GOOD + GOOD_SHARING]


def refusing(rule):
    return lambda state, operation: [] if operation.answer == UNKNOWN else "no"


def allowing(rule):
    def allow(state, operation):
        after = rule(state, operation)
        return [state] if isinstance(after, str) else after

    return allow


BREAKS = [(key, refusing) for key in RULES]
BREAKS += [(key, allowing) for key in RULES if key[1] != UNKNOWN]  # what is unknown refuses nothing


@pytest.mark.parametrize(
    ("key", "broken"), BREAKS, ids=lambda part: getattr(part, "__name__", None) or "-".join(part)
)
def test_a_broken_rule_is_seen(key, broken, monkeypatch):
    monkeypatch.setitem(specification.RULES, key, broken(RULES[key]))
    concerned = [(tale, why) for tale, why in TALES if key in rules_of(tale)]
    assert any(misjudged(tale, why) for tale, why in concerned)
