"""Arguments in, exit code out; every error is a sentence."""

import os
import subprocess
import sys

import pytest

import qml as library
from qml.cli import codes, entry, jobs
from qml.values import errors
from tests.cli.calls import ended


def test_the_help_names_commands_and_exit_codes(qml):
    called = qml("--help")
    assert called.code == 0
    for word in ("run", "stats", "jobs", "demo"):
        assert f"\n    {word}" in called.out
    for code, meaning in codes.MEANING.items():
        assert f"{code:<4} {meaning}" in called.out


@pytest.mark.parametrize("command", ["run", "stats", "jobs", "demo", "jobs list", "jobs cancel"])
def test_every_command_has_help_that_fits_a_terminal(qml, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    called = qml(*command.split(), "--help")
    assert called.code == 0
    assert max(map(len, called.out.splitlines())) <= 80


def test_the_codes_are_stable():
    named = (codes.DONE, codes.FAILED, codes.USAGE, codes.UNAVAILABLE, codes.LEFT_OVER)
    assert named == (0, 1, 2, 3, 4)
    assert (codes.WARNED, codes.BROKEN, codes.RETIRED) == (5, 6, 7)
    assert (codes.INTERRUPTED, codes.NO_READER) == (130, 141)


def test_the_version(qml):
    assert qml("--version").out == f"qml {library.__version__}\n"


def test_the_module_is_the_command(start):
    called = ended(start("--version"))
    assert (called.code, called.out) == (0, f"qml {library.__version__}\n")


@pytest.mark.parametrize(
    "argv",
    [(), ("jobs",), ("jobs", "show"), ("nope",), ("run", "--nope"), ("run", "--thread", "3", "a")],
)
def test_wrong_usage(qml, argv):
    called = qml(*argv)
    assert called.code == 2
    assert "usage: qml" in called.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("x"), 2),
        (errors.StorageUnavailable("x"), 3),
        (errors.StorageUnavailable("x", job_id="1"), 3),
        (errors.MigrationError("x"), 3),
        (errors.StorageError("damaged"), 3),
        (errors.JobNotFound("x", job_id="1"), 1),
        (errors.InvalidTransition("x", job_id="1"), 1),
    ],
)
def test_an_error_is_a_sentence_and_a_code(qml, monkeypatch, error, code):
    def fail(arguments):
        raise error

    monkeypatch.setattr(jobs, "show", fail)
    called = qml("jobs", "show", "1")
    assert called.code == code
    assert called.err == f"qml: {error}\n"
    assert called.out == ""


def test_ctrl_c_is_no_traceback(qml, monkeypatch):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "show", interrupt)
    called = qml("jobs", "show", "1")
    assert (called.code, called.err) == (130, "qml: interrupted\n")


def test_ctrl_c_while_it_is_imported_is_no_traceback(monkeypatch, capsys):
    class Interrupted:
        def find_spec(self, name, path=None, target=None):
            if name == entry.__name__:
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, entry.__name__)
    monkeypatch.delattr(library.cli, "entry")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    assert library.cli.main(["jobs", "list"]) == 130
    assert capsys.readouterr().err == "qml: interrupted\n"


def test_a_fault_of_qml_itself_is_not_hidden(monkeypatch):
    monkeypatch.setattr(jobs, "show", lambda arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        entry.main(["jobs", "show", "1"])


def test_a_reader_that_goes_away_is_no_traceback(app, start):
    app.enqueue_many([library.Job("m", ["x" * 200]) for _ in range(1_000)])
    process = start("jobs", "list", "--limit", 1000, "--json", "--url", "sqlite:///jobs.db")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == ""


def test_output_survives_a_terminal_without_unicode(app, start):
    app.enqueue(library.Job("tâche.漢字"))
    list_jobs = ("jobs", "list", "--url", "sqlite:///jobs.db")
    called = ended(start(*list_jobs, env={"PYTHONIOENCODING": "ascii"}))
    assert called.code == 0
    assert r"t\xe2che.\u6f22\u5b57" in called.out


def test_no_library_is_loaded_before_it_is_needed():
    probe = "import sys, qml.cli; print('sqlite3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def closed_output():
    os.close(1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_a_sentence(app, folder):
    app.enqueue(library.Job("m"))
    command = [sys.executable, "-m", "qml", "jobs", "list", "--url", "sqlite:///jobs.db"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("qml: what was to be printed cannot be written: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no preexec_fn there")
def test_without_an_output_there_is_no_traceback(app, folder):
    app.enqueue(library.Job("m"))
    command = [sys.executable, "-m", "qml", "jobs", "list", "--url", "sqlite:///jobs.db"]
    done = subprocess.run(
        command, check=False, preexec_fn=closed_output, stderr=subprocess.PIPE, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
