"""Which app ``module:attribute`` names, and what stands in the way of it."""

import itertools
import sys

import pytest

from qml import ConfigurationError, Qml
from qml.cli.loading import load_app

numbers = itertools.count()


@pytest.fixture
def module(folder, monkeypatch):
    """``module("text")``: a fresh module in the current folder; its name."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    made = []

    def make(text, name=None):
        name = name or f"loaded_{next(numbers)}"
        file = folder / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        made.append(name)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)


def refusal(target):
    with pytest.raises(ConfigurationError) as caught:
        load_app(target)
    text = str(caught.value)
    assert "\n" not in text
    return text


ONE = "from qml import Qml\njobs = Qml('memory://')\n"


def test_by_attribute(module):
    name = module(ONE)
    found, app = load_app(f"{name}:jobs")
    assert (found, type(app)) == (f"{name}:jobs", Qml)
    assert app is sys.modules[name].jobs


def test_the_only_one(module):
    name = module(ONE + "also = jobs\n")
    assert load_app(name)[0] == f"{name}:jobs"


def test_an_attribute_of_an_attribute(module):
    name = module("from qml import Qml\nclass Site: jobs = Qml('memory://')\n")
    assert load_app(f"{name}:Site.jobs")[1] is sys.modules[name].Site.jobs


def test_a_module_of_a_package(module):
    module("", "box_a.__init__")
    name = module(ONE, "box_a.app")
    assert load_app("box_a.app:jobs")[1] is sys.modules[name].jobs


def test_a_file(module, folder):
    name = module(ONE, "files/loaded_file")
    sys.modules.pop(name, None)
    found, _ = load_app("files/loaded_file.py:jobs")
    assert found == "loaded_file:jobs"
    del sys.modules["loaded_file"]


def test_a_file_that_is_not_there(folder):
    assert f"there is no file {folder / 'json.py'}" in refusal("json.py:jobs")


def test_a_file_of_a_package(module):
    module("", "box_b.__init__")
    module(ONE, "box_b.app")
    assert "dotted name" in refusal("box_b/app.py:jobs")


def test_none(module):
    name = module("x = 1\n")
    assert f"{name}.py) holds no Qml" in refusal(name)


def test_several(module):
    name = module(ONE + "more = Qml('memory://')\n")
    assert f"say which: {name}:jobs, {name}:more" in refusal(name)


def test_a_wrong_attribute(module):
    name = module(ONE)
    assert "has no job; the Qml there: jobs" in refusal(f"{name}:job")


def test_an_attribute_that_is_no_app(module):
    name = module(ONE + "text = 'x'\n")
    assert "is of type str, not a Qml; the Qml there: jobs" in refusal(f"{name}:text")


@pytest.mark.parametrize("target", ["", ":jobs", "a b", "a..b", "a/b", "sqlite:///jobs.db"])
def test_no_name_at_all(folder, target):
    assert "is no module's name" in refusal(target)


def test_no_such_module(folder):
    text = refusal("nowhere_at_all:jobs")
    assert f"there is no module nowhere_at_all in {folder}" in text
    assert "PYTHONPATH" in text


def test_no_such_module_in_a_package(module):
    module("", "box_c.__init__")
    assert "there is no module box_c.app" in refusal("box_c.app:jobs")


def test_a_library_that_is_missing(module, folder):
    name = module("import qml\n\nimport not_installed_here\n")
    text = refusal(name)
    assert f"module {name} cannot be imported: ModuleNotFoundError" in text
    assert f"({folder / name}.py, line 3); install it" in text
    assert sys.executable in text


def test_the_cause_in_another_module(module, folder):
    inner = module("def f():\n    import json\n    json.loads('{')\nf()\n")
    name = module(f"import {inner}\n")
    text = refusal(name)
    assert "JSONDecodeError" in text
    assert f"({folder / inner}.py, line 3)" in text


def test_a_syntax_error(module, folder):
    name = module("x = 1\ndef f(:\n    pass\n")
    text = refusal(name)
    assert "SyntaxError" in text
    assert f"({folder / name}.py, line 2)" in text


def test_the_place_is_in_the_app_and_not_in_qml(module, folder):
    name = module("from qml import Qml\njobs = Qml('nosuch://')\n")
    assert f"({folder / name}.py, line 2)" in refusal(name)


def test_a_script_without_a_guard(module):
    name = module("import sys\nsys.exit(3)\n")
    text = refusal(name)
    assert "SystemExit: 3" in text
    assert "line 2" in text
    assert "__main__" in text


def test_modules_that_import_each_other(module):
    module("import loaded_b\nx = 1\n", "loaded_a")
    module("from loaded_a import x\n", "loaded_b")
    text = refusal("loaded_a")
    assert "ImportError" in text
    assert "loaded_b.py, line 1); two modules import each other" in text


def test_a_name_that_a_circular_import_lacks(module):
    module("import loaded_d\nx = 1\n", "loaded_c")
    module("import loaded_c\nloaded_c.x\n", "loaded_d")
    assert "two modules import each other" in refusal("loaded_c")


def test_a_relative_import_at_the_top(module):
    name = module("from . import other\n")
    assert "give its dotted name, such as pkg.module" in refusal(name)


FACTORY = "from qml import Qml\ndef create_app(*a, **k): return Qml('memory://')\n"


def test_a_factory_that_is_not_called(module):
    name = module(FACTORY)
    text = refusal(f"{name}:create_app")
    assert f"call it: {name}:create_app()" in text
    assert f"flask --app {name} qml run" in text


@pytest.mark.parametrize("call", ["create_app()", "create_app('x', y=1)"])
def test_a_factory(module, call):
    name = module(FACTORY)
    found, app = load_app(f"{name}:{call}")
    assert found == f"{name}:{call}"
    assert isinstance(app, Qml)


def test_a_factory_that_is_called_with_what_it_does_not_take(module):
    name = module("def create_app(): ...\n")
    text = refusal(f"{name}:create_app(1)")
    assert f"{name}:create_app(1) fails: TypeError: " in text
    assert "(before its first line)" in text
