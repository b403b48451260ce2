"""The shop, with its jobs run by the test."""

import pytest
from shop.extensions import db, jobs
from shop.models import Order
from shop.tasks import confirm, report
from sqlalchemy.exc import NoResultFound

from qml.testing import assert_enqueued, drain

FORM = {"item": "tea", "email": "ada@example.com"}


def test_an_order_is_confirmed(app, outbox):
    with app.app_context():
        client = app.test_client()
        answer = client.post("/orders/", data=FORM)
        assert answer.status_code == 201
        assert outbox == []  # not yet: the request only wrote it down

        drain(jobs)
        [mail] = outbox
        assert mail["To"] == "ada@example.com"
        assert "http://localhost:5000/orders/1" in mail.get_content()
        assert client.get("/orders/1").json == {"item": "tea", "confirmed": True}


def test_no_order_no_job(app, outbox):
    with app.app_context():
        db.session.add(Order(**FORM))
        db.session.flush()
        confirm.using(connection=db.session).enqueue(1)
        db.session.rollback()
        assert len(drain(jobs)) == 0
        assert outbox == []


def test_it_is_enqueued(app):
    with app.app_context():
        app.test_client().post("/orders/", data=FORM)
        assert_enqueued(jobs, confirm, args=[1])


def test_what_a_task_raises_is_raised_by_drain(app, outbox):
    with app.app_context():
        confirm.enqueue(404)
        with pytest.raises(NoResultFound):
            drain(jobs)


def test_the_report_counts_the_orders(app, outbox):
    with app.app_context():
        app.test_client().post("/orders/", data=FORM)
        job = report.enqueue()
        drain(jobs)
        assert jobs.result(job) == 1
        assert outbox[-1].get_content() == "There are 1 orders.\n"
