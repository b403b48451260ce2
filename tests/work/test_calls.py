"""Arguments fit a function, or not, exactly as Python and ``inspect`` say."""

import inspect
from inspect import Parameter, Signature

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qml import InvalidArguments
from qml.work.calls import Calls, binder

NAMES = ("a", "b", "c", "self", "defaults", "locals", "dict", "_", "__a", "é")
KINDS = (
    *(Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL),
    *(Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD),
)
VARIOUS = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@st.composite
def signatures(draw):
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), max_size=5)))
    kinds = [kind for n, kind in enumerate(kinds) if kind not in VARIOUS or kind not in kinds[:n]]
    names = draw(st.lists(st.sampled_from(NAMES), min_size=len(kinds), unique=True))
    made, optional = [], False
    for name, kind in zip(names, kinds, strict=False):
        default = Parameter.empty
        if kind not in VARIOUS:
            must = optional and kind < Parameter.VAR_POSITIONAL
            if must or draw(st.booleans()):
                default = draw(st.sampled_from([None, 0, "x'\n", [], float("nan"), object()]))
                optional = optional or kind < Parameter.VAR_POSITIONAL
        made.append(Parameter(name, kind, default=default, annotation="a: note"))
    return Signature(made, return_annotation="-> another")


CALLS = st.tuples(
    st.lists(st.integers(), max_size=4), st.dictionaries(st.sampled_from(NAMES), st.integers())
)


@given(signatures(), CALLS)
def test_a_call_is_bound_as_inspect_binds_it(signature, call):
    args, kwargs = call
    for name, parameter in signature.parameters.items():
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            kwargs.pop(name, None)  # Python gives it to **kwargs, as inspect does from 3.13 on
    bind = binder(signature)
    try:
        wanted = signature.bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            bind(*args, **kwargs)
        return
    wanted.apply_defaults()
    found = bind(*args, **kwargs)
    assert list(found) == list(wanted.arguments)
    for name, value in wanted.arguments.items():
        default = signature.parameters[name].default
        assert found[name] is default if value is default else found[name] == value


def test_a_call_that_does_not_fit_is_told_in_inspects_words():
    def send(to: str, subject: str = "hello") -> None: ...

    calls = Calls("mail.send", send)
    assert calls.bound(("ada",), {}) == {"to": "ada", "subject": "hello"}
    with pytest.raises(InvalidArguments) as refused:
        calls.bound((), {"subject": "hi"})
    said = f"mail.send{inspect.signature(send)}: missing a required argument: 'to'"
    assert str(refused.value) == said


def test_a_name_that_is_positional_only_may_be_given_to_the_others():
    def f(a, /, **more): ...

    assert Calls("t", f).bound((1,), {"a": 2}) == {"a": 1, "more": {"a": 2}}
