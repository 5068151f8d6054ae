"""cloche query on a data directory and against a server: the same samples, the same bytes."""
import csv
import io
import json
import math
import os
import signal
import subprocess
import time

import pytest
from conftest import BINARY, PATIENCE, wait_for

START = int(time.time()) // 3600 * 3600 - 7200
END = START + 3600


def run(*args, status=0, env=None):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, "COLUMNS": "120", **(env or {})})
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def samples():
    lines = ["# TYPE queue_length gauge"]
    for queue in ("fast", "schön", "東京"):
        for t in range(START, END + 1, 15):
            if queue != "schön" or not START + 1200 < t < START + 2400:
                value = round(10 * math.sin((t - START) / 600), 3) + len(queue)
                lines.append(f'queue_length{{job="site",queue="{queue}"}} {value} {t}')
    lines.append("# TYPE jobs counter")
    for t in range(START, END + 1, 15):
        lines.append(f'jobs_total{{job="site"}} {(t - START) * 2} {t}')
    for i, value in enumerate(("NaN", "+Inf", "1e-300", "0.1")):
        lines.append(f'odd{{text="a\\\\b\\"c\\nd{i}"}} {value} {END}')
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture
def data(tmp_path):
    source = tmp_path / "samples.om"
    source.write_text(samples(), encoding="utf-8")
    run("import", "--data", tmp_path / "data", source)
    return tmp_path / "data"


CALLS = [
    ["--time", END, "queue_length"],
    ["--time", END, "sort_desc(queue_length)"],
    ["--time", END, '{__name__=~".+"}'],
    ["--time", END, "--no-header", "sum(queue_length)"],
    ["--time", END, "queue_length[1m]"],
    ["--time", END, "--format", "sparkline", "queue_length[10m]"],
    ["--time", END, "scalar(jobs_total)"],
    ["--time", END, '"text\\n"'],
    ["--time", END, "absent_here"],
    ["--time", END, "rate(queue_length[5m])"],
    ["--start", START, "--end", END, "queue_length"],
    ["--start", START, "--end", END, "--step", "10m", "--format", "table", '{__name__=~"queue.*|jobs.*"}'],
    ["--start", START, "--end", END, "rate(jobs_total[5m])"],
    ["--start", START, "--end", END, "--step", "7m", "time() % 1000"],
]


@pytest.mark.parametrize("kind", [[], ["--json"], ["--format", "csv"], ["--format", "table"]])
def test_both_sources_print_the_same_bytes(data, cloche, kind):
    local = [run("query", "--data", data, *kind, *call) for call in CALLS]
    one = cloche(args=["--store-only", "--retention", "0"], start=False)
    os.rename(data, one.data)
    one.start()
    for call, (out, notes) in zip(CALLS, local):
        assert run("query", "--url", one.url, *kind, *call) == (out, notes), call
        assert out or "absent_here" in call
    one.stop()


def test_tables_sparklines_json_and_csv_say_what_is_stored(data):
    out, _ = run("query", "--data", data, "--time", END, "queue_length")
    head, titles, *rows = out.splitlines()
    assert head.startswith('queue_length{job="site"}  20') and titles.split() == ["queue", "value"]
    assert [row.split()[0] for row in rows] == ["fast", "schön", "東京"]
    out, _ = run("query", "--data", data, "--start", START, "--end", END, "queue_length")
    rows = out.splitlines()[2:]
    assert all(len(row.split()[-1]) == 61 for row in rows), out
    assert "·······" in rows[1] and "·" not in rows[0] and "█" in rows[2]
    answer = json.loads(run("query", "--data", data, "--time", END, "--json", "odd")[0])
    assert [r["value"][1] for r in answer["data"]["result"]] == ["NaN", "+Inf", "1e-300", "0.1"]
    rows = list(csv.reader(io.StringIO(run("query", "--data", data, "--time", END, "--format", "csv", "odd")[0])))
    assert rows[0] == ["__name__", "text", "timestamp", "value"] and rows[1][1] == 'a\\b"c\nd0' and len(rows) == 5
    out, said = run("query", "--data", data, "--since", "5m", "--format", "csv", "vector(1)")
    assert len(out.splitlines()) == 62 and said == ""  # 5 s a step
    assert run("query", "--data", data, "--time", "now-1000000h", "queue_length") == ("", "cloche: no data\n")


def test_errors_are_the_same_from_both_sources(data, cloche):
    one = cloche(args=["--store-only", "--retention", "0"])
    calls = [
        (["sum(queue_length"], 2, '1:17: parse error: ', "\n  sum(queue_length\n                  ^\n"),
        (["schön{"], 2, "1:4: parse error: ", "\n  schön{\n     ^\n"),
        (["rate(jobs_total)"], 2, "1:6: parse error: expected type range vector", "\n       ^\n"),
        (["--since", "1h", "jobs_total[5m]"], 1, "invalid expression type \"range vector\" for range query", ""),
        (["--since", "20000h", "--step", "1s", "vector(1)"], 1, "11,000 points", ""),
    ]
    for call, status, says, shown in calls:
        _, local = run("query", "--data", data, *call, status=status)
        _, remote = run("query", "--url", one.url, *call, status=status)
        for said in (local, remote):
            assert said.startswith("cloche: ") and says in said and shown in said, said
    assert "use by process" in run("query", "--data", one.data, "up", status=1)[1]
    assert "--url" in run("query", "--data", one.data, "up", status=1)[1]
    assert run("query", "--url", one.url + "/", "--no-header", "1") == ("1\n", "")


def test_wrong_calls_say_what_is_wrong(tmp_path):
    for args, says in [
        ([], "one expression"), (["a", "b"], "one expression"), (["--url", "x", "--data", "y", "up"], "either --data"),
        (["--time", "yesterday", "up"], "--time: \"yesterday\" is no time"), (["--since", "x", "up"], "--since"),
        (["--time", "now", "--since", "1h", "up"], "--time is for one point"), (["--step", "1m", "up"], "a range needs"),
        (["--start", "now", "--end", "now-1h", "up"], "ends before it starts"), (["--format", "xml", "up"], "--format is"),
        (["--since", "1h", "--step", "0", "up"], "--step"), (["--since", "1h", "--start", "now", "up"], "either --start"),
        (["-up"], "behind --"),
    ]:
        out, said = run("query", *args, status=2)
        assert out == "" and says in said, said
    assert "holds no data" in run("query", "--data", tmp_path / "none", "up", status=1)[1]
    assert not (tmp_path / "none").exists()
    assert "is cloche running there?" in run("query", "--url", "http://127.0.0.1:1", "up", status=1)[1]


def http(body, status="200 OK"):
    def behave(connection):
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        connection.close()
    return behave


@pytest.mark.parametrize("body", [
    "", "{", "[]", '{"data":{"resultType":"vector","result":{}}}', '{"data":{"resultType":"histogram","result":[]}}',
    '{"data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}',
    '{"data":{"resultType":"vector","result":[{"metric":{"a":1},"value":[1,"2"]}]}}',
    '{"data":{"resultType":"vector","result":[{"value":[1,"2"]}]}}',
    '{"data":{"resultType":"matrix","result":[{"metric":{},"values":[]}]}}',
    '{"data":{"resultType":"scalar","result":[1e300,"2"]}}', '{"data":{"resultType":"scalar","result":[1,"x"]}}'])
def test_a_server_that_talks_nonsense_is_named(raw_server, body):
    url = f"http://127.0.0.1:{raw_server(http(body)).port}"
    assert run("query", "--url", url, "up", status=1) == ("", f"cloche: {url}: the answer is not Prometheus' JSON\n")
    url = f"http://127.0.0.1:{raw_server(http(body, '502 Bad')).port}"
    assert "answered with status 502" in run("query", "--url", url, "up", status=1)[1]


def test_a_closed_pipe_is_no_failure_and_a_full_disk_is_one(data):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([BINARY, "query", "--data", data, "--time", str(END), "queue_length"], stdout=write,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, "query", "--data", data, "1"], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=PATIENCE)
    assert done.returncode == 1 and "standard output: No space left" in done.stderr


def test_interrupts_end_both_ways(data, raw_server):
    server = raw_server(lambda connection: connection.recv(65536) and time.sleep(PATIENCE))
    asking = subprocess.Popen([BINARY, "query", "--url", f"http://127.0.0.1:{server.port}", "up"])
    wait_for("the request", lambda: server.connections)
    asking.send_signal(signal.SIGINT)
    assert asking.wait(timeout=PATIENCE) == -signal.SIGINT
    # Quantiles of quantiles: minutes of work. The lock is taken while it runs.
    heavy = "quantile_over_time(0.5, " * 2 + "queue_length" + "[1h:100ms])" * 2
    asking = subprocess.Popen([BINARY, "query", "--data", data, "--time", str(END), heavy])
    wait_for("the lock", lambda: (data / "lock").read_text().split()[:1] == [str(asking.pid)])
    time.sleep(0.5)
    asking.send_signal(signal.SIGINT)
    assert asking.wait(timeout=PATIENCE) == -signal.SIGINT
    assert run("query", "--data", data, "--no-header", "1") == ("1\n", "")
