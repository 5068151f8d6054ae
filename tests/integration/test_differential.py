"""cloche beside Debian's Prometheus: promtool works on it, the answers of /api/v1 have the same keys and types, and what
Prometheus refuses is refused with the same status and errorType. Clients written for one work with the other.
Debian's is a 2.x: what 3.x changed (names of labels may be any UTF-8) is not compared."""
import json
import subprocess
import time
import urllib.parse

import pytest

from conftest import Cloche, beside_prometheus, wait_for

RULES = """
groups:
  - name: shape
    rules:
      - alert: Always
        expr: up >= 0
        labels: {severity: none}
        annotations: {summary: 'it is {{ $value }}'}
      - alert: Never
        expr: up > 2
        for: 1m
"""

PROMETHEUS = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs: [{job_name: self, static_configs: [{targets: ['127.0.0.1:{port}']}]}]
"""

CLOCHE = """
scrape_interval: 1s
scrape_timeout: 1s
evaluation_interval: 1s
targets:
  host: {{}}
rule_files: ['{folder}/rules.yml']
"""


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloche")
    (folder / "rules.yml").write_text(RULES)
    one = Cloche(folder, CLOCHE.format(folder=folder)).start()
    with beside_prometheus(one, tmp_path_factory.mktemp("prometheus"), PROMETHEUS, files={"rules.yml": RULES}) as other:
        for server in (one, other):
            wait_for("samples", lambda: server.query("up"))
            wait_for("an alert", lambda: server.json("/api/v1/alerts")["data"]["alerts"])
            wait_for("metadata", lambda: server.json("/api/v1/metadata")["data"])
        yield one, other


def promtool(one, *args):
    kind, *rest = args
    done = subprocess.run(["promtool", "query", kind, *rest], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
    return done.stdout


def test_promtool_asks_cloche(peers):
    one, _ = peers
    now = int(time.time())
    assert "up{" in promtool(one, "instant", one.url, "up")
    assert "scalar: 3" in promtool(one, "instant", one.url, "scalar(vector(3))")
    assert "up{" in promtool(one, "range", f"--start={now - 60}", f"--end={now}", "--step=5s", one.url, "up")
    assert '__name__="up"' in promtool(one, "series", "--match=up", one.url)
    assert "node" in promtool(one, "labels", one.url, "job")


def kind_of(value):
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def differences(theirs, ours, path="", own_keys=()):
    """What a client of `theirs` would miss in `ours`. More keys are no harm; of a list the first elements are compared.
    Keys in own_keys name something of the server's own (labels): their values are not followed."""
    if kind_of(theirs) != kind_of(ours):
        return [f"{path}: {kind_of(theirs)} there, {kind_of(ours)} here"]
    if isinstance(theirs, dict):
        found = []
        for key, value in theirs.items():
            where = f"{path}.{key}"
            if key in own_keys:
                found += [] if kind_of(ours.get(key)) == kind_of(value) else [f"{where}: {kind_of(ours.get(key))} here"]
            elif key not in ours:
                found.append(f"{where}: missing")
            else:
                found += differences(value, ours[key], where, own_keys)
        return found
    if isinstance(theirs, list) and theirs:
        return differences(theirs[0], ours[0], path + "[0]", own_keys) if ours else [f"{path}: empty here"]
    return []


def answers(peers, path, **params):
    query = "?" + urllib.parse.urlencode(params, doseq=True) if params else ""
    return [(lambda status, body: (status, json.loads(body)))(*server.request(path + query)) for server in peers]


NOW = time.time()
SHAPES = [
    ("query", {"query": "up"}),
    ("query", {"query": "up[10s]"}),
    ("query", {"query": "scalar(vector(1))"}),
    ("query", {"query": '"text"'}),
    ("query", {"query": "vector(1) / 0"}),
    ("query", {"query": "absent_here"}),
    ("query_range", {"query": "up", "start": NOW - 60, "end": NOW + 600, "step": "1s"}),
    ("query_range", {"query": "1 + 1", "start": NOW - 60, "end": NOW, "step": 15}),
    ("series", {"match[]": "up"}),
    ("series", {"match[]": ["up", "absent_here"]}),
    ("labels", {}),
    ("labels", {"match[]": "up"}),
    ("label/__name__/values", {}),
    ("label/job/values", {"match[]": "up"}),
    ("label/absent_here/values", {}),
    ("targets", {}),
    ("targets", {"state": "active"}),
    ("rules", {}),
    ("rules", {"type": "alert"}),
    ("alerts", {}),
    ("status/buildinfo", {}),
]


@pytest.mark.parametrize("path, params", SHAPES)
def test_answers_have_the_same_shape(peers, path, params):
    (our_status, ours), (their_status, theirs) = answers(peers, "/api/v1/" + path, **params)
    assert our_status == their_status == 200
    assert ours["status"] == theirs["status"] == "success"
    if path.startswith("query"):
        assert ours["data"]["resultType"] == theirs["data"]["resultType"]
    if path == "rules":  # Prometheus has one group: the same one of ours is compared, not the shipped ones
        ours["data"]["groups"] = [g for g in ours["data"]["groups"] if g["name"] == "shape"]
        assert [r["name"] for r in ours["data"]["groups"][0]["rules"]] == ["Always", "Never"]
    own = ("metric", "labels", "discoveredLabels", "annotations")
    own += ("data",) if path == "series" else ()  # each is a label set
    assert differences(theirs, ours, own_keys=own) == []


def test_metadata_has_the_same_shape(peers):
    (_, ours), (_, theirs) = answers(peers, "/api/v1/metadata")
    first = next(iter(theirs["data"].values()))
    for name, entries in ours["data"].items():
        assert differences(first, entries, name) == []


REFUSED = [
    ("query", {}),
    ("query", {"query": ""}),
    ("query", {"query": "sum("}),
    ("query", {"query": "rate(up)"}),
    ("query", {"query": 'up{a=~"("}'}),
    ("query", {"query": "foo * on(a) bar up"}),
    ("query", {"query": "up", "time": "xx"}),
    ("query", {"query": "up", "timeout": "x"}),
    ("query_range", {"query": "up"}),
    ("query_range", {"query": "up", "start": 1, "end": 2}),
    ("query_range", {"query": "up", "start": 1, "end": 2, "step": 0}),
    ("query_range", {"query": "up", "start": 1, "end": 2, "step": -1}),
    ("query_range", {"query": "up", "start": "x", "end": 2, "step": 1}),
    ("query_range", {"query": "up", "start": 5, "end": 2, "step": 1}),
    ("query_range", {"query": "up", "start": 0, "end": 2000000, "step": 1}),
    ("query_range", {"query": "up[5m]", "start": 1, "end": 2, "step": 1}),
    ("series", {}),
    ("series", {"match[]": "up{"}),
    ("series", {"match[]": '{a=""}'}),
    ("labels", {"start": "x"}),
]


@pytest.mark.parametrize("path, params", REFUSED)
def test_what_prometheus_refuses_is_refused_the_same_way(peers, path, params):
    (our_status, ours), (their_status, theirs) = answers(peers, "/api/v1/" + path, **params)
    assert (our_status, ours["status"], ours["errorType"]) == (their_status, theirs["status"], theirs["errorType"])
    assert len(ours["error"]) > 10


def test_an_unknown_path_is_not_found(peers):
    assert [server.request("/api/v1/nowhere")[0] for server in peers] == [404, 404]


def test_evaluation_errors_have_the_same_type(peers):
    """Two series on both sides of a match: known only when it is run."""
    status, errors = zip(*answers(peers, "/api/v1/query", query="{__name__=~'.+'} * on() {__name__=~'.+'}"))
    assert status[0] == status[1] == 422
    assert errors[0]["errorType"] == errors[1]["errorType"] == "execution"
