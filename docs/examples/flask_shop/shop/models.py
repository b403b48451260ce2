"""What the database knows."""

from sqlalchemy.orm import Mapped, mapped_column

from .extensions import db


class Order(db.Model):  # type: ignore[name-defined,misc]
    """Somebody wants something."""

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    email: Mapped[str]
    confirmed: Mapped[bool] = mapped_column(default=False)
