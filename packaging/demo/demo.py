"""The demo's supervisor: starts Redis, PostgreSQL, two Celery workers, the load and the webhook sink in the folder it
is run in, and ends all of them when it ends. Every child also dies with it (PR_SET_PDEATHSIG). cloche removes the
folder; where cloche was killed the supervisor does it."""
import argparse
import ctypes
import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
CHILDREN = []
CLOCHE = os.getppid()


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(name, argv, user=None, **env):
    print("starting", name, flush=True)
    child = subprocess.Popen(
        argv,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    CHILDREN.append((name, child))
    return child


ASKED_TO_END = []


def stop(*_):
    # Once: the kernel sends the signal again for each thread of a killed cloche that was our parent for an instant.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ASKED_TO_END.append(True)
    sys.exit(0)  # through finally: what is being run just now is killed on the way


def stop_all():
    for name, child in reversed(CHILDREN):
        if child.poll() is None:
            child.send_signal(signal.SIGQUIT if name == "postgresql" else signal.SIGKILL)
    for _, child in CHILDREN:
        try:
            child.wait(timeout=0.8)
        except subprocess.TimeoutExpired:
            child.kill()
    if not ASKED_TO_END:
        return  # cloche goes on, its data lies here, and it wants to read the log
    # Also after a kill -9 of cloche, when nobody else would. The folder is the one demo_start() made for us; a process
    # of initdb may still write for a moment.
    folder = os.getcwd()
    for _ in range(20):
        if not os.path.basename(folder).startswith("cloche-demo-") or not os.path.exists(folder):
            break
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def need(program, package):
    found = shutil.which(program)
    if not found:
        sys.exit(f"{program} is missing: install the package {package}")
    return found


def postgres_bin():
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: float(p.split("/")[4]))
    if not folders:
        sys.exit("PostgreSQL is missing: install the package postgresql")
    return folders[-1]


def start_postgres(port):
    """PostgreSQL refuses to run as root: then it runs as the package's user, in a folder of its own."""
    user = "postgres" if os.geteuid() == 0 else None
    data = os.path.abspath("postgres")
    os.mkdir(data, 0o700)
    if user:
        shutil.chown(data, user, user)
    run = dict(check=True, user=user, stdout=subprocess.DEVNULL, cwd=data)
    if user:
        run.update(group=pwd.getpwnam(user).pw_gid, extra_groups=[])
    binaries = postgres_bin()
    subprocess.run([f"{binaries}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
                    "--no-sync"], **run)
    start("postgresql", [f"{binaries}/postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1",
                         "-k", "", "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=40"], user)
    client = [f"{binaries}/psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1"]
    for _ in range(200):
        if subprocess.run(client + ["-c", "SELECT 1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            break
        time.sleep(0.05)
    subprocess.run(client + ["-c", "CREATE DATABASE shop"], check=True)
    subprocess.run(client + ["-d", "shop", "-f", "schema.sql"], check=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("redis", "postgres", "sink"):
        parser.add_argument(f"--{name}-port", type=int, required=True)
    ports = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    redis = need("redis-server", "redis-server")
    try:
        import celery, psycopg2, redis as _client  # noqa: F401
    except ImportError as error:
        sys.exit(f"{error.name} is missing: install the packages python3-celery python3-redis python3-psycopg2")
    start("webhook sink", [sys.executable, "sink.py", str(ports.sink_port)])
    start("redis", [redis, "--port", str(ports.redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", ".",
                    "--maxmemory", "256mb"])
    start_postgres(ports.postgres_port)
    env = {
        "DEMO_DIR": os.getcwd(),
        "DEMO_REDIS": f"redis://127.0.0.1:{ports.redis_port}/0",
        "DEMO_POSTGRES": f"host=127.0.0.1 port={ports.postgres_port} user=postgres dbname=shop",
        "PYTHONDONTWRITEBYTECODE": "1",
        "C_FORCE_ROOT": "1",
    }
    for node, queue, size in (("web", "web", "3"), ("batch", "batch", "2")):
        start(f"worker {node}", [sys.executable, "-m", "celery", "-A", "shop", "worker", "-n", f"{node}@shop", "-Q", queue,
                                 "-c", size, "--loglevel", "WARNING"], **env)
    start("load", [sys.executable, "load.py"], **env)
    while True:
        for name, child in CHILDREN:
            if child.poll() is not None:
                sys.exit(f"{name} has ended with status {child.returncode}")
        time.sleep(0.5)


if __name__ == "__main__":
    try:
        main()
    finally:
        stop_all()
