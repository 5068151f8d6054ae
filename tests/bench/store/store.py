#!/usr/bin/env python3
"""The store beside prometheus and victoria-metrics: the same remote-write requests, the same questions, in one run.

    store.py [--quick] [--rounds N] [--hours H] [--only cloche,prometheus] [phase ...]

Phases: idle, ingest, wide, labels, crash, restart, churn; without any, all of them. One table at the end; each row is the
median of the rounds, and its ratio is to the better peer. "others" is how many cores other processes used meanwhile:
rows above 0.3 are marked with "!" and are worth nothing.
"""
import argparse
import collections
import copy
import http.client
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import CLOCHE, TICK, cpu_seconds, free_port, get, median, rss_mb, start, wait  # noqa: E402

TOOLS = os.environ.get("BENCH_TOOLS", os.path.join(os.path.dirname(os.path.abspath(CLOCHE)), "tests"))
INTERVAL_MS = 15000
HOST_SERIES, BODY_HOSTS = 100, 10  # fleet.h, load.c
DISTURBED = 0.3

Kind = collections.namedtuple("Kind", "argv ready flush flushed nocache")
KINDS = {
    "cloche": Kind([os.path.abspath(CLOCHE), "serve", "--store-only", "--retention", "90d", "--listen", "127.0.0.1:{port}", "--data", "{data}"],
                   "/-/ready", [("POST", "/api/v1/admin/tsdb/flush")], ["."], "&nocache=1"),
    "prometheus": Kind(["prometheus", "--config.file={folder}/empty.yml", "--storage.tsdb.path={data}",
                        "--storage.tsdb.retention.time=90d", "--web.listen-address=127.0.0.1:{port}",
                        "--web.enable-remote-write-receiver", "--web.enable-admin-api"],
                       "/-/ready", [("POST", "/api/v1/admin/tsdb/snapshot")], ["snapshots"], ""),
    "victoria-metrics": Kind(["victoria-metrics", "-storageDataPath={data}", "-httpListenAddr=127.0.0.1:{port}",
                              "-retentionPeriod=3"],
                             "/health", [("GET", "/internal/force_flush"), ("GET", "/internal/force_merge")],
                             ["data", "indexdb"], "&nocache=1"),
}


def machine_seconds():
    """CPU that the whole machine has used."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = [int(x) for x in f.readline().split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICK


def disk_bytes(tops):
    """Allocated bytes, every inode once."""
    seen = {}
    for top in tops:
        for folder, _, files in os.walk(top):
            for name in files:
                try:
                    st = os.lstat(os.path.join(folder, name))
                    seen[st.st_ino] = st.st_blocks * 512
                except FileNotFoundError:
                    pass
    return sum(seen.values())


def anonymous_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("RssAnon"))


def our_seconds():
    """CPU of this process, of those it has waited for and of the servers that run."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + sum(cpu_seconds(s.pid) for s in Server.running)


class Others:
    """How many cores processes took that are none of ours: with Others() as others: ...; others.cores"""
    cores = None

    def __enter__(self):
        self.began, self.machine, self.ours = time.monotonic(), machine_seconds(), our_seconds()
        return self

    def __exit__(self, *failure):
        used = machine_seconds() - self.machine - (our_seconds() - self.ours)
        self.cores = max(0.0, used / max(time.monotonic() - self.began, 0.1))


def available(only):
    """cloche and the peers that are installed."""
    names = ["cloche"]
    for name in list(KINDS)[1:]:
        if only and name not in only:
            continue
        if shutil.which(name):
            names.append(name)
        else:
            print(f"{name} is not installed: skipped")
    return names


class Server:
    """One of KINDS over a data folder of its own."""
    running = []

    def __init__(self, name, folder):
        self.name, self.kind, self.folder = name, KINDS[name], folder
        self.data = os.path.join(folder, name)
        self.process = self.port = self.connection = None

    def start(self, argv=None):
        """Seconds until it says that it is ready."""
        self.port = free_port()
        places = {"port": self.port, "data": self.data, "folder": self.folder}
        os.makedirs(self.data, mode=0o700, exist_ok=True)
        with open(f"{self.folder}/empty.yml", "w", encoding="ascii") as f:
            f.write("global: {scrape_interval: 15s}\n")
        began = time.perf_counter()
        self.process = start([a.format(**places) for a in argv or self.kind.argv], cwd=self.folder)
        Server.running.append(self)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        wait(lambda: self.alive() and get(self.url(self.kind.ready)), 300, 0.001)
        return time.perf_counter() - began

    def alive(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended with {self.process.returncode}")
        return True

    def end(self, number=signal.SIGTERM):
        began = time.perf_counter()
        self.process.send_signal(number)
        self.process.wait()
        self.connection.close()
        Server.running.remove(self)
        return time.perf_counter() - began

    def wipe(self):
        self.end(signal.SIGKILL)
        shutil.rmtree(self.data)

    @property
    def pid(self):
        return self.process.pid

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def another(self):
        """The same server over a connection of its own, for another thread."""
        other = copy.copy(self)
        other.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        return other

    def fetch(self, path, cached=False, **parameters):
        """The answer's bytes and milliseconds to its last one."""
        query = urllib.parse.urlencode(parameters, doseq=True) + ("" if cached else self.kind.nocache)
        began = time.perf_counter()
        self.connection.request("GET", f"/api/v1/{path}?{query}")
        body = self.connection.getresponse().read()
        return body, (time.perf_counter() - began) * 1000

    def ask(self, path, cached=False, **parameters):
        """Answer's data and milliseconds to its last byte."""
        body, took = self.fetch(path, cached, **parameters)
        answer = json.loads(body)
        if answer.get("status") != "success":
            raise SystemExit(f"{self.name}: {path} {parameters}: {body[:300]}")
        return answer["data"], took

    def count(self, end):
        """Series that have a sample shortly before `end`."""
        result = self.ask("query", query='count({job=~".+"})', time=end)[0]["result"]
        return int(result[0]["value"][1]) if result else 0

    def settle(self, quiet=6.0, patience=120):
        """Until nothing was written and hardly any CPU used for a while: victoria-metrics writes every five seconds."""
        last, since, end = None, time.monotonic(), time.monotonic() + patience
        while time.monotonic() - since < quiet and time.monotonic() < end:
            now = (disk_bytes([self.data]), round(cpu_seconds(self.pid), 1))
            if last is None or now[0] != last[0] or now[1] > last[1] + 0.1:
                last, since = now, time.monotonic()
            time.sleep(0.25)

    def flush(self):
        """Everything to its final form on the disk; False where there is no such request."""
        for method, path in self.kind.flush:
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url(path), method=method), timeout=300) as answer:
                    answer.read()
            except urllib.error.HTTPError as failure:
                if failure.code in (404, 405):
                    return False
                raise
        self.settle()
        return True


class Load:
    """A file of requests, made once and kept while the bench runs."""

    def __init__(self, folder, series, hours, end=None):
        self.series, self.steps = series, int(hours * 3600000 / INTERVAL_MS)
        self.end = end or (int(time.time()) - 1200) // 7200 * 7200  # the last window is over, so it is due for blocks
        self.path = os.path.join(folder, f"load-{series}-{self.steps}-{self.end}")
        if not os.path.exists(self.path):
            subprocess.run([f"{TOOLS}/bench_load", "encode", self.path, str(series), str(self.steps), str(INTERVAL_MS),
                            str(self.end * 1000)], check=True)

    def send(self, server, senders, *options):
        argv = [f"{TOOLS}/bench_load", "send", self.path, str(server.port), "/api/v1/write", "--senders", str(senders), *options]
        return json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)

    def send_all(self, server, senders=2):
        result = self.send(server, senders)
        if result["refused"] or result["samples"] != self.series * self.steps:
            raise SystemExit(f"{server.name}: {result['refused']} requests refused, {result['samples']} samples taken: "
                             f"{result['failure']}")
        return result


class Report:
    """Rows in the order of their first value."""

    def __init__(self, names):
        self.names, self.rows, self.others = names, {}, {}

    def add(self, row, better, name, value, cores=0.0):
        self.rows.setdefault((row, better), {}).setdefault(name, []).append(value)
        self.others[row] = max(self.others.get(row, 0.0), cores)

    def add_others(self, cores, before):
        """For the rows that came since there were `before` and say nothing of their own."""
        for row, _ in list(self.rows)[before:]:
            self.others[row] = self.others[row] or cores

    def print(self):
        peers = [n for n in self.names if n != "cloche"]
        print(f"\n{'':46}" + "".join(f"{n:>17}" for n in self.names) + f"{'to better peer':>17}{'others':>8}")
        for (row, better), values in self.rows.items():
            middle = {n: median(v) for n, v in values.items() if None not in v}
            theirs = [middle[n] for n in peers if n in middle]
            best = (min if better == "less" else max)(theirs) if theirs else None
            ratio = f"{middle['cloche'] / best:.2f}x {better}" if best and "cloche" in middle else "-"
            cells = "".join(f"{middle[n]:17.4g}" if n in middle else f"{'-':>17}" for n in self.names)
            mark = " !" if self.others[row] > DISTURBED else ""
            print(f"{row:46}{cells}{ratio:>17}{self.others[row]:8.2f}{mark}")
        print("less, more: which is better; -: not measured; others: cores that other processes used, at worst")


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.report = Report(available(options.only))

    def servers(self, round_number):
        """Every server anew, in alternating order."""
        names = self.report.names if round_number % 2 == 0 else self.report.names[::-1]
        return [Server(name, self.folder) for name in names]

    def rounds(self):
        for number in range(self.options.rounds):
            for server in self.servers(number):
                print(f"  round {number + 1}: {server.name}", file=sys.stderr)
                yield number, server

    # -- phases --

    def idle(self):
        for number, server in self.rounds():
            self.report.add("start, empty, ms", "less", server.name, server.start() * 1000)
            if number == 0:
                time.sleep(10)
                self.report.add("idle, resident, MB", "less", server.name, rss_mb(server.pid))
                self.report.add("idle, anonymous, MB", "less", server.name, anonymous_mb(server.pid))
                binary = os.path.realpath(f"/proc/{server.pid}/exe")
                self.report.add("binary, MB", "less", server.name, os.path.getsize(binary) / 1e6)
            server.wipe()

    def _ingest(self, load, senders, with_disk):
        what = f"{load.series // 1000} k series, {senders} sender{'s' * (senders > 1)}: "
        for number, server in self.rounds():
            server.start()
            with Others() as others:
                cpu = cpu_seconds(server.pid)
                result = load.send_all(server, senders)
                cpu = cpu_seconds(server.pid) - cpu
            server.settle()
            settled = cpu_seconds(server.pid)
            millions = result["samples"] / 1e6
            for row, better, value in (("million samples/s", "more", millions / result["seconds"]),
                                       ("CPU s/million", "less", cpu / millions),
                                       ("CPU s/million, settled", "less", settled / millions),
                                       ("latency p99, ms", "less", result["p99_ms"]),
                                       ("latency max, ms", "less", result["max_ms"]),
                                       ("settled anonymous, MB", "less", anonymous_mb(server.pid))):
                self.report.add(what + row, better, server.name, value, others.cores)
            if with_disk and number == 0:
                self._disk(server, result["samples"], what)
            server.wipe()

    def _disk(self, server, samples, what):
        left = disk_bytes([server.data]) / samples
        self.report.add(what + "disk as left, B/sample", "less", server.name, left)
        flushed = disk_bytes([os.path.join(server.data, f) for f in server.kind.flushed]) if server.flush() else None
        self.report.add(what + "disk flushed, B/sample", "less", server.name, flushed and flushed / samples)

    def ingest(self):
        load = Load(self.folder, 10000, self.options.hours)
        self._ingest(load, 1, False)
        self._ingest(load, 2, True)

    def wide(self):
        load = Load(self.folder, 100000, self.options.hours / 6)
        self._ingest(load, 1, False)
        self._ingest(load, 2, True)

    def labels(self):
        """Listing values and series over 100 k series."""
        load = Load(self.folder, 100000, 0.1)
        servers = self.servers(0)
        span = {"start": load.end - 360, "end": load.end}
        questions = (("label names", "labels", {}),
                     ("values of __name__", "label/__name__/values", {}),
                     ("values of instance", "label/instance/values", {}),
                     ("values of instance of a metric", "label/instance/values", {"match[]": "node_load"}),
                     ("series of a metric", "series", {"match[]": "pg_setting"}),
                     ("count of all series", "query", {"query": 'count({job=~".+"})', "time": load.end - 1}))
        for server in servers:
            server.start()
            load.send_all(server)
            server.settle()
        for what, path, parameters in questions:
            parameters = parameters if path == "query" else {**parameters, **span}
            sizes = {}
            for attempt in range(4 * self.options.rounds + 3):
                for server in servers:
                    data, took = server.ask(path, **parameters)
                    sizes[server.name] = len(data) if path != "query" else data["result"][0]["value"][1]
                    if attempt >= 3:
                        self.report.add(f"100 k series: {what}, ms", "less", server.name, took)
            if len(set(sizes.values())) > 1:
                print(f"answers differ in length: {what}: {sizes}")
        for server in servers:
            server.wipe()

    def crash(self):
        """kill -9 while two senders are at it; what was acknowledged must still be there."""
        load = Load(self.folder, 10000, self.options.hours)
        for number, server in self.rounds():
            server.start()
            timer = subprocess.Popen(["sh", "-c", f"sleep {8 + 0.3 * number}; kill -9 {server.pid}"])
            result = load.send(server, 2, "--rate", str(load.steps / 12))
            timer.wait()
            server.end(signal.SIGKILL)
            server.start()
            lost, unacknowledged = self._lost(server, load, result["acked"])
            self.report.add("kill -9: acknowledged, million", "more", server.name, result["samples"] / 1e6)
            self.report.add("kill -9: samples lost", "less", server.name, lost)
            self.report.add("kill -9: there without having been told", "less", server.name, unacknowledged)
            server.wipe()

    @staticmethod
    def _lost(server, load, acked):
        found = collections.Counter()
        seconds = load.steps * INTERVAL_MS // 1000
        names = server.ask("label/__name__/values", start=load.end - seconds, end=load.end)[0]
        for name in names:
            query = f'sum by (instance) (count_over_time({name}{{instance=~"node-.*"}}[{seconds + 60}s]))'
            for series in server.ask("query", query=query, time=load.end)[0]["result"]:
                found[series["metric"]["instance"]] += int(series["value"][1])
        lost = more = 0
        for host in range(load.series // HOST_SERIES):
            difference = acked[host // BODY_HOSTS] * HOST_SERIES - found[f"node-{host:05}"]
            lost, more = lost + max(0, difference), more + max(0, -difference)
        return lost, more

    def restart(self):
        """With all the data there: until it is ready, until the first right answer."""
        load = Load(self.folder, 10000, self.options.hours)
        for server in self.servers(0):
            server.start()
            load.send_all(server)
            server.settle()
            for _ in range(max(3, self.options.rounds)):
                for number, how in ((signal.SIGKILL, "kill -9"), (signal.SIGTERM, "stop")):
                    stopping = server.end(number)
                    if how == "stop":
                        self.report.add("stop, s", "less", server.name, stopping)
                    began = time.perf_counter()
                    self.report.add(f"restart after {how}: ready, s", "less", server.name, server.start())
                    wait(lambda server=server: server.count(load.end - 1) == load.series)
                    self.report.add(f"restart after {how}: first answer, s", "less", server.name, time.perf_counter() - began)
                    time.sleep(1)
            server.wipe()

    def churn(self):
        """15 simulated days of 100,000 short-lived series a day under 3 days of retention, beside the same load of series
        that stay (both are cloche: what grows with churn is to be seen)."""
        days, a_day, live = (9, 20000, 2000) if self.options.quick else (15, 100000, 10000)
        figures = {}
        for what, series, generations in (("churn", a_day, 10), ("steady", live, 0)):
            data = os.path.join(self.folder, what)
            os.makedirs(data, mode=0o700)
            end = time.time()
            argv = [f"{TOOLS}/bench_churn", data, str(days), str(series), "3", str(generations)]
            lines = subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout.splitlines()
            by_day = [json.loads(line) for line in lines]
            print(f"\n{what}, day by day:")
            for day in by_day:
                print("  " + "  ".join(f"{k} {v}" for k, v in day.items()))
            figures[what] = {"disk after the last day, MB": by_day[-1]["disk_mb"],
                             "disk, last 3 days / days 4 to 6": sum(d["disk_mb"] for d in by_day[-3:])
                             / sum(d["disk_mb"] for d in by_day[3:6]),
                             "series in the index": by_day[-1]["series"],
                             "anonymous, MB": by_day[-1]["anonymous_mb"], **self._after_churn(data, live, end)}
            shutil.rmtree(data)
        print(f"\n{'churn under 3 days of retention (cloche)':46}{'churn':>17}{'without churn':>17}")
        for row, value in figures["churn"].items():
            print(f"{row:46}{value:17.4g}{figures['steady'][row]:17.4g}")

    def _after_churn(self, data, live, end):
        server = Server("cloche", self.folder)
        server.data = data
        argv = ["3d" if a == "90d" else a for a in KINDS["cloche"].argv]
        starts, queries, values = [], [], []
        for _ in range(3):
            began = time.perf_counter()
            server.start(argv)
            wait(lambda: server.count(end - 1) == live)
            starts.append(time.perf_counter() - began)
            for _ in range(5):
                queries.append(server.ask("query_range", query="sum by (job) (rate(celery_tasks_total[30m]))", start=end - 86400,
                                          end=end, step=600)[1])
                values.append(server.ask("label/instance/values", start=end - 3600, end=end)[1])
            server.end()
        return {"start to first answer, s": median(starts), "range query over a day, ms": median(queries),
                "values of instance of the last hour, ms": median(values)}


PHASES = ("idle", "ingest", "wide", "labels", "crash", "restart", "churn")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", nargs="*", help=", ".join(PHASES))
    parser.add_argument("--quick", action="store_true", help="one round, one hour, small churn")
    parser.add_argument("--rounds", type=int, default=0, help="3, or 1 with --quick")
    parser.add_argument("--hours", type=float, default=0, help="of data at 10 k series: 6, or 1 with --quick")
    parser.add_argument("--only", type=lambda s: s.split(","), default=[], help="these servers (cloche always)")
    options = parser.parse_args()
    if set(options.phase) - set(PHASES):
        parser.error("phases are " + ", ".join(PHASES))
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.hours = options.hours or (1 if options.quick else 6)
    for program in (CLOCHE, f"{TOOLS}/bench_load", f"{TOOLS}/bench_churn"):
        if not os.path.exists(program):
            raise SystemExit(f"{program} is not there: build it, or set CLOCHE and BENCH_TOOLS (tests/bench/README.md)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cloche-bench-") as folder:
        bench = Bench(options, folder)
        try:
            for phase in options.phase or PHASES:
                print(phase, file=sys.stderr)
                before = len(bench.report.rows)
                with Others() as others:
                    getattr(bench, phase)()
                bench.report.add_others(others.cores, before)
        finally:
            for server in list(Server.running):
                server.process.kill()
                server.process.wait()
            if bench.report.rows:
                bench.report.print()


if __name__ == "__main__":
    main()
