"""What ``examine`` and ``verify`` say of a SQLite file and its place; they change nothing."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from qml.drivers.sqlite import SqliteDriver, examination, library, place, schema
from qml.drivers.sqlite.examination import Facts
from qml.drivers.sqlite.place import Mount, Place
from qml.seam.findings import Severity
from qml.values.config import SqliteConfig
from qml.values.errors import StorageError
from tests.drivers.making import put, row

OK, NOTE, WARNING, ERROR = Severity


def one(findings, topic):
    [finding] = [finding for finding in findings if finding.topic == topic]
    return finding


@pytest.fixture
def file(tmp_path):
    """A store with one job, that nobody has open."""
    driver = SqliteDriver(SqliteConfig(tmp_path / "jobs.db"))
    driver.install()
    put(driver, row("a"))
    driver.close()
    return tmp_path / "jobs.db"


@contextlib.contextmanager
def onlooker(file, **settings):
    driver = SqliteDriver(SqliteConfig(file, create=False, **settings))
    try:
        yield driver
    finally:
        driver.close()


def examined(file, **settings):
    with onlooker(file, **settings) as driver:
        return driver.examine()


def elsewhere(file, *statements):
    """Statements in a process of its own: two SQLites in one would not see each other's locks."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
    code += "[print(*c.execute(s).fetchall()) for s in sys.argv[2:]]; c.commit(); c.close()"
    done = subprocess.run(
        [sys.executable, "-c", code, file, *statements], check=True, capture_output=True, text=True
    )
    return done.stdout


# -- a real file -----------------------------------------------------------------------------------


def test_a_good_file_on_a_good_disk(file, monkeypatch):
    monkeypatch.setattr(library, "has_wal_reset_bug", lambda version: False)
    monkeypatch.setattr(place, "_mount", lambda folder: Mount("ext4", "/"))
    monkeypatch.setattr(place, "LITTLE_ROOM", 0)
    found = examined(file)
    assert {finding.severity for finding in found} == {OK}
    assert [finding.topic for finding in found] == [
        *("library", "journal", "durability", "schema", "space"),
        *("file system", "permissions", "room", "log"),
    ]
    assert not any(finding.remedy for finding in found)
    assert one(found, "schema").fact == f"version {schema.NEWEST}, of {schema.NEWEST} known here"
    assert one(found, "journal").fact == "write-ahead log"


def test_it_names_the_library_in_use(file):
    fact = one(examined(file), "library").fact
    assert fact.startswith(f"SQLite {library.library.sqlite_version}, ")
    whose = "Python's own" if library.library is sqlite3 else "of pysqlite3"
    assert whose in fact


def test_looking_changes_nothing(file):
    before = file.read_bytes(), os.listdir(file.parent)
    with onlooker(file) as driver:
        driver.examine()
        driver.verify()
    assert (file.read_bytes(), os.listdir(file.parent)) == before


def test_it_works_while_others_write(file):
    writer = SqliteDriver(SqliteConfig(file))
    writer._connections.write(lambda connection: None)
    connection = writer._connections._writer
    connection.execute("BEGIN IMMEDIATE")
    try:
        assert one(examined(file, busy_timeout=0.01), "journal").severity is OK
    finally:
        connection.execute("ROLLBACK")
        writer.close()


def test_another_journal_mode(file):
    assert elsewhere(file, "PRAGMA journal_mode = DELETE").strip() == "('delete',)"
    found = one(examined(file), "journal")
    assert found.severity is WARNING
    assert "is delete, not wal" in found.fact
    assert "journal_mode = wal" in found.remedy
    assert elsewhere(file, "PRAGMA journal_mode").strip() == "('delete',)"  # left as it was


def test_durability_is_what_the_url_says(file):
    assert one(examined(file), "durability").fact.startswith("full (by this URL")
    found = one(examined(file, durability="normal"), "durability")
    assert found.severity is NOTE
    assert "a power cut may take the last moments" in found.fact


def test_a_reader_that_stays_makes_the_log_long(file, monkeypatch):
    monkeypatch.setattr(place, "LONG_LOG", 200_000)
    writer = SqliteDriver(SqliteConfig(file))
    with onlooker(file) as reader:
        reader.load(["a"])
        [connection] = reader._connections._idle
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM qml_jobs").fetchall()
        put(writer, *(row(f"{n}", payload="x" * 1_000) for n in range(500)))
        found = one(writer.examine(), "log")
        assert found.severity is WARNING
        assert "find who keeps a read transaction open" in found.remedy
        connection.execute("ROLLBACK")
    writer.close()
    assert one(examined(file), "log") == (OK, "log", "the write-ahead log has 0 B", "")


def test_a_file_that_is_mostly_free(file, monkeypatch):
    monkeypatch.setattr(examination, "WORTH_IT", 100_000)
    driver = SqliteDriver(SqliteConfig(file))
    put(driver, *(row(f"{n}", payload="x" * 1_000) for n in range(500)))
    assert one(driver.examine(), "space").severity is OK
    driver.erase([f"{n}" for n in range(500)], 500)
    found = one(driver.examine(), "space")
    driver.close()
    assert found.severity is NOTE
    assert "VACUUM" in found.remedy


def test_a_damaged_file_is_found_when_all_of_it_is_read(file):
    driver = SqliteDriver(SqliteConfig(file))
    put(driver, *(row(f"{n}", payload="x" * 1_000) for n in range(500)))
    driver.close()
    with onlooker(file) as driver:
        assert driver.verify() == [
            (OK, "structure", "SQLite finds the file whole (quick_check)", ""),
        ]
    with file.open("r+b") as damaged:  # nobody has it open
        damaged.seek(file.stat().st_size // 2)
        damaged.write(os.urandom(100_000))
    with onlooker(file) as driver:
        [found] = driver.verify()
        assert (found.severity, found.topic) == (ERROR, "structure")
        assert "damaged: " in found.fact
        assert "backup" in found.remedy


def test_what_is_no_sqlite_file_any_more_is_an_error_of_qml(file):
    file.write_bytes(b"no database" * 1_000)
    with onlooker(file) as driver, pytest.raises(StorageError, match="damaged or no SQLite file"):
        driver.examine()


# -- its place -------------------------------------------------------------------------------------


@pytest.fixture
def as_nobody():
    """Acts as a user without privileges, when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65_534)
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def open_folder():
    """A folder that everybody may reach, as pytest's own may not be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def test_what_may_not_be_written_is_named(open_folder, request):
    file = open_folder / "jobs.db"
    for suffix, mode in (("", 0o444), ("-wal", 0o666), ("-shm", 0o444)):
        Path(f"{file}{suffix}").touch()
        Path(f"{file}{suffix}").chmod(mode)
    open_folder.chmod(0o555)
    request.getfixturevalue("as_nobody")
    assert place.look(file).read_only == (str(open_folder), str(file), f"{file}-shm")


def test_a_folder_that_may_not_be_entered(open_folder, request):
    open_folder.chmod(0o222)
    request.getfixturevalue("as_nobody")
    assert place.look(open_folder / "jobs.db").read_only == (str(open_folder),)


def test_what_may_be_written(file):
    assert place.look(file).read_only == ()


def test_the_place_of_a_file_that_is_not_there(tmp_path):
    found = place.look(tmp_path / "no.db")
    assert (found.log, found.read_only) == (0, ())
    assert found.free > 0
    assert place.look(tmp_path / "no" / "no.db") is None


def test_a_link_is_followed(file, tmp_path):
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(file)
    Path(f"{file}-wal").write_bytes(b"x" * 1_234)
    found = place.look(link)
    assert (found.file, found.log) == (file, 1_234)


def test_the_room_is_what_the_system_says(file, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(place.shutil, "disk_usage", lambda folder: Usage(10, 9, 1))
    assert one(examined(file), "room").severity is ERROR


MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:30 / /srv rw - xfs /dev/sdb rw
31 30 0:31 / /srv/share rw master:2 - autofs systemd-1 rw
32 31 0:32 /export /srv/share rw - nfs4 server:/export rw,vers=4.2
33 30 0:33 / /srv/with\040space rw - fuse.sshfs me@host:/ rw
34 27 0:34 / /srv/share/local rw - btrfs /dev/sdc rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "mount"),
    [
        ("/", ("ext4", "/")),
        ("/home/me", ("ext4", "/")),
        ("/srv", ("xfs", "/srv")),
        ("/srv/app", ("xfs", "/srv")),
        ("/srvapp", ("ext4", "/")),
        ("/srv/share", ("nfs4", "/srv/share")),  # the later one hides the first
        ("/srv/share/a/b", ("nfs4", "/srv/share")),
        ("/srv/share/local/a", ("btrfs", "/srv/share/local")),
        ("/srv/with space/a", ("fuse.sshfs", "/srv/with space")),
    ],
)
def test_the_mount_of_a_folder(folder, mount):
    assert place.mount_of(folder, MOUNTS) == mount


def test_no_table_of_mounts():
    assert place.mount_of("/", "") is None


def test_only_linux_tells():
    known = {place._mount(folder) for folder in ("/", "/proc")}
    if sys.platform == "linux":
        assert {mount.point for mount in known} == {"/", "/proc"}
        assert Mount("proc", "/proc") in known
    else:
        assert known == {None}


# -- weighed ---------------------------------------------------------------------------------------

GOOD = Place(Path("/srv/jobs.db"), Mount("ext4", "/"), free=10**12, log=0, read_only=())


def weighed(**changes):
    return place.judge(GOOD._replace(**changes))


@pytest.mark.parametrize(
    ("kind", "severity", "said"),
    [
        *((kind, ERROR, f"/x is a network file system ({kind})") for kind in place.NETWORKS),
        ("tmpfs", WARNING, "gone when the machine restarts"),
        ("overlay", WARNING, "gone with the container"),
        ("fuse.mergerfs", WARNING, "in user space (fuse.mergerfs)"),
        ("ext4", OK, "ext4 at /x"),
        ("xfs", OK, "xfs at /x"),
        ("btrfs", OK, "btrfs at /x"),
        ("zfs", OK, "zfs at /x"),
        ("fuseblk", OK, "fuseblk at /x"),
    ],
)
def test_file_systems(kind, severity, said):
    found = one(weighed(mount=Mount(kind, "/x")), "file system")
    assert found.severity is severity
    assert said in found.fact
    assert bool(found.remedy) == bool(severity)


def test_the_networks_that_every_administrator_knows():
    assert {"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse.sshfs"} <= set(place.NETWORKS)


def test_a_system_that_does_not_tell_is_not_blamed():
    assert [f.topic for f in weighed(mount=None)] == ["permissions", "room", "log"]


def test_permissions():
    found = one(weighed(read_only=("/srv", "/srv/jobs.db")), "permissions")
    assert found.severity is ERROR
    assert found.fact == "whoever runs this may not write /srv, /srv/jobs.db"
    assert found.remedy


@pytest.mark.parametrize(
    ("free", "severity"),
    [
        (500_000_000, OK),
        (499_999_999, WARNING),
        (20_000_000, WARNING),
        (19_999_999, ERROR),
        (0, ERROR),
    ],
)
def test_room(free, severity):
    found = one(weighed(free=free), "room")
    assert found.severity is severity
    assert bool(found.remedy) == bool(severity)


@pytest.mark.parametrize(("log", "severity"), [(100_000_000, OK), (100_000_001, WARNING)])
def test_the_log(log, severity):
    assert one(weighed(log=log), "log").severity is severity


FACTS = Facts(
    library="sqlite3",
    version=(3, 53, 4),
    durability="full",
    schema=1,
    journal_mode="wal",
    page_size=4096,
    pages=100_000,
    free_pages=0,
)


@pytest.mark.parametrize(
    ("name", "version", "severity", "said"),
    [
        ("sqlite3", (3, 40, 1), WARNING, "SQLite 3.40.1, Python's own: it can, rarely, damage"),
        ("pysqlite3", (3, 51, 2), WARNING, "SQLite 3.51.2, of pysqlite3: it can, rarely, damage"),
        ("sqlite3", (3, 51, 3), OK, "SQLite 3.51.3, Python's own"),
        ("pysqlite3", (3, 50, 7), OK, "SQLite 3.50.7, of pysqlite3"),
    ],
)
def test_the_fault_of_the_library(name, version, severity, said):
    found = one(examination.judge(FACTS._replace(library=name, version=version)), "library")
    assert found.severity is severity
    assert found.fact.startswith(said)
    assert ("pip install 'queue-me-later[sqlite]'" in found.remedy) == bool(severity)


@pytest.mark.parametrize(
    ("pages", "free", "severity"),
    [
        (100_000, 50_000, OK),
        (100_000, 50_001, NOTE),
        (24_000, 23_999, OK),  # 98 MB
        (25_000, 24_999, NOTE),
    ],
)
def test_free_pages(pages, free, severity):
    found = one(examination.judge(FACTS._replace(pages=pages, free_pages=free)), "space")
    assert found.severity is severity
