"""Orders by HTTP."""

from typing import Any

from flask import Blueprint, request

from .extensions import db
from .models import Order
from .tasks import confirm

orders = Blueprint("orders", __name__, url_prefix="/orders")


@orders.post("/")
def create() -> tuple[dict[str, Any], int]:
    """Take an order. Either both are there afterwards, the order and the job, or neither."""
    order = Order(item=request.form["item"], email=request.form["email"])
    db.session.add(order)
    db.session.flush()  # gives it its id
    job = confirm.using(connection=db.session).enqueue(order.id)
    db.session.commit()
    return {"order": order.id, "job": job.id}, 201


@orders.get("/<int:order_id>")
def show(order_id: int) -> dict[str, Any]:
    """One order."""
    order = db.get_or_404(Order, order_id)
    return {"item": order.item, "confirmed": order.confirmed}
