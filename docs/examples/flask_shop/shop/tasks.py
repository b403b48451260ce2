"""What is done later: each task runs in an app context of its own."""

import smtplib
from email.message import EmailMessage

from flask import current_app, url_for
from sqlalchemy import func, select

from .extensions import db, jobs
from .models import Order


@jobs.task(queue="mail", timeout_seconds=30)
def confirm(order_id: int) -> None:
    """Mail that an order has arrived."""
    order = db.session.get_one(Order, order_id)
    if order.confirmed:  # a job may run again, when its server was killed at the wrong moment
        return
    link = url_for("orders.show", order_id=order.id)
    send_mail(order.email, "Your order", f"We have your order of {order.item}: {link}")
    order.confirmed = True
    db.session.commit()


@jobs.cron("0 7 * * 1-5", timezone="Europe/Berlin")
@jobs.task
def report() -> int:
    """Each working day: how many orders there are."""
    number = db.session.scalar(select(func.count(Order.id))) or 0
    send_mail("owner@shop.example", "Orders", f"There are {number} orders.")
    return number


def send_mail(to: str, subject: str, text: str) -> None:
    """Hand a mail to the mail server."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@shop.example", to, subject
    mail.set_content(text)
    with smtplib.SMTP(current_app.config["MAIL_HOST"]) as server:
        server.send_message(mail)
