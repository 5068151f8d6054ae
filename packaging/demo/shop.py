"""The demo's Celery application: a small web shop. Mostly fine, sometimes not, as shops are."""
import os
import random
import time

import psycopg2
from celery import Celery, chain
from celery.exceptions import Reject

app = Celery("shop", broker=os.environ["DEMO_REDIS"], backend=os.environ["DEMO_REDIS"])
app.conf.update(
    task_default_queue="web",
    task_routes={"reports.*": {"queue": "batch"}, "mail.newsletter": {"queue": "batch"}},
    task_send_sent_event=True,
    worker_send_task_events=True,
    result_expires=300,
    worker_prefetch_multiplier=2,
    broker_connection_retry_on_startup=True,
)


class PaymentDeclined(Exception):
    """The bank said no."""


class StockError(ValueError):
    """Fewer pieces than sold."""


def trouble():
    """Share of extra failures now, set by the load generator: the shop has its bad minutes."""
    try:
        with open(os.path.join(os.environ["DEMO_DIR"], "trouble"), encoding="ascii") as f:
            return float(f.read() or 0)
    except (OSError, ValueError):
        return 0.0


def database():
    return psycopg2.connect(os.environ["DEMO_POSTGRES"])


@app.task(name="orders.place")
def place_order(customer, items):
    """Fast: a few milliseconds of database work."""
    with database() as db, db.cursor() as cursor:
        cursor.execute("INSERT INTO orders (customer, total) VALUES (%s, %s) RETURNING id", (customer, 10 * len(items)))
        return {"order": cursor.fetchone()[0], "items": items}


def ask_bank(order, amount):
    time.sleep(random.uniform(0.02, 0.12))
    if random.random() < 0.03 + trouble():
        raise PaymentDeclined(f"order {order}: card declined for {amount:.2f} EUR")
    return "paid"


@app.task(name="payments.charge")
def charge(order, amount):
    return ask_bank(order, amount)


def reserve(order, piece):
    with database() as db, db.cursor() as cursor:
        cursor.execute("UPDATE stock SET pieces = pieces - 1 WHERE item = %s RETURNING pieces", (piece,))
        left = cursor.fetchone()[0]
        if left < 0 or random.random() < 0.02 + trouble() / 2:
            raise StockError(f"order {order}: {piece} is sold out")  # inside: the transaction is rolled back
        return left


@app.task(name="stock.reserve")
def reserve_stock(order, items):
    return {piece: reserve(order, piece) for piece in items}


@app.task(name="mail.confirm", bind=True, max_retries=3, default_retry_delay=2)
def confirm(self, order):
    """The mail server is moody: retried, and mostly through in the end."""
    time.sleep(random.uniform(0.01, 0.05))
    if random.random() < 0.25:
        try:
            raise ConnectionError("mail server answered 421 try again later")
        except ConnectionError as error:
            raise self.retry(exc=error)
    return f"mail for order {order} sent"


@app.task(name="mail.newsletter")
def newsletter(recipients):
    time.sleep(random.uniform(0.1, 0.4))
    return {"sent": recipients, "greeting": "Grüße aus dem Laden"}


@app.task(name="reports.daily")
def daily_report(day):
    """Slow: a second or two in the batch queue."""
    with database() as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*), coalesce(sum(total), 0) FROM orders")
        orders, total = cursor.fetchone()
    time.sleep(random.uniform(0.8, 2.2))
    if random.random() < 0.04:
        return {"orders": orders}["revenue"]  # KeyError
    return {"day": day, "orders": orders, "total": float(total)}


@app.task(name="reports.export", time_limit=10, soft_time_limit=4)
def export(rows):
    time.sleep(min(rows / 1000, 6))
    return rows


@app.task(name="orders.import", acks_late=True)
def import_order(line):
    if "\x00" in line:
        raise Reject("not a text line", requeue=False)
    return int(line.split(";")[1])  # ValueError for a broken line


def checkout(customer, items):
    """What a customer sets off: a chain, so that the task page has parents and children to show."""
    order = random.randint(1000, 9999)
    return chain(
        place_order.si(customer, items),
        charge.si(order, round(random.uniform(5, 250), 2)),
        reserve_stock.si(order, items),
        confirm.si(order),
    )
