"""Moving data in and out: export, import, backup, on a directory and over HTTP, and by way of Debian's promtool."""
import math
import os
import re
import shutil
import struct
import subprocess
import time

import pytest
from conftest import BINARY, PATIENCE

STALE = "NaN {}.00009218868437227405314"  # bits of a stale marker behind the milliseconds


def run(*args, status=0, text=None):
    done = subprocess.run([BINARY, *map(str, args)], input=text, capture_output=True, text=True, timeout=PATIENCE * 2)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def history(now):
    """OpenMetrics text: types, odd labels, odd values, two days in steps of five minutes."""
    lines = []
    for step in range(0, 2 * 86400, 300):
        lines.append(f'jobs_total{{job="a",q="one"}} {step * 3} {now - 2 * 86400 + step}.250')
    lines = ["# TYPE jobs counter", "# HELP jobs Jobs \\\"done\\\".", *lines]
    lines += ["# TYPE temperature gauge"]
    for i, value in enumerate(["-0", "5e-324", "1e+308", "-1.7976931348623157e+308", "+Inf", "-Inf", "NaN", "0.1"]):
        lines.append(f"temperature {value} {now - 1000 + i}.00{i}")
    lines.append("temperature " + STALE.format(now - 900))
    lines += ["# TYPE odd unknown"]
    for value in ["\\\"", "\\\\", "\\n", "a\\\\nb", "é€😀", "{},=# \t", " pad "]:
        lines.append(f'odd{{l="{value}"}} 1 {now - 3600}.000')
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def text(folder):
    source = folder / "source.om"
    source.write_text(history(int(time.time()) // 60 * 60), encoding="utf-8")
    return source


def samples(lines):
    """{(series, ms): value} of promtool's dump."""
    out = {}
    for line in lines.splitlines():
        series, value, ms = re.fullmatch(r"(\{.*\}) (\S+) (-?\d+)", line).groups()
        out[series, int(ms)] = "NaN" if math.isnan(float(value)) else struct.pack("d", float(value))
    return out


def promtool_dump(folder, text):
    if not shutil.which("promtool"):
        pytest.skip("promtool (package prometheus) is not installed")
    blocks = folder / f"blocks-{time.monotonic_ns()}"
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, blocks], check=True,
                   capture_output=True, timeout=PATIENCE)
    (blocks / "wal").mkdir()
    return subprocess.run(["promtool", "tsdb", "dump", blocks], check=True, capture_output=True, text=True,
                          timeout=PATIENCE).stdout


def test_a_round_trip_gives_the_same_bytes(folder, text):
    _, said = run("import", "--data", folder / "a", text)
    assert "592 samples of 9 series" in said
    run("export", "--data", folder / "a", "--output", folder / "one.om")
    assert not (folder / "one.om.partial").exists()
    run("import", "--data", folder / "b", "-", text=(folder / "one.om").read_text(encoding="utf-8"))
    run("export", "--data", folder / "b", "--output", folder / "two.om")
    one = (folder / "one.om").read_bytes()
    assert one == (folder / "two.om").read_bytes()
    assert one.endswith(b"\n# EOF\n") and STALE.format("").split(".")[1].encode() in one
    run("import", "--data", folder / "b", folder / "one.om")  # the same again
    assert run("export", "--data", folder / "b")[0].encode() == one


def test_promtool_takes_an_export_and_its_dump_comes_back(folder, text):
    run("import", "--data", folder / "a", text)
    run("export", "--data", folder / "a", "--output", folder / "one.om")
    theirs = promtool_dump(folder, folder / "one.om")
    assert samples(theirs) == samples(promtool_dump(folder, text))
    (folder / "dump").write_text(theirs, encoding="utf-8")
    run("import", "--data", folder / "b", folder / "dump")
    run("export", "--data", folder / "b", "--output", folder / "two.om")
    assert samples(promtool_dump(folder, folder / "two.om")) == samples(theirs)


def test_a_running_cloche_exports_and_imports(folder, text, cloche):
    one = cloche(args=["--store-only"])
    _, said = run("import", "--data", one.data, text, status=1)
    assert "in use by process" in said and "--url" in said
    _, said = run("import", "--url", one.url, text)
    assert re.search(r"source.om: \d+ samples in", said)
    out, _ = run("export", "--url", one.url)
    assert out == one.get("/api/v1/export")
    narrow, _ = run("export", "--url", one.url, "--match", 'jobs_total{q="one"}', "--match", "temperature", "--start",
                    int(time.time()) - 7200)
    assert "odd" not in narrow and "jobs_total" in narrow and "temperature" in narrow
    assert one.json("/api/v1/metadata", metric="jobs_total")["data"]["jobs_total"][0]["type"] == "counter"
    one.stop()
    assert run("export", "--data", one.data)[0] == out


def test_large_texts_are_posted_in_pieces(folder, cloche):
    now = int(time.time()) - 86400
    rows = [f'# TYPE m{m} gauge\n# HELP m{m} Help.\n' +
            "".join(f'm{m}{{text="{"x" * 60}"}} {i} {now + i}.000\n' for i in range(4000)) for m in range(50)]
    (folder / "large").write_text("".join(rows) + "# EOF\n", encoding="ascii")
    assert (folder / "large").stat().st_size > 17e6
    one = cloche(args=["--store-only"])
    _, said = run("import", "--url", one.url, folder / "large")
    assert "200000 samples" in said
    assert len(one.json("/api/v1/metadata")["data"]) == 50
    out, _ = run("export", "--url", one.url)
    assert sum(not line.startswith("#") for line in out.splitlines()) == 200000


def test_bad_lines_are_named_and_nothing_before_them_is_lost(folder, cloche):
    (folder / "bad.prom").write_text("# TYPE a gauge\na 1 1700000000000\na{x} 2 1700000001000\na 3 1700000002000\n",
                                     encoding="ascii")
    _, said = run("import", "--data", folder / "a", folder / "bad.prom", status=1)
    assert "bad.prom:3:4: '=' behind the label name expected, not \"} 2" in said and "1 samples of 1 series" in said
    _, said = run("import", "--data", folder / "a", "--skip-bad", folder / "bad.prom")
    assert "1 bad lines left out, the first: line 3, column 4" in said
    assert run("export", "--data", folder / "a")[0] == (
        "# TYPE a gauge\na 1 1700000000.000\na 3 1700000002.000\n# EOF\n")
    one = cloche(args=["--store-only", "--retention", "0"])
    _, said = run("import", "--url", one.url, folder / "bad.prom", status=1)
    assert "bad.prom: line 3, column 4" in said and "1 samples before it were taken" in said
    _, said = run("import", "--url", one.url, "--skip-bad", folder / "bad.prom")
    assert "2 samples" in said and "1 bad lines" in said


def test_what_the_store_refuses_is_counted(folder, cloche):
    one = cloche(args=["--store-only"])  # keeps 15 days
    text = f"a 1 1000000000000\na 2 {int(time.time())}000\n"
    _, said = run("import", "--url", one.url, "-", text=text, status=1)
    assert "1 samples refused" in said and "retention" in said


def test_wrong_calls_say_what_is_wrong(folder):
    assert "holds no data" in run("export", "--data", folder / "none", status=1)[1]
    assert "is cloche running there?" in run("export", "--url", "http://127.0.0.1:1", status=1)[1]
    assert "either --data" in run("import", "--data", "x", "--url", "y", "z", status=2)[1]
    assert "--format is" in run("import", "--format", "csv", "z", status=2)[1]
    assert "--match" in run("export", "--data", folder / "none", "--match", "{", status=2)[1]
    assert "cannot tell whether" in run("import", "--data", folder / "a", "-", text="up 1 5\n", status=1)[1]
    assert "No such file" in run("import", "--data", folder / "a", folder / "absent", status=1)[1]
    os.mkdir(folder / "there")
    assert "exists" in run("backup", "--data", folder / "a", folder / "there", status=1)[1]
