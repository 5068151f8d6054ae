#!/usr/bin/env python3
"""Query latency over the host's series collected for a minute at 1 s, beside prometheus + node exporter."""
import http.client
import shutil
import tempfile
import time
import urllib.parse

from common import CLOCHE, free_port, get, median, start, table, wait

COLLECT_S = 60
RUNS = 41
QUERIES = [
    ("instant, one series", "query", "node_load1"),
    ("instant, sum by", "query", "sum by (mode) (node_cpu_seconds_total)"),
    ("rate over all CPUs", "query", "rate(node_cpu_seconds_total[30s])"),
    ("range, raw series", "query_range", "node_memory_MemAvailable_bytes"),
    ("range, sum by rate", "query_range", "sum by (mode) (rate(node_cpu_seconds_total[30s]))"),
    ("range, regex on names", "query_range", '{__name__=~"node_memory_.*"}'),
]


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def measure(self, path, expr, now):
        params = {"query": expr, "time": now} if path == "query" else {"query": expr, "start": now - COLLECT_S, "end": now, "step": 1}
        url = f"/api/v1/{path}?" + urllib.parse.urlencode(params)
        began = time.perf_counter()
        self.connection.request("GET", url)
        body = self.connection.getresponse().read()
        elapsed = time.perf_counter() - began
        assert b'"success"' in body, body[:300]
        return elapsed * 1000, len(body)


def main():
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, exporter = free_port(), free_port(), free_port()
        with open(f"{folder}/c.yaml", "w", encoding="ascii") as f:
            f.write("scrape_interval: 1s\ntargets: {host: {}}\nshipped_rules: false\n")
        with open(f"{folder}/p.yml", "w", encoding="ascii") as f:
            f.write("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: node, static_configs: "
                    f"[{{targets: ['127.0.0.1:{exporter}']}}]}}]\n")
        processes = [start([CLOCHE, "serve", "--config", f"{folder}/c.yaml", "--data", f"{folder}/data", "--listen", f"127.0.0.1:{ours}"])]
        peer = shutil.which("prometheus") and shutil.which("prometheus-node-exporter")
        if peer:
            processes.append(start(["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{exporter}"]))
            processes.append(start(["prometheus", f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/prom",
                                    f"--web.listen-address=127.0.0.1:{theirs}"]))
        try:
            for port in [ours] + ([theirs] if peer else []):
                wait(lambda port=port: b"node_load1" in get(f"http://127.0.0.1:{port}/api/v1/query?query=node_load1"))
            time.sleep(COLLECT_S)
            rows = []
            for what, path, expr in QUERIES:
                now = time.time()
                clients = [Client(ours)] + ([Client(theirs)] if peer else [])
                times = [[client.measure(path, expr, now)[0] for client in clients] for _ in range(RUNS)][3:]
                rows.append((what, "ms", median([t[0] for t in times]), median([t[1] for t in times]) if peer else None, "less"))
            table("query latency (median)", rows)
        finally:
            for process in processes:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
