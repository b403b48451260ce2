"""The long runs can be begun: each module is there and knows its flags; failures are told."""

import importlib.util
import re
import subprocess
import sys

import pytest

from tests.house.rules import REPO
from tests.proof import __main__ as proof
from tests.proof.runs import RUNS, Run


@pytest.mark.parametrize("module", sorted({run.module for run in RUNS.values()}))
def test_the_module_knows_the_flags(module):
    assert importlib.util.find_spec(module)
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for run in RUNS.values():
        for argument in run.command(1)[2:] if run.module == module else ():
            assert argument.partition("=")[0] in told


def test_the_scale_changes_the_amounts():
    assert RUNS["kills-sqlite"].command(0.01)[-1] == "--kills=20"
    assert Run("m", (), {"--n": 3}).command(0.01) == ["-m", "m", "--n=1"]


def test_it_tells_how_each_run_ended(monkeypatch, tmp_path, capsys):
    runs = {"good": Run("this"), "bad": Run("no_such_module")}
    monkeypatch.setattr(proof, "RUNS", runs)
    assert proof.main(["--folder", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert re.search(r"good +passed in", told)
    assert "Namespaces are one honking great idea" in told
    assert re.search(r"bad +FAILED \(exit code 1\)", told)
    assert "No module named" in (tmp_path / "bad.txt").read_text()
    assert proof.main(["--folder", str(tmp_path), "--only", "good"]) == 0


def test_the_page_names_each_run():
    page = (REPO / "docs" / "proof.rst").read_text(encoding="utf-8")
    for module in {run.module for run in RUNS.values()}:
        assert f"python -m {module}" in page
