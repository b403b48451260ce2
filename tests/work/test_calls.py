"""Arguments fit a function, or not, as ``inspect`` says."""

import inspect

import pytest

from qml import InvalidArguments
from qml.work.calls import Calls


def test_a_call_that_does_not_fit_is_told_in_inspects_words():
    def send(to: str, subject: str = "hello") -> None: ...

    calls = Calls("mail.send", send)
    assert calls.bound(("ada",), {}).arguments == {"to": "ada"}
    with pytest.raises(InvalidArguments) as refused:
        calls.bound((), {"subject": "hi"})
    said = f"mail.send{inspect.signature(send)}: missing a required argument: 'to'"
    assert str(refused.value) == said


def test_a_call_that_fits_lets_no_other_pass():
    def send(to: str, subject: str = "hello", *, urgent: bool = False) -> None: ...

    calls = Calls("mail.send", send)
    good = [(("ada",), {}), (("ada", "hi"), {}), (("ada",), {"urgent": True}), ((), {"to": "ada"})]
    bad = [((), {}), (("a", "b", "c"), {}), (("ada",), {"to": "eve"}), (("ada",), {"cc": "eve"})]
    for fitting in good:
        for _ in range(2):
            calls.check(*fitting)
        for call in bad:
            with pytest.raises(InvalidArguments):
                calls.check(*call)
        calls.check(*fitting)
