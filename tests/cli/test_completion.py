"""``qml completion``: what a real bash completes, and that the others' scripts name the same."""

import shutil
import subprocess

import pytest

from qml.cli.completion import SHELLS, words_of
from qml.cli.parser import make_parser


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """``completed("qml", "jobs", "li")``: what bash offers for the last word."""
    bash = shutil.which("bash")
    assert bash, "this test runs bash: install it"
    script = tmp_path_factory.mktemp("completion") / "qml.bash"
    script.write_text(SHELLS["bash"](list(words_of(make_parser()))))

    def complete(*words):
        code = (
            'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _qml; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        command = [bash, "--norc", "-uc", code, "bash", str(script), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return complete


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (["jo"], ["jobs"]),
        (["jobs", "c"], ["cancel"]),
        (["jobs", "list", "--sta"], ["--state"]),
        (["jobs", "list", "--state", "f"], ["failed"]),
        (["jobs", "list", "--state", "=", "f"], ["failed"]),
        (["jobs", "list", "--state", "failed", "--off"], ["--offset"]),
        (["schedules", "--url", "x", "tr"], ["trigger"]),
        (["schedules", "add", "a", "b", "--catch-up", ""], ["one", "all", "none"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["run", "--reload", "--thr"], ["--threads"]),
        (["run", "--threads", ""], []),
        (["run", ""], []),  # files
        (["run", "jobs", "li"], []),
        (["jobs", "li", "x"], []),
    ],
)
def test_what_bash_completes(completed, line, found):
    assert completed("qml", *line) == found


def test_every_command_of_qml(completed):
    assert {"run", "stats", "jobs", "queues", "doctor", "bench"} <= set(completed("qml", ""))


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_each_script_has_every_command_and_flag(qml, shell):
    called = qml("completion", shell)
    assert called.code == 0
    assert called.out.isascii()
    for words in words_of(make_parser()):
        assert words.path in called.out
        for flag in words.flags:
            assert (f"-l {flag.name[2:]} " if shell == "fish" else flag.name) in called.out


def test_no_shell(qml):
    assert qml("completion").code == 2
    assert qml("completion", "tcsh").code == 2
