"""What a start meets: folders, ports, formats, mistakes in files; and that what was acknowledged survives."""
import json
import os
import resource
import socket
import subprocess

from conftest import BINARY, Cloche, wait_for


def test_an_empty_start_answers_queries_and_ends_in_time(cloche):
    one = cloche(args=["--store-only"])
    assert one.query("vector(1)")[0][1] == 1.0
    assert one.json("/api/v1/status/buildinfo")["status"] == "success"
    seconds, status = one.stop()
    assert status == 0
    assert seconds < 30  # the promise of 2 s is measured by the bench; sanitizers and loaded machines are slower


def test_a_second_start_on_the_same_data_is_refused(cloche):
    one = cloche(args=["--store-only"])
    two = cloche(start=False, args=["--store-only"])
    two.data = one.data
    status, text = two.run_to_end()
    assert status == 1
    assert one.data in text and str(one.process.pid) in text


def test_closed_standard_streams_are_never_a_file_of_the_store(cloche):
    one = cloche(args=["--store-only"], start=False)
    one.process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *one.command()], env=one.env)
    wait_for("cloche to be ready", lambda: one.alive() and one.get("/-/ready"))
    assert {os.readlink(f"/proc/{one.process.pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}


def test_a_port_in_use_is_named(cloche):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one = cloche(start=False, args=["--store-only"])
        one.port = taken.getsockname()[1]
        status, text = one.run_to_end()
    assert status == 1
    assert f"127.0.0.1:{one.port}" in text and "has the port" in text


def test_a_folder_that_cannot_be_written_is_named(cloche, tmp_path):
    one = cloche(start=False, args=["--store-only"])
    one.data = "/proc/nowhere/data"
    status, text = one.run_to_end()
    assert status == 1
    assert "/proc/nowhere/data" in text


def test_a_remote_address_is_refused_unless_said(cloche):
    one = cloche(start=False, args=["--store-only", "--listen", "0.0.0.0:0"])
    status, text = one.run_to_end()
    assert status == 1
    assert "allow_remote" in text


def test_a_typo_in_the_configuration_has_its_place(cloche):
    one = cloche(config="scrape_intervall: 5s\n", start=False)
    status, text = one.run_to_end()
    assert status == 1
    assert "cloche.yaml:1:1" in text and 'did you mean "scrape_interval"' in text


def test_own_dashboards_are_still_there_after_reloads(cloche, tmp_path):
    folder = tmp_path / "boards"
    folder.mkdir()
    (folder / "mine.json").write_text('{"uid": "mine", "title": "Mine", "panels": []}', encoding="ascii")
    one = cloche(config=f"dashboards: '{folder}'\n")
    for _ in range(5):
        assert '"mine"' in one.get("/api/ui/dashboards")
        status, body = one.request("/-/reload", method="POST", data=b"")
        assert status == 200, body
    assert '"mine"' in one.get("/api/ui/dashboards")


def test_a_typo_in_a_rule_file_has_its_place(cloche):
    one = cloche(start=False)
    rules = os.path.join(one.folder, "rules.yml")
    with open(rules, "w", encoding="ascii") as f:
        f.write("groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: sum(rat(up[5m]))\n")
    one.write_config("rule_files: [rules.yml]\n")
    status, text = one.run_to_end()
    assert status == 1
    assert "rules.yml:5:" in text and "rat" in text
    check = subprocess.run([BINARY, "check", "--config", one.config_path], capture_output=True, text=True)
    assert check.returncode == 1 and "rules.yml:5:" in check.stderr
    # The same by reload: the old rules stay and it goes on.
    one.write_config("")
    one.start()
    one.write_config("rule_files: [rules.yml]\n")
    status, body = one.request("/-/reload", method="POST", data=b"")
    assert status >= 400 and "rules.yml:5:" in body
    assert one.get("/-/healthy")


def test_check_says_fine(cloche):
    one = cloche(start=False)
    check = subprocess.run([BINARY, "check", "--config", one.config_path], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
    assert "fine" in check.stdout


def test_samples_survive_kill_9(cloche):
    one = cloche(config="scrape_interval: 1s\n")
    count = wait_for("five samples", lambda: (one.value("count_over_time(up{job='cloche'}[10m])") or 0) >= 5 and
                     one.value("count_over_time(up{job='cloche'}[10m])"))
    first = one.query("min_over_time(timestamp(up{job='cloche'})[10m:1s])")
    one.kill()
    one.start()
    assert one.value("count_over_time(up{job='cloche'}[10m])") >= count
    assert one.query("min_over_time(timestamp(up{job='cloche'})[10m:1s])")[0][1] <= first[0][1]


def test_a_full_disk_is_said_and_mended(cloche):
    """RLIMIT_FSIZE stands for a full disk: writes beyond it fail with EFBIG. LMDB's two meta pages lie below 8192: a full
    disk never refuses them, because they have their place already."""
    one = cloche(config="scrape_interval: 1s\n", start=False)
    one.start()
    wait_for("samples", lambda: one.value("up{job='cloche'}"))
    size = max(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(one.data) for name in names)
    unlimited = resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (8192, unlimited[1]))
    assert size > 8192
    status, body = wait_for("the failure to be said",
                            lambda: (lambda answer: answer if answer[0] == 503 else None)(one.request("/-/ready")))
    assert body.strip()
    assert one.value("up{job='cloche'}") == 1.0  # reads go on
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, unlimited)
    wait_for("recovery", lambda: one.get("/-/ready"))


def test_upload_of_a_huge_body_is_refused_before_it_is_read(cloche):
    one = cloche(args=["--store-only"])
    with socket.create_connection(("127.0.0.1", one.port), timeout=30) as s:
        s.sendall(b"POST /api/v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10737418240\r\n"
                  b"Content-Type: application/x-www-form-urlencoded\r\n\r\n")
        assert b" 413 " in s.recv(4096)


def test_a_typo_in_a_query_has_its_place(cloche):
    one = cloche(args=["--store-only"])
    status, body = one.request("/api/v1/query?query=sum(rate(up[5m])")
    assert status == 400
    answer = json.loads(body)
    assert answer["errorType"] == "bad_data"
    assert "1:" in answer["error"]


def test_environment_variables_are_enough(cloche, redis_server):
    server = redis_server()
    one = cloche(config=None, env={"CELERY_BROKER_URL": server.url})
    assert wait_for("Redis", lambda: one.target("redis")["health"] == "up")
    found = one.json("/api/ui/status")["config"]["found"]
    assert any(f["how"] == "CELERY_BROKER_URL" for f in found)
    assert isinstance(one, Cloche)


def test_addresses_of_prometheus_lead_to_the_page_explore(cloche):
    import urllib.request
    one = cloche(args=["--store-only"])
    with urllib.request.urlopen(one.url + "/graph?g0.expr=up%20%3E%200&g0.tab=1", timeout=30) as answer:
        assert answer.geturl() == one.url + "/explore?q=up%20%3E%200"
        assert answer.headers["Content-Type"].startswith("text/html")
