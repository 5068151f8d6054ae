"""The application of the live test: tasks that succeed, fail, retry, are slow, on two queues."""
import os
import time

from celery import Celery

app = Celery("shop", broker=os.environ["BROKER"])
app.conf.update(task_send_sent_event=True, task_default_queue="celery",
                task_routes={"shop.slow": {"queue": "slow"}}, worker_cancel_long_running_tasks_on_connection_loss=False,
                broker_transport_options={"global_keyprefix": os.environ.get("KEY_PREFIX", "")})


@app.task(name="shop.add")
def add(x, y):
    return x + y


@app.task(name="shop.boom")
def boom():
    raise ValueError("boom")


@app.task(name="shop.flaky", bind=True, max_retries=2)
def flaky(self):
    if self.request.retries < 1:
        raise self.retry(countdown=0, exc=KeyError("again"))
    return "ok"


@app.task(name="shop.slow")
def slow(seconds):
    time.sleep(seconds)


if __name__ == "__main__":
    import sys

    if sys.argv[1:] == ["some"]:
        for i in range(10):
            add.delay(i, 1)
        boom.delay()
        flaky.delay()
    else:
        for priority in (0, 3, 9):
            app.send_task("shop.nobody", queue="nobody", priority=priority)
