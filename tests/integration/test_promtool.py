"""Debian's promtool and amtool against a running cloche, and what they and others read of its configuration."""
import json
import shutil
import subprocess

import pytest

from conftest import Cloche, wait_for

CONFIG = """
shipped_rules: false
external_labels: {site: 'a"b'}
targets:
  redis:
    - url: redis://:geheim@127.0.0.1:1/0
      labels: {env: 'x: y'}
    - url: redis://u:geheim@127.0.0.1:2/0
      name: second
      interval: 30s
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    if not shutil.which("promtool"):
        pytest.fail("promtool is missing: apt-get install prometheus (tests/run does)")
    server = Cloche(tmp_path_factory.mktemp("cloche"), CONFIG).start()
    yield server
    server.stop()
    assert "Sanitizer" not in server.log()


def test_the_configuration_that_is_shown_is_one_of_prometheus(one, tmp_path):
    yaml = one.json("/api/v1/status/config")["data"]["yaml"]
    assert "geheim" not in yaml
    (tmp_path / "p.yml").write_text(yaml)
    done = subprocess.run(["promtool", "check", "config", str(tmp_path / "p.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_reload_applies_the_query_options(one):
    wait_for("own figures", lambda: one.query("cloche_http_requests_total"))
    one.write_config(CONFIG + "query_max_series: 1\nquery_timeout: 7s\nretention: 3d\n")
    assert one.request("/-/reload", b"", "POST")[0] == 200
    status, body = one.request("/api/v1/query?query=%7B__name__%3D~%22cloche_.%2B%22%7D")
    assert status == 422 and json.loads(body)["errorType"] == "execution", body
    flags = one.json("/api/v1/status/flags")["data"]
    assert flags["query.timeout"] == "7s" and flags["storage.tsdb.retention.time"] == "15d"
    assert "take effect at the next start only options=retention" in one.log()
    before = one.json("/api/v1/status/runtimeinfo")["data"]
    assert before["reloadConfigSuccess"] is True and before["lastConfigTime"] > before["startTime"]
    one.write_config("query_timeout: soon\n")
    assert one.request("/-/reload", b"", "POST")[0] == 500
    after = one.json("/api/v1/status/runtimeinfo")["data"]
    assert after["reloadConfigSuccess"] is False and after["lastConfigTime"] == before["lastConfigTime"]
    one.write_config(CONFIG)
    assert one.request("/-/reload", b"", "POST")[0] == 200
    assert one.json("/api/v1/status/runtimeinfo")["data"]["reloadConfigSuccess"] is True
    assert one.json("/api/v1/status/flags")["data"]["query.timeout"] == "2m"


def test_a_slow_query_of_a_rule_is_logged_with_group_and_rule(cloche, tmp_path):
    rules = tmp_path / "slow.yml"
    rules.write_text("groups:\n  - name: heavy\n    interval: 1s\n    rules:\n      - record: slow:one\n"
                     "        expr: quantile_over_time(0.5, vector(time())[5d:1s])\n")
    one = cloche(f"rule_files: [{rules}]\nquery_log_slower_than: 1ms\nshipped_rules: false\n")
    wait_for("the line", lambda: 'group=heavy rule=slow:one query="quantile_over_time(0.5, vector(time())[5d:1s])"' in one.log())
    one.write_config(f"rule_files: [{rules}]\nquery_max_samples: 1000\nshipped_rules: false\n")
    assert one.request("/-/reload", b"", "POST")[0] == 200
    wait_for("the limit", lambda: "more than fit into memory" in one.get("/api/v1/rules"))
