"""What the app's parts share: each is made once, and given its apps by ``init_app``."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from qml import RetryPolicy
from qml.flask import QmlFlask


class Base(DeclarativeBase):
    """Of all models."""


db = SQLAlchemy(model_class=Base)
jobs = QmlFlask(retry=RetryPolicy(max_retries=5))
