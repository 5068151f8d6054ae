#!/usr/bin/env python3
"""A flood of Celery events through a real Redis: taken in per second, CPU per 100,000, lost. The peer is Celery's own
receiver with its state (celery.events), on which Flower and celery-exporter are built.

  events.py [EVENTS]      default 600000 for cloche; the peer gets a tenth, its rate does not depend on the count
"""
import base64
import json
import socket
import subprocess
import sys
import tempfile
import time
import uuid

from common import CLOCHE, cpu_seconds, free_port, get, rss_mb, start, table, wait

PACE = 50000  # events per second: what a reader with Redis' own limits has to take without loss
BATCH = 24  # a worker's buffer: events of one task.multi
NAMES = [f"shop.task_{i}" for i in range(30)]
PEER = """
import sys
from celery import Celery
app = Celery(broker=sys.argv[1])
state = app.events.State(max_tasks_in_memory=10000)
want = int(sys.argv[2])
seen = 0
def on_event(event):
    global seen
    state.event(event)
    seen += 1
    if seen == 1:
        print("first", flush=True)
    if seen >= want:
        print("done", flush=True)
        raise KeyboardInterrupt
with app.connection() as connection:
    receiver = app.events.Receiver(connection, handlers={"*": on_event})
    print("ready", flush=True)
    try:
        receiver.capture(limit=None, timeout=None, wakeup=False)
    except KeyboardInterrupt:
        pass
"""


def task_events(i, now):
    ident = str(uuid.UUID(int=i + (1 << 100)))
    common = {"hostname": f"w{i % 4}@host", "utcoffset": 0, "pid": 100 + i % 4, "uuid": ident, "timestamp": now}
    name = NAMES[i % len(NAMES)]
    yield {**common, "type": "task-received", "clock": 3 * i, "name": name, "args": f"({i}, 'text')", "kwargs": "{}",
           "root_id": ident, "parent_id": None, "retries": 0, "eta": None, "expires": None}
    yield {**common, "type": "task-started", "clock": 3 * i + 1}
    if i % 50 == 0:
        yield {**common, "type": "task-failed", "clock": 3 * i + 2, "exception": "ValueError('no')",
               "traceback": "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nValueError: no\n"}
    else:
        yield {**common, "type": "task-succeeded", "clock": 3 * i + 2, "result": str(i), "runtime": 0.01 * (i % 100)}


def publish_commands(count, channel=b"/0.celeryev/task.multi"):
    """RESP bytes that publish `count` events, made before the clock starts; a list of chunks."""
    chunks, batch, made, i = [], [], 0, 0
    now = time.time()
    while made < count:
        batch.extend(task_events(i, now))
        i += 1
        if len(batch) >= BATCH:
            body = base64.b64encode(json.dumps(batch).encode()).decode()
            payload = json.dumps({
                "body": body, "content-encoding": "utf-8", "content-type": "application/json",
                "headers": {"hostname": "w0@host"},
                "properties": {"delivery_mode": 1, "delivery_info": {"exchange": "celeryev", "routing_key": "task.multi"},
                               "priority": 0, "body_encoding": "base64", "delivery_tag": str(uuid.UUID(int=i))}}).encode()
            chunks.append(b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(channel), channel, len(payload), payload))
            made += len(batch)
            batch = []
    return chunks, made


def flood(port, chunks, rate=None):
    """Sends pipelined; at most ~2 MB ahead of Redis' answers. With a rate (events/s) it is paced."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as s:
        pending, sent = 0, 0
        for i in range(0, len(chunks), 64):
            part = chunks[i:i + 64]
            s.sendall(b"".join(part))
            pending += len(part)
            sent += len(part) * BATCH
            while pending > 512:
                pending -= s.recv(65536).count(b"\r\n")
            if rate:
                ahead = sent / rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
        while pending > 0:
            pending -= s.recv(65536).count(b"\r\n")
    return time.monotonic() - began


def redis(patient):
    """Redis drops a subscriber that lags by 32 MB (its default); a patient one waits, for measuring how fast a reader is."""
    port = free_port()
    limit = ["--client-output-buffer-limit", "pubsub 0 0 0"] if patient else []
    process = start(["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1", *limit])
    wait(lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    return process, port


def applied(port):
    for line in get(f"http://127.0.0.1:{port}/metrics").decode().splitlines():
        if line.startswith("cloche_task_events_applied_total"):
            return float(line.split()[-1])
    return 0.0


def bench_cloche(count, rate=None):
    """Flood (no rate): a patient Redis, events per second until the last is stored. Paced: Redis as it comes, loss counts."""
    chunks, made = publish_commands(count)
    server, redis_port = redis(patient=rate is None)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with open(f"{folder}/c.yaml", "w", encoding="ascii") as f:
            f.write(f"targets: {{celery: {{url: 'redis://127.0.0.1:{redis_port}/0'}}}}\nshipped_rules: false\n")
        process = start([CLOCHE, "serve", "--config", f"{folder}/c.yaml", "--data", f"{folder}/data", "--listen", f"127.0.0.1:{port}"])
        try:
            wait(lambda: b'"health":"up"' in get(f"http://127.0.0.1:{port}/api/v1/targets").replace(b'"health": ', b'"health":'))
            wait(lambda: subprocess.run(["redis-cli", "-p", str(redis_port), "pubsub", "numpat"], capture_output=True).stdout.strip() != b"0")
            cpu, began = cpu_seconds(process.pid), time.monotonic()
            flood(redis_port, chunks, rate)
            last, stable = -1.0, 0
            while stable < 40:  # until the writer has nothing left
                now = applied(port)
                stable = stable + 1 if now == last else 0
                if now != last:
                    ended = time.monotonic()
                last = now
                if now >= made:
                    break
                time.sleep(0.05)
            spent = cpu_seconds(process.pid) - cpu
            return made / (ended - began) * (last / made), spent / (last / 100000), made - last, rss_mb(process.pid)
        finally:
            process.terminate()
            process.wait()
            server.terminate()
            server.wait()


def bench_peer(count):
    chunks, made = publish_commands(count)
    server, port = redis(patient=True)
    peer = subprocess.Popen(["/usr/bin/python3", "-c", PEER, f"redis://127.0.0.1:{port}/0", str(made)], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    try:
        peer.stdout.readline()
        wait(lambda: subprocess.run(["redis-cli", "-p", str(port), "pubsub", "numpat"], capture_output=True).stdout.strip() != b"0")
        cpu, began = cpu_seconds(peer.pid), time.monotonic()
        flood(port, chunks)
        peer.stdout.readline()
        line = peer.stdout.readline()
        elapsed = time.monotonic() - began
        if line.strip() != "done":
            return None
        spent = cpu_seconds(peer.pid) - cpu if peer.poll() is None else None
        return made / elapsed, spent / (made / 100000) if spent else None
    finally:
        peer.kill()
        peer.wait()
        server.terminate()
        server.wait()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600000
    flooded = bench_cloche(count)
    paced = bench_cloche(count, PACE)
    theirs = bench_peer(max(count // 10, 24000))
    table("Celery events", [
        ("flood: taken in and stored", "events/s", flooded[0], theirs[0] if theirs else None, "more"),
        ("flood: CPU per 100,000 events", "s", flooded[1], theirs[1] if theirs else None, "less"),
        ("flood: lost", "events", flooded[2], None, "less"),
        ("flood: resident at the end", "MB", flooded[3], None, "less"),
        (f"at {PACE}/s: CPU per 100,000", "s", paced[1], None, "less"),
        (f"at {PACE}/s: lost", "events", paced[2], None, "less"),
        (f"at {PACE}/s: resident at the end", "MB", paced[3], None, "less"),
    ])


if __name__ == "__main__":
    main()
