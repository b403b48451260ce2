"""A dashboard in a factory: each app shows its own store."""

from qml.web import dashboard, looks

TOKEN = "16 characters or more"


def test_each_app_shows_its_own_store(jobs, make_app):
    task = jobs.task(name="greet")(lambda name: name)
    for name in ("ada", "bob"):
        app = make_app(jobs, name, QML_URL="memory://")
        app.register_blueprint(dashboard(jobs, token=TOKEN), url_prefix="/qml")
        with app.app_context():
            job = task.enqueue(name)
        client = app.test_client()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("/qml/", f"/qml/job?id={job.id}"):
            answer = client.get(path, headers=headers, follow_redirects=True)
            assert answer.status_code == 200, path
        assert job.id in answer.text
        assert client.get("/qml/").status_code in {302, 401, 403}


def test_one_blueprint_shows_each_app_its_own_store(jobs, make_app, monkeypatch):
    monkeypatch.setattr(looks, "SOON", 20.0)  # what is asked for behind is there, too
    task = jobs.task(name="greet")(lambda number: number)
    blueprint = dashboard(jobs, token=TOKEN)
    for number in (3, 1):
        app = make_app(jobs, QML_URL="memory://")
        app.register_blueprint(blueprint, url_prefix="/qml")
        with app.app_context(), jobs.batch("all") as batch:
            for value in range(number):
                task.using(batch=batch.name).enqueue(value)
        page = app.test_client().get("/qml/batches", headers={"Authorization": f"Bearer {TOKEN}"})
        assert page.status_code == 200, page.text
        assert f'<td class="num mid">{number}</td>' in page.text
