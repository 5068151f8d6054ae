#!/usr/bin/env python3
"""Dashboards' queries beside prometheus and victoria-metrics, over the same samples of the store's fleet, in one run.

    query.py [--quick] [--hours H] [--runs N] [--only cloche,prometheus]

First the queries, in turns, without the servers' caches of results and with them; then writes at a rate, alone and while
two clients ask heavy queries one after the other; then queries of the newest hour while samples come; then the peak of
memory of a server that has just been started. One table; ratios are to the better peer. Answers are compared with
prometheus' (victoria-metrics counts rates in its own way).
"""
import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time

from common import CLOCHE, median
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "store"))
from store import KINDS, Load, Others, Report, Server, anonymous_mb, available  # noqa: E402

SERIES = 10000
WRITE_STEPS_S, WRITE_SECONDS = 10, 12  # 100,000 samples a second
NEWEST_STEPS = 15  # one a second
TOLERANCE = 1e-9


def questions(end, hours):
    """(name, path, parameters). No sample lies on an edge of a window (Prometheus 2 counts the earlier one in, 3 does not),
    and all windows begin after the first samples (how far rates reach back to zero has changed, too)."""
    end -= 60.001

    def instant(name, query):
        return name, "query", {"query": query, "time": end}

    def over(name, query, span_h, step):
        return name, "query_range", {"query": query, "start": end - int(min(span_h, hours) * 3600) + 360, "end": end, "step": step}

    rate, buckets = "rate(celery_tasks_total[5m])", "sum by (le) (rate(celery_task_runtime_seconds_bucket[5m]))"
    span = {"start": end - 3600, "end": end}
    return [
        instant("instant, 1 series", 'node_load{instance="node-00007",minutes="1"}'),
        instant("instant, sum by over all", 'sum by (job) ({job=~".+"})'),
        instant("instant, topk of rates", f"topk(10, sum by (instance) ({rate}))"),
        instant("instant, regex", 'count by (name) (celery_tasks_total{state=~"succ.*|fail.*|re.*",name!~"mail.*"})'),
        over("rate, 1 series, 1 h", 'rate(redis_commands_total{cmd="get",instance="node-00007"}[5m])', 1, 15),
        over("rate, 100 series, 1 h", 'rate(redis_commands_total{cmd="get"}[5m])', 1, 15),
        over("rate, 100 series, 6 h", 'rate(redis_commands_total{cmd="get"}[5m])', 6, 60),
        over("rate, 1000 series, 6 h", rate, 6, 60),
        over("rate, 1000 series, 24 h", rate, 24, 300),
        over("sum by of rates, 6 h", f"sum by (name, state) ({rate})", 6, 60),
        over("histogram_quantile, 1 h", f"histogram_quantile(0.95, {buckets})", 1, 15),
        over("histogram_quantile, 6 h", f"histogram_quantile(0.95, {buckets})", 6, 60),
        over("success rate, 6 h", 'sum(rate(celery_tasks_total{state="succeeded"}[5m])) '
             '/ sum(rate(celery_tasks_total{state=~"succeeded|failed"}[5m]))', 6, 60),
        over("raw, 100 series, 24 h", 'node_load{minutes="1"}', 24, 300),
        over("max_over_time, 100 series, 24 h", 'max_over_time(node_load{minutes="1"}[1h])', 24, 300),
        over("avg by, noisy, 6 h", "avg by (statement) (pg_statement_mean_seconds)", 6, 60),
        ("label values", "label/queue/values", span),
        ("series", "series", {"match[]": 'celery_queue_length{queue="mail"}', **span}),
        ("label names", "labels", span),
    ]


def points(data):
    """An answer as {labels or text: {time: value}}."""
    if isinstance(data, list):
        return {json.dumps(x, sort_keys=True): {} for x in data}
    return {json.dumps(s["metric"], sort_keys=True): {t: float(v) for t, v in s.get("values") or [s["value"]]} for s in data["result"]}


def differences(theirs, ours):
    if theirs.keys() != ours.keys():
        return f"{len(theirs.keys() ^ ours.keys())} series are in one answer only"
    far = sum(1 for k in theirs for t in theirs[k].keys() | ours[k].keys()
              if not abs(theirs[k].get(t, 0) - ours[k].get(t, 0)) <= TOLERANCE * max(1, abs(theirs[k].get(t, 0))))
    return f"{far} of {sum(map(len, theirs.values()))} points differ" if far else ""


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.report = Report(available(options.only))
        self.servers = [Server(name, folder) for name in self.report.names]

    def load(self):
        load = Load(self.folder, SERIES, self.options.hours)
        for server in self.servers:
            print(f"  {server.name}: {load.series * load.steps} samples", file=sys.stderr)
            server.start()
            load.send_all(server)
        for server in self.servers:
            server.settle()
        return load

    def ask_all(self, load):
        for name, path, parameters in questions(load.end, self.options.hours):
            answers = {s.name: points(s.ask(path, **parameters)[0]) for s in self.servers}
            if "prometheus" in answers:
                text = differences(answers["prometheus"], answers["cloche"])
                if text:
                    print(f"answers differ: {name}: {text}")
            with Others() as others:
                took = {(s, cached): [] for s in self.servers for cached in (False, True)}
                for run in range(3 + self.options.runs):
                    for server in self.servers[::1 if run % 2 else -1]:
                        for cached in (False, True):
                            took[server, cached].append(server.ask(path, cached=cached, **parameters)[1])
            for (server, cached), values in took.items():
                row = f"{name}{', cached' if cached else ''}, ms"
                self.report.add(row, "less", server.name, median(values[3:]), others.cores)

    def write_beside_queries(self, load):
        """Each time half an hour of new samples. Their end."""
        end = load.end
        for beside, clients in (("alone", 0), ("beside 2 clients", 2)):
            end += WRITE_STEPS_S * WRITE_SECONDS * 15
            more = Load(self.folder, SERIES, WRITE_STEPS_S * WRITE_SECONDS / 240, end)
            for server in self.servers:
                result, queries = self.write(server, more, load.end, clients)
                self.report.add(f"writes {beside}: p99, ms", "less", server.name, result["p99_ms"])
                self.report.add(f"writes {beside}: max, ms", "less", server.name, result["max_ms"])
                if clients:
                    self.report.add("heavy queries beside writes, a second", "more", server.name, queries / result["seconds"])
        return end

    def write(self, server, load, end, clients):
        heavy = [q for q in questions(end, self.options.hours) if q[0] in ("rate, 1000 series, 6 h", "histogram_quantile, 6 h")]
        ended, counts = threading.Event(), []

        def client(number):
            _, path, parameters = heavy[number % len(heavy)]
            own = server.another()
            n = 0
            while not ended.is_set():
                own.fetch(path, **parameters)
                n += 1
            counts.append(n)

        threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        result = load.send(server, 1, "--rate", str(WRITE_STEPS_S))
        ended.set()
        for thread in threads:
            thread.join()
        if result["refused"]:
            raise SystemExit(f"{server.name}: {result['refused']} requests refused: {result['failure']}")
        return result, sum(counts)

    def ask_newest(self, end):
        """The hour before `end`, while later samples come: no window of it is over."""
        more = Load(self.folder, SERIES, NEWEST_STEPS / 240, end + NEWEST_STEPS * 15)
        asked = [q for q in questions(end, 1) if q[0].startswith(("instant", "rate, 100 ", "histogram_quantile, 1 "))]
        for server in self.servers:
            sender = threading.Thread(target=more.send, args=(server, 1, "--rate", "1"))
            sender.start()
            own = server.another()
            while sender.is_alive():
                for name, path, parameters in asked:
                    self.report.add(f"newest hour: {name}, ms", "less", server.name, own.fetch(path, **parameters)[1])
            sender.join()

    def peak(self, load):
        """What the heaviest answers take, in a server that has answered nothing yet; pages of mapped files left out."""
        heavy = [q for q in questions(load.end, self.options.hours)
                 if q[0] in ("rate, 1000 series, 24 h", "instant, sum by over all", "histogram_quantile, 6 h")]
        for server in self.servers:
            server.end()
            server.start()
            server.settle()
            most, ended = [anonymous_mb(server.pid)], threading.Event()
            self.report.add("anonymous memory before queries, MB", "less", server.name, most[0])

            def look(server=server, most=most, ended=ended):
                while not ended.wait(0.001):
                    most[0] = max(most[0], anonymous_mb(server.pid))

            looking = threading.Thread(target=look)
            looking.start()
            for _, path, parameters in heavy:
                server.fetch(path, **parameters)
            ended.set()
            looking.join()
            self.report.add("and at most while the heaviest run, MB", "less", server.name, most[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="6 hours, 9 runs")
    parser.add_argument("--hours", type=float, default=0, help="of samples: 24, or 6 with --quick")
    parser.add_argument("--runs", type=int, default=0, help="of each query: 21, or 9 with --quick")
    parser.add_argument("--only", type=lambda s: s.split(","), default=[], help="these servers (cloche always)")
    options = parser.parse_args()
    options.hours = options.hours or (6 if options.quick else 24)
    options.runs = options.runs or (9 if options.quick else 21)
    assert set(options.only) <= set(KINDS), f"servers are {', '.join(KINDS)}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cloche-bench-") as folder:
        bench = Bench(options, folder)
        try:
            load = bench.load()
            bench.ask_all(load)
            bench.ask_newest(bench.write_beside_queries(load))
            bench.peak(load)
        finally:
            for server in list(Server.running):
                server.process.kill()
                server.process.wait()
            bench.report.print()


if __name__ == "__main__":
    main()
