"""ruff, mypy and import-linter are content, and each would say so if it were not."""

import shutil
import subprocess
import sys

import pytest

from tests.house.rules import REPO

TOOLS = {
    "ruff check": ["-m", "ruff", "check"],
    "ruff format": ["-m", "ruff", "format", "--check"],
    "mypy": ["-m", "mypy"],
    # It has no `python -m`.
    "lint-imports": [
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-logo",
    ],
}


def run(tool, root):
    return subprocess.run(
        [sys.executable, *TOOLS[tool]], cwd=root, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tool_is_content(tool):
    done = run(tool, REPO)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("tool", "file", "text", "complaint"),
    [
        ("ruff check", "values/x.py", '"""X."""\nimport os\n', "F401"),
        ("ruff check", "values/x.py", '"""X."""\ndef f(): ...\n', "D103"),
        (
            "ruff check",
            "values/x.py",
            '"""X."""\nclass A:\n    """A."""\n    def m(self): 1\n',
            "D102",
        ),
        ("ruff format", "values/x.py", "x=1\n", "would be reformatted"),
        ("mypy", "values/x.py", "def f(x): return x\n", "no-untyped-def"),
        ("lint-imports", "values/x.py", "import qml.work\n", "not allowed to import qml.work"),
        ("lint-imports", "seam/x.py", "from ..drivers import y\n", "not allowed to import"),
        ("lint-imports", "stray.py", "", "stray"),
    ],
)
def test_the_tool_complains(tool, file, text, complaint, tmp_path):
    for settings in ("setup.cfg", "ruff.toml"):
        shutil.copy(REPO / settings, tmp_path)
    for floor in ("", "values", "seam", "drivers", "work"):
        (tmp_path / "qml" / floor).mkdir()
        (tmp_path / "qml" / floor / "__init__.py").write_text('"""A floor."""\n')
    (tmp_path / "qml/drivers/y.py").touch()
    (tmp_path / "qml" / file).write_text(text)
    done = run(tool, tmp_path)
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr
