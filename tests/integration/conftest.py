"""Starts the real things: cloche, redis-server, PostgreSQL, Celery workers, servers that misbehave. Each in a temporary
folder, on a free loopback port, ended by the fixture that started it."""
import contextlib
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

BINARY = os.environ.get("CLOCHE", os.path.join(os.path.dirname(__file__), "../../build/dev/cloche"))
PATIENCE = 60  # seconds until something that has to happen counts as not happening; sanitizers are slow


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, patience=PATIENCE):
    """Polls until condition() is true and returns its value; errors of connections count as not yet."""
    end = time.monotonic() + patience
    last = None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except (OSError, urllib.error.URLError, KeyError, IndexError, ValueError, TypeError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"waited {patience} s for {what}; last: {last!r}")


class Cloche:
    def __init__(self, folder, config="", args=(), env=None):
        self.folder = str(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.args = list(args)
        self.env = {k: v for k, v in os.environ.items()
                    if k not in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "REDIS_URL", "DATABASE_URL")}
        self.env.update(env or {})
        self.config_path = os.path.join(self.folder, "cloche.yaml")
        self.data = os.path.join(self.folder, "data")
        self.log_path = os.path.join(self.folder, "cloche.log")
        self.process = None
        self.write_config(config)

    def write_config(self, text):
        self.config = text
        if text is not None:
            with open(self.config_path, "w", encoding="utf-8") as f:
                f.write(text)

    def command(self):
        config = [] if self.config is None or "--store-only" in self.args else ["--config", self.config_path]
        return [BINARY, "serve", *config, "--listen", f"127.0.0.1:{self.port}", "--data", self.data, *self.args]

    def start(self, wait=True):
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=self.env)
        if wait:
            wait_for("cloche to be ready", lambda: self.alive() and self.get("/-/ready"))
        return self

    def alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"cloche has ended with {self.process.returncode}:\n{self.log()}")
        return True

    def run_to_end(self, timeout=PATIENCE):
        """For starts that must fail: status and output."""
        done = subprocess.run(self.command(), capture_output=True, text=True, env=self.env, timeout=timeout)
        return done.returncode, done.stderr

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def request(self, path, data=None, method=None, headers=None):
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def get(self, path):
        status, body = self.request(path)
        if status != 200:
            raise ValueError(f"{path}: {status} {body[:500]}")
        return body

    def json(self, path, **params):
        query = urllib.parse.urlencode(params, doseq=True)
        return json.loads(self.get(path + ("?" + query if query else "")))

    def query(self, expr, **params):
        """Instant query: list of (labels, value as float)."""
        data = self.json("/api/v1/query", query=expr, **params)["data"]
        if data["resultType"] in ("scalar", "string"):
            return data["result"][1]
        return [(r["metric"], float(r["value"][1])) for r in data["result"]]

    def value(self, expr):
        """The one value of a query; None while there is none."""
        result = self.query(expr)
        return result[0][1] if result else None

    def target(self, collector, name="main"):
        for target in self.json("/api/v1/targets")["data"]["activeTargets"]:
            if target["collector"] == collector and target["name"] == name:
                return target
        raise KeyError(collector)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the seconds it took and the status."""
        if self.process is None or self.process.poll() is not None:
            return 0.0, self.process.returncode if self.process else 0
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("cloche did not end on SIGTERM:\n" + self.log())
        return time.monotonic() - began, self.process.returncode


@pytest.fixture
def cloche(tmp_path):
    """A factory: cloche(config=…, args=…) makes one that is ended with the test. A sanitizer's report fails the test."""
    made = []

    def make(config="", start=True, args=(), env=None):
        folder = tmp_path / f"cloche-{len(made)}"
        folder.mkdir()
        one = Cloche(folder, config, args, env)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in made:
        one.stop()
        if os.path.exists(one.log_path):
            log = one.log()
            assert "Sanitizer" not in log and "runtime error" not in log, log[-20000:]


class Server:
    """A process that listens on self.port."""

    def __init__(self, argv, port, user=None, cwd=None, env=None):
        self.argv, self.port, self.user, self.cwd, self.env = argv, port, user, cwd, env
        self.process = None
        self.start()

    def start(self):
        extra = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []} if self.user else {}
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.cwd,
                                        env=self.env, **extra)
        if self.port:
            wait_for("port", lambda: socket.create_connection(("127.0.0.1", self.port)).close() or True)

    def stop(self, sig=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(timeout=PATIENCE)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Prometheus(Cloche):
    """Debian's Prometheus, asked the way cloche is asked; takes remote write. {port} in the configuration is its own."""

    def __init__(self, folder, config, args=()):
        super().__init__(folder, config=None)
        (folder / "prometheus.yml").write_text(config.replace("{port}", str(self.port)))
        self.server = Server(["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{self.port}",
                              "--storage.tsdb.path=data", "--web.enable-remote-write-receiver", *args], self.port,
                             cwd=str(folder))
        self.process = self.server.process


@contextlib.contextmanager
def beside_prometheus(one, folder, config, args=(), files=None):
    """A started cloche and a Prometheus that is ready; both are ended, and cloche's log is looked at."""
    other = None
    try:
        if not shutil.which("prometheus") or not shutil.which("promtool"):
            pytest.fail("prometheus is missing: apt-get install prometheus (tests/run does)")
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        other = Prometheus(folder, config, args)
        wait_for("prometheus", lambda: other.get("/-/ready"))
        yield other
    finally:
        one.stop()
        if other:
            other.server.stop()
    log = one.log()
    assert "Sanitizer" not in log and "runtime error" not in log, log[-20000:]


@pytest.fixture
def redis_server(tmp_path):
    made = []

    def make(*options, port=None):
        port = port or free_port()
        folder = tmp_path / f"redis-{len(made)}"
        folder.mkdir()
        server = Server(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
                         *options], port)
        server.url = f"redis://127.0.0.1:{port}/0"
        made.append(server)
        return server

    yield make
    for server in made:
        server.resume() if server.process.poll() is None else None
        server.stop()


def postgres_bin():
    return sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: float(p.split("/")[4]))[-1]


@pytest.fixture
def postgres_server(tmp_path_factory):
    made = []

    def make(auth="trust"):
        user = "postgres" if os.geteuid() == 0 else None
        folder = tmp_path_factory.mktemp("postgres")
        # PostgreSQL's user has to get through pytest's private folders.
        data = f"/tmp/cloche-test-postgres-{os.getpid()}-{len(made)}-{time.monotonic_ns()}"
        os.mkdir(data, 0o700)
        extra = {}
        if user:
            shutil.chown(data, user, user)
            extra = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        password = folder / "password"
        password.write_text("right-password\n")
        with open(password, encoding="ascii") as pw:
            os.chmod(folder / "password", 0o644)
            pwfile = f"{data}.password"
            shutil.copy(password, pwfile)
            os.chmod(pwfile, 0o644)
            del pw
        subprocess.run([f"{postgres_bin()}/initdb", "-D", data, "-U", "postgres", "-A", auth, f"--pwfile={pwfile}",
                        "--no-sync", "-E", "UTF8", "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd="/tmp", **extra)
        os.unlink(pwfile)
        port = free_port()
        server = Server([f"{postgres_bin()}/postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "",
                         "-c", "fsync=off"], port, user, cwd=data)
        server.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        server.data = data
        wait_for("PostgreSQL", lambda: subprocess.run(
            [f"{postgres_bin()}/pg_isready", "-h", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL).returncode == 0)
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(server.data, ignore_errors=True)


TASKS = '''
import os, time
from celery import Celery
app = Celery("app", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.update(task_send_sent_event=True, task_default_queue="celery", broker_connection_retry_on_startup=True)

@app.task(name="app.add")
def add(a, b):
    return a + b

@app.task(name="app.fail")
def fail(text):
    raise ValueError(text)

@app.task(name="app.flaky", bind=True, max_retries=2, default_retry_delay=0)
def flaky(self):
    if self.request.retries < 1:
        raise self.retry(exc=KeyError("not yet"))
    return "done"

@app.task(name="app.slow")
def slow(seconds):
    time.sleep(seconds)
'''


class CeleryApp:
    def __init__(self, folder, broker):
        self.folder, self.workers = str(folder), []
        self.env = {**os.environ, "BROKER": broker, "C_FORCE_ROOT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        with open(os.path.join(self.folder, "app.py"), "w", encoding="ascii") as f:
            f.write(TASKS)

    def worker(self, name="w1", *options):
        worker = Server(["/usr/bin/python3", "-m", "celery", "-A", "app", "worker", "-n", f"{name}@test", "-c", "2",
                         "--without-mingle", "--without-gossip", *options], 0, cwd=self.folder, env=self.env)
        self.workers.append(worker)
        return worker

    def send(self, code):
        """Runs Python in the application: send("app.add.delay(1, 2)"); prints of it are returned."""
        return subprocess.run(["/usr/bin/python3", "-c", "import app\n" + code], cwd=self.folder, env=self.env, check=True,
                              capture_output=True, text=True, timeout=PATIENCE).stdout

    def stop(self):
        for worker in self.workers:
            worker.stop(signal.SIGTERM) if worker.process.poll() is None else None


@pytest.fixture
def celery_app(tmp_path):
    made = []

    def make(broker):
        folder = tmp_path / f"celery-{len(made)}"
        folder.mkdir()
        one = CeleryApp(folder, broker)
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop()


class Sink:
    """An HTTP server that notes what is posted and answers what it is told to."""

    def __init__(self):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        sink = self
        self.requests, self.answers = [], []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sink.requests.append((time.monotonic(), self.path, dict(self.headers), json.loads(body)))
                status, headers = sink.answers.pop(0) if sink.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def payloads(self, path="/webhook"):
        return [body for _, p, _, body in self.requests if p == path]


@pytest.fixture
def sink():
    one = Sink()
    yield one
    one.server.shutdown()


class RawServer:
    """Accepts and does what `behave(connection)` says; for servers that hang, die or talk nonsense."""

    def __init__(self, behave):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = []
        self.behave = behave
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections.append(connection)
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with contextlib.suppress(OSError):
            self.behave(connection)

    def close(self):
        self.socket.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def raw_server():
    made = []

    def make(behave):
        made.append(RawServer(behave))
        return made[-1]

    yield make
    for server in made:
        server.close()
