"""Real workers, real events: history, tracebacks, metrics, queues, liveness; and messages that are no events."""
import base64
import json
import subprocess

from conftest import wait_for


def config_of(url, extra=""):
    return f"scrape_interval: 1s\ntargets:\n  celery: {{url: '{url}'{extra}}}\n"


def publish(server, channel, payload):
    subprocess.run(["redis-cli", "-p", str(server.port), "-x", "publish", channel], input=payload, check=True,
                   stdout=subprocess.DEVNULL)


def tasks(one, **params):
    return one.json("/api/ui/tasks", **params)["tasks"]


def worker_online(one, count=1):
    return wait_for(f"{count} workers", lambda: one.value("celery_workers") == count)


def worker_talks(one):
    """Online, and its task events are on: what ran before that nobody has told of."""
    worker_online(one)
    wait_for("task events to be on", lambda: any(w["online"] and w["task_events"] for w in one.json("/api/ui/workers")["data"]))


def test_tasks_from_sent_to_traceback(cloche, redis_server, celery_app):
    server = redis_server()
    app = celery_app(server.url)
    one = cloche(config=config_of(server.url))
    wait_for("subscription", lambda: one.target("celery")["health"] == "up")
    app.worker("w1")  # without -E: cloche has to ask for events
    worker_talks(one)
    uuid = app.send("print(app.fail.delay('boom <b>').id); app.add.delay(2, 3); app.flaky.delay()").strip()
    task = wait_for("the failed task", lambda: (lambda t: t if t["state"] == "FAILURE" else None)(one.json(f"/api/ui/tasks/{uuid}")))
    assert task["name"] == "app.fail"
    assert task["exception"] == "ValueError('boom <b>')"
    assert "app.py" in task["traceback"] and "raise ValueError(text)" in task["traceback"]
    assert task["worker"] == "w1@test"
    assert "boom <b>" in task["args"]
    assert task["sent"] and task["received"] and task["started"] and task["failed"]
    assert task["queue"] == "celery"
    done = wait_for("the retried task", lambda: [t for t in tasks(one, name="app.flaky") if t["state"] == "SUCCESS"])
    assert done[0]["retries"] == 1
    assert [t["name"] for t in tasks(one, state="FAILURE")] == ["app.fail"]
    assert [t["name"] for t in tasks(one, q="boom")] == ["app.fail"]
    assert tasks(one, worker="nobody@test") == []
    full = one.json("/api/ui/tasks/" + done[0]["uuid"])
    assert len(full["attempts"]) == 2
    sums = "sum by (name) (celery_task_{}_total)"
    wait_for("counters", lambda: dict((m["name"], v) for m, v in one.query(sums.format("succeeded"))).get("app.add") == 1)
    wait_for("failures", lambda: one.query("celery_task_failed_total{exception='ValueError'}"))
    wait_for("retries", lambda: one.value("sum(celery_task_retried_total{name='app.flaky'})") == 1)
    assert one.value("sum(increase(celery_task_failed_total[5m]))") > 0  # a counter that starts at 1 is not lost
    assert one.query("histogram_quantile(0.95, sum by (le, name) (celery_task_runtime_seconds_bucket))")


def test_queues_are_counted_over_priorities_and_bindings(cloche, redis_server, celery_app):
    server = redis_server()
    app = celery_app(server.url)
    app.send("for p in (0, 3, 6, 9): app.add.apply_async((1, 1), queue='piled', priority=p)")
    one = cloche(config=config_of(server.url, ", queues: [idle]"))
    wait_for("four waiting", lambda: one.value("celery_queue_length{queue_name='piled'}") == 4)
    wait_for("the configured queue", lambda: one.value("celery_queue_length{queue_name='idle'}") == 0)


def test_a_lost_worker_goes_offline_by_time_of_arrival(cloche, redis_server, celery_app):
    server = redis_server()
    app = celery_app(server.url)
    one = cloche(config=config_of(server.url, ", worker_timeout: 4s"))
    worker = app.worker("w1")
    worker_online(one)
    worker.stop()  # SIGKILL: no worker-offline event
    wait_for("offline", lambda: one.value("celery_worker_up{worker='w1@test'}") == 0)
    assert one.value("celery_workers") == 0
    listed = one.json("/api/ui/workers")["data"]
    assert [w["online"] for w in listed if w["worker"] == "w1@test"] == [False]


def test_messages_that_are_no_events_are_counted_and_harm_nothing(cloche, redis_server):
    server = redis_server()
    one = cloche(config=config_of(server.url))
    wait_for("subscription", lambda: one.target("celery")["health"] == "up")

    def event(**fields):
        body = {"type": "task-received", "uuid": "u-1", "hostname": "w@h", "timestamp": 1.0, "clock": 1, "pid": 1,
                "name": "x", "utcoffset": 0, **fields}
        return envelope(json.dumps(body).encode())

    def envelope(body, **properties):
        return json.dumps({"body": base64.b64encode(body).decode(), "content-type": "application/json",
                           "content-encoding": "utf-8", "headers": {}, "properties": {"body_encoding": "base64", **properties}}).encode()

    bad = [b"", b"not json", b"[1, 2", b"\xff\xfe\x00", b'{"body": 12}', b'{"body": "###", "properties": {"body_encoding": "base64"}}',
           envelope(b"{"), envelope(b'"text"'), envelope(b"[" * 5000), event(uuid="x" * 100000), event(timestamp="late"),
           envelope(b"x" * 3_000_000)]
    for payload in bad:
        publish(server, "/0.celeryev/task.received", payload)
    every_byte = "".join(chr(c) for c in range(1, 256)) + '"\\\n'
    import time
    publish(server, "/0.celeryev/task.received", event(uuid="u-bytes", name=every_byte, timestamp=time.time()))
    publish(server, "/0.celeryev/task.received", event(uuid="u-good", name="good", timestamp=time.time()))
    wait_for("the good one", lambda: one.json("/api/ui/tasks/u-good")["name"] == "good")
    assert one.json("/api/ui/tasks/u-bytes")["name"].strip() != ""
    wait_for("the count of undecodable ones", lambda: one.json("/api/ui/celery")["data"]["undecodable"] >= 8)
    labels = [m for m, _ in wait_for("a series with every byte", lambda: one.query("celery_task_received_total{name!='good'}"))]
    assert any(m["name"] == every_byte for m in labels)


def test_a_broker_restart_marks_a_gap_and_goes_on(cloche, redis_server, celery_app):
    server = redis_server()
    app = celery_app(server.url)
    one = cloche(config=config_of(server.url))
    app.worker("w1")
    worker_talks(one)
    server.stop()
    wait_for("down", lambda: one.target("celery")["health"] == "down")
    server.start()
    wait_for("up", lambda: one.target("celery")["health"] == "up")
    wait_for("the gap", lambda: one.json("/api/ui/celery")["data"]["gaps"])
    worker_talks(one)
    uuid = app.send("print(app.add.delay(1, 1).id)").strip()
    wait_for("a task after it", lambda: one.json(f"/api/ui/tasks/{uuid}")["state"] == "SUCCESS")


def test_the_broker_is_left_as_it_was(cloche, redis_server):
    server = redis_server()
    one = cloche(config=config_of(server.url))
    wait_for("subscription", lambda: one.target("celery")["health"] == "up")
    stats = subprocess.run(["redis-cli", "-p", str(server.port), "info", "commandstats"], capture_output=True, text=True).stdout
    assert "cmdstat_keys:" not in stats
    one.stop()
    keys = subprocess.run(["redis-cli", "-p", str(server.port), "--scan"], capture_output=True, text=True).stdout.split()
    assert keys == []


def test_history_survives_kill_9(cloche, redis_server, celery_app):
    server = redis_server()
    app = celery_app(server.url)
    one = cloche(config=config_of(server.url))
    app.worker("w1")
    worker_talks(one)
    uuid = app.send("print(app.fail.delay('kept').id)").strip()
    wait_for("failure", lambda: one.json(f"/api/ui/tasks/{uuid}")["state"] == "FAILURE")
    one.kill()
    one.start()
    assert one.json(f"/api/ui/tasks/{uuid}")["exception"] == "ValueError('kept')"


def test_live_events_arrive(cloche, redis_server, celery_app):
    import urllib.request
    server = redis_server()
    app = celery_app(server.url)
    one = cloche(config=config_of(server.url))
    app.worker("w1")
    worker_talks(one)
    with urllib.request.urlopen(one.url + "/api/ui/events?types=task", timeout=60) as stream:
        app.send("app.add.delay(1, 1)")
        for line in stream:
            if line.startswith(b"data:") and b"task-succeeded" in line:
                assert json.loads(line[5:])["name"] == "app.add"
                break
        else:
            raise AssertionError("the stream ended")
