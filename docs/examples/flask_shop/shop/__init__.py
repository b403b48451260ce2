"""A small shop: orders come by HTTP, and jobs do what takes time."""

from typing import Any

from flask import Flask

from . import tasks  # noqa: F401 - the tasks are known once their module is imported
from .extensions import db, jobs
from .orders import orders


def create_app(**config: Any) -> Flask:
    """The app; keywords are configuration, for tests."""
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI="sqlite:///shop.db",
        MAIL_HOST="localhost",
        SERVER_NAME="localhost:5000",
    )
    app.config.from_prefixed_env()
    app.config.update(config)
    # Jobs and orders in one database, so that one transaction can hold both.
    app.config.setdefault("QML_URL", app.config["SQLALCHEMY_DATABASE_URI"])

    db.init_app(app)
    jobs.init_app(app)
    app.register_blueprint(orders)
    with app.app_context():
        db.create_all()
        jobs.create_all()
    return app
