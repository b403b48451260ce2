"""An app for each test, with a database of its own; mails are kept."""

import smtplib

import pytest
from shop import create_app
from shop.extensions import db, jobs


@pytest.fixture
def app(tmp_path):
    app = create_app(TESTING=True, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/shop.db")
    yield app
    with app.app_context():
        jobs.close()
        db.engine.dispose()


@pytest.fixture
def outbox(monkeypatch):
    mails = []

    class Kept:
        def __init__(self, host):
            self.host = host

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def send_message(self, mail):
            mails.append(mail)

    monkeypatch.setattr(smtplib, "SMTP", Kept)
    return mails
