#!/usr/bin/env python3
"""Idle memory and time from start to the first answered query, beside prometheus."""
import os
import shutil
import tempfile
import time

from common import CLOCHE, free_port, get, median, rss_mb, start, table, wait

ROUNDS = 5


def run(argv, port, settle=10):
    began = time.monotonic()
    process = start(argv)
    try:
        wait(lambda: get(f"http://127.0.0.1:{port}/api/v1/query?query=vector(1)"))
        answered = time.monotonic() - began
        time.sleep(settle)
        return answered, rss_mb(process.pid)
    finally:
        process.terminate()
        process.wait()


def main():
    ours, theirs = [], []
    for i in range(ROUNDS):
        settle = 10 if i == 0 else 0.2
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            with open(f"{folder}/c.yaml", "w", encoding="ascii") as f:
                f.write("targets: {host: {}}\n")
            ours.append(run([CLOCHE, "serve", "--config", f"{folder}/c.yaml", "--data", f"{folder}/data", "--listen",
                             f"127.0.0.1:{port}"], port, settle))
        if shutil.which("prometheus"):
            with tempfile.TemporaryDirectory() as folder:
                port = free_port()
                with open(f"{folder}/p.yml", "w", encoding="ascii") as f:
                    f.write("global: {}\n")
                theirs.append(run(["prometheus", f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/data",
                                   f"--web.listen-address=127.0.0.1:{port}"], port, settle))
    peer = bool(theirs)
    size = os.path.getsize(os.path.realpath(CLOCHE)) / 2**20
    peer_size = os.path.getsize(os.path.realpath(shutil.which("prometheus"))) / 2**20 if peer else None
    table("idle", [
        ("start to first answer", "s", median([o[0] for o in ours]), median([t[0] for t in theirs]) if peer else None, "less"),
        ("resident after 10 s", "MB", ours[0][1], theirs[0][1] if peer else None, "less"),
        ("binary", "MB", size, peer_size, "less"),
    ])


if __name__ == "__main__":
    main()
