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
