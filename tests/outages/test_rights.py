"""A login that is taken away while a server runs, and given back: the server waits, and goes on."""

import pytest

from qml import StorageError
from tests.work.support import eventually

from .stores import Store, administrate
from .tasks import SOON, Log, Site

PREPARE = {
    "postgres": ["CREATE ROLE worker LOGIN", "GRANT CREATE ON DATABASE postgres TO worker"],
    "redis": ["ACL SETUSER worker on nopass ~* &* +@all"],
}
TAKE = {
    "postgres": [
        "ALTER TABLE qml.qml_jobs OWNER TO postgres",
        "REVOKE ALL ON qml.qml_jobs FROM worker",
        "GRANT SELECT ON qml.qml_jobs TO worker",
    ],
    "redis": ["ACL SETUSER worker -@write"],
}
GIVE = {
    "postgres": ["ALTER TABLE qml.qml_jobs OWNER TO worker"],
    "redis": ["ACL SETUSER worker +@all"],
}


@pytest.fixture
def site(kind, server):
    administrate(server.url, *PREPARE[kind])
    scheme, _, address = server.url.partition("://")
    url = f"{scheme}://worker{':x' if kind == 'redis' else ''}@{address.rpartition('@')[2]}"
    with Store(kind, url).open(retry=SOON) as storage:
        yield Site(storage)


def test_a_right_that_is_taken_away_and_given_back(kind, server, site):
    held = site.hold("across")
    with Log() as log, site.app.server(threads=2, poll_interval=0.1) as running:
        site.gates["across"].someone_waits()
        administrate(server.url, *TAKE[kind])
        with pytest.raises(StorageError):
            site.note.enqueue(1)
        site.open_gates()
        eventually(lambda: site.line.failed["swap"])
        administrate(server.url, *GIVE[kind])
        assert site.done(held, site.note.enqueue(2)) == ["across", 2]
        assert all(thread.is_alive() for thread in running._started)
    assert site.runs == {"across": 1, 2: 1}
    assert not any(record.exc_info for record in log.records)
