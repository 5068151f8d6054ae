"""What the benches share: processes, figures from /proc, tables."""
import os
import socket
import statistics
import subprocess
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
CLOCHE = os.environ.get("CLOCHE", os.path.join(ROOT, "build/release/cloche"))
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(argv, **options):
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def get(url, timeout=30):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read()


def wait(condition, patience=60, pause=0.002):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                return value
        except OSError:
            pass
        time.sleep(pause)
    raise SystemExit("waited in vain")


def table(title, rows):
    """rows: (what, unit, cloche, peer or None, better) with better 'less' or 'more'."""
    print(f"\n{title}\n{'':34} {'cloche':>12} {'peer':>12}   cloche/peer")
    for what, unit, ours, theirs, better in rows:
        ratio = f"{ours / theirs:.2f}x ({better} is better)" if theirs else "no peer"
        print(f"{what + ', ' + unit:34} {ours:12.4g} {theirs if theirs is not None else float('nan'):12.4g}   {ratio}")


def median(values):
    return statistics.median(values)
