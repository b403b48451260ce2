"""A table of a Flask app's own, with SQLAlchemy, beside the jobs."""

import contextlib

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@contextlib.contextmanager
def database(app):
    """Its tables are there, and its context is that of the app."""
    db = SQLAlchemy(app, model_class=Base)
    with app.app_context():
        db.create_all()
        yield db
        db.session.remove()
        db.engine.dispose()
