"""Grafana's JSON data sources: the requests of simpod-json-datasource and grafana-simple-json-datasource as their code sends
them through Grafana's proxy, against a store filled by remote write and a Celery application with a failing task."""
import datetime
import json
import time

import pytest

from conftest import wait_for
from remote_write import bits_of, series, write

PROXY = {"Content-Type": "application/json", "Accept": "application/json, text/plain, */*", "User-Agent": "Grafana/13.2.0",
         "X-Grafana-Org-Id": "1", "X-Forwarded-For": "10.0.0.7", "Via": "1.1 grafana", "X-Id-Token": "x"}
QUEUES = ["mail", "celery@host.name"]


def iso(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


class Grafana:
    """An hour of data up to self.now, asked as a panel 300 pixels wide."""

    def __init__(self, one):
        self.one, self.now = one, int(time.time()) // 300 * 300 * 1000

    def fill(self):
        times = range(self.now - 3600000, self.now + 1, 10000)  # enough for the cache of results
        message = b"".join(
            series({"__name__": name, "job": "celery", "queue": queue},
                   *[(t, bits_of(f((t - self.now) // 30000 + 120) * (1 + k))) for t in times])
            for name, f in (("queue_length", lambda i: i), ("busy", lambda i: 10 <= i < 20)) for k, queue in enumerate(QUEUES))
        assert write(self.one, message)[0] == 204

    def range(self):
        return {"from": iso(self.now - 3600000), "to": iso(self.now), "raw": {"from": "now-1h", "to": "now"}}

    def post(self, path, body, want=200):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer = self.one.request("/grafana/" + path, data=data, method="POST", headers=PROXY)
        assert status == want, answer
        return json.loads(answer)

    def refused(self, path, body, status=400):
        """Errors have a text for the panel and one for Save & test."""
        answer = self.post(path, body, status)
        assert answer["message"] == answer["error"]["message"] and answer["error"]["code"]
        return answer["message"]

    def new(self, *targets, **more):
        """/query of simpod-json-datasource."""
        return self.post("query", self.request(*targets, **more), more.pop("want", 200))

    def request(self, *targets, variables=None, **more):
        full = [{"refId": chr(65 + i), "payload": {}, "editorMode": "code", "datasource": {"type": "simpod-json-datasource", "uid": "j"},
                 **t} for i, t in enumerate(targets)]
        return {"app": "dashboard", "requestId": "SQR100", "timezone": "browser", "panelId": 2, "panelName": "P",
                "panelPluginId": "timeseries", "dashboardUID": "abc", "dashboardTitle": "D", "range": self.range(),
                "rangeRaw": {"from": "now-1h", "to": "now"}, "timeInfo": "", "interval": "30s", "intervalMs": 30000,
                "maxDataPoints": 300, "targets": full, "startTime": self.now, "filters": [],
                "scopedVars": {**(variables or {}), "__interval": {"text": "30s", "value": "30s"},
                               "__interval_ms": {"text": "30000", "value": 30000}, "__sceneObject": {}}, **more}

    def old(self, *targets, **more):
        """/query of grafana-simple-json-datasource."""
        return self.post("query", {"timezone": "browser", "panelId": 2, "dashboardId": 1, "range": self.range(),
                                   "rangeRaw": {"from": "now-1h", "to": "now"}, "interval": "30s", "intervalMs": 30000,
                                   "targets": [{"refId": "A", "hide": False, "type": "timeserie", **t} for t in targets],
                                   "maxDataPoints": 300, "scopedVars": {}, "adhocFilters": [], **more})


@pytest.fixture
def grafana(cloche):
    one = Grafana(cloche(args=["--store-only"]))
    one.fill()
    return one


def test_save_and_test(grafana):
    for path in ("/grafana", "/grafana/"):
        assert grafana.one.request(path, headers=PROXY)[0] == 200  # urllib would follow a redirect to another path: see unit test
        assert grafana.one.request(path, method="OPTIONS")[0] in (200, 204)
    assert grafana.one.request("/grafana/query", method="OPTIONS")[0] in (200, 204)


def test_series_of_both_plugins_are_those_of_prometheus_api(grafana):
    want = {r["metric"]["queue"]: [[float(v), int(t * 1000)] for t, v in r["values"]] for r in grafana.one.json(
        "/api/v1/query_range", query="queue_length", start=grafana.now / 1000 - 3600, end=grafana.now / 1000, step=30)["data"]["result"]}
    for answer in (grafana.new({"target": "queue_length"}), grafana.old({"target": "queue_length"})):
        assert {s["tags"]["queue"]: s["datapoints"] for s in answer} == want and set(want) == set(QUEUES)
        assert all(s["refId"] == "A" and s["target"] for s in answer)
    two = grafana.new({"target": "sum(queue_length)"}, {"target": "avg(queue_length)", "hide": True}, {"target": "vector(1)"})
    assert [s["refId"] for s in two] == ["A", "C"]
    # Different targets of one step do not get each other's answer, however often they are asked for.
    for _ in range(3):
        a, b = grafana.new({"target": "sum(queue_length)"}), grafana.new({"target": "2 * sum(queue_length)"})
        assert [[2 * v, t] for v, t in a[0]["datapoints"]] == b[0]["datapoints"]
    few = grafana.new({"target": "queue_length"}, maxDataPoints=10)
    assert 0 < len(few[0]["datapoints"]) <= 10
    assert grafana.new() == [] and grafana.old() == []


def test_tables_variables_and_filters(grafana):
    table = grafana.old({"target": "sum by (queue) (queue_length)", "type": "table"})[0]
    assert table["type"] == "table" and [c["text"] for c in table["columns"]] == ["Time", "queue", "Value"]
    assert sorted(table["rows"]) == sorted([[grafana.now, "mail", 120], [grafana.now, "celery@host.name", 240]])
    # A variable of several values, as the plugin's regex format puts it into the text.
    several = grafana.new({"target": r'queue_length{queue=~"(celery@host\.name|none)"}'})
    assert [s["tags"]["queue"] for s in several] == ["celery@host.name"]
    builder = grafana.new({"target": "queue_length", "payload": {"queue": [r"celery@host\.name"], "format": "timeseries"},
                           "editorMode": "builder"})
    assert [s["tags"]["queue"] for s in builder] == ["celery@host.name"]
    left = grafana.new({"target": 'queue_length{queue=~"$queue"}'}, variables={"queue": {"text": "mail", "value": ["mail"]}})
    assert [s["tags"]["queue"] for s in left] == ["mail"]
    for more in ({"filters": [{"key": "queue", "operator": "=", "value": "mail", "condition": "", "origin": "dashboard"}]},
                 {"filters": [{"key": "queue", "operator": "=|", "value": "mail", "values": ["mail"]}]},
                 {"adhocFilters": [{"key": "queue", "operator": "!=", "value": "celery@host.name"}], "filters": None}):
        assert [p[0] for p in grafana.new({"target": "sum(queue_length) + sum(queue_length)"}, **more)[0]["datapoints"]][-1] == 240


def test_drop_downs(grafana):
    metrics = {m["value"]: m for m in grafana.post("metrics", {})}
    assert {"queue_length", "busy", "cloche.failed_tasks"} <= set(metrics)
    chosen = {m["value"]: m for m in grafana.post("metrics", {"metric": "queue_length", "payload": {"queue": ["mail"]}})}
    assert ["job", "queue"] == [p["name"] for p in chosen["queue_length"]["payloads"]][:2]
    options = grafana.post("metric-payload-options", {"metric": "queue_length", "payload": {}, "name": "queue"})
    assert sorted(o["value"] for o in options) == sorted(QUEUES)
    values = grafana.post("variable", {"payload": {"target": "label_values(queue_length, queue)"}, "range": grafana.range()})
    assert sorted(v["__value"] for v in values) == sorted(QUEUES)
    assert "busy" in grafana.post("search", {"target": ""}) and grafana.post("search", {"target": "bus"}) == ["busy"]
    assert {"queue", "job"} <= {k["text"] for k in grafana.post("tag-keys", b"")}
    assert {k["value"] for k in grafana.post("tag-keys", {"filters": [], "timeRange": grafana.range()})} >= {"queue"}
    assert sorted(v["text"] for v in grafana.post("tag-values", {"key": "queue", "filters": []})) == sorted(QUEUES)


def test_annotations_while_a_series_is_not_0(grafana):
    first = grafana.now - 3600000 + 10 * 30000
    new = grafana.new({"target": 'busy{queue="mail"}', "refId": "Anno"}, variables={"__annotation": {"value": {"a": 1}}})[0]
    row = dict(zip([c["text"] for c in new["columns"]], new["rows"][0]))
    assert len(new["rows"]) == 1 and (row["time"], row["timeEnd"]) == (first, first + 9 * 30000)
    annotation = {"name": "n", "datasource": "j", "enable": True, "iconColor": "red", "query": 'busy{queue="mail"}'}
    old = grafana.post("annotations", {"range": grafana.range(), "rangeRaw": {"from": "now-1h", "to": "now"},
                                       "annotation": annotation, "variables": {}})
    assert len(old) == 1 and old[0]["annotation"] == annotation and old[0]["isRegion"] is True
    assert old[0]["time"] == first and 0 <= old[0]["timeEnd"] - first - 9 * 30000 < 30000 and "queue:mail" in old[0]["tags"]


def test_errors_say_what_is_wrong(grafana):
    assert "not JSON" in grafana.refused("query", b"{")
    assert "unknown metric foo" in grafana.refused("query", grafana.request({"target": "foo"}))
    assert "query A: 1:" in grafana.refused("query", grafana.request({"target": "sum("}))
    assert "cloche.workers" in grafana.refused("query", grafana.request({"target": "cloche.no"}))
    assert "payload" in grafana.refused("query", grafana.request({"target": "busy", "payload": [1]}))
    assert "operator" in grafana.refused("query", grafana.request(filters=[{"key": "a", "operator": "<", "value": "1"}]))
    assert "nested deeper" in grafana.refused("query", b'{"a":' * 5000)
    grafana.refused("no-such-path", {}, 404)
    status, body = grafana.one.request("/grafana/query", data=b" " * (1 << 20) + b"{}", method="POST", headers=PROXY)
    assert status == 413 and json.loads(body)["error"]


def test_failed_tasks_and_workers(cloche, redis_server, celery_app):
    redis = redis_server()
    one = cloche(f"targets:\n  celery:\n    - url: {redis.url}\n      interval: 1s\n")
    app = celery_app(redis.url)
    app.worker("w1", "-E")
    grafana = Grafana(one)
    wait_for("the worker", lambda: grafana.new({"target": "cloche.workers"})[0]["rows"])
    app.send("app.fail.delay('boom')")

    def failed():
        grafana.now = int(time.time() * 1000)
        return grafana.new({"target": "cloche.failed_tasks"})[0]["rows"]

    row = wait_for("the failed task", failed)[0]
    assert row[1:5] == ["app.fail", "FAILURE", "ValueError", "ValueError('boom')"]
    assert grafana.new({"target": "cloche.failed_tasks", "payload": {"name": "app.add"}})[0]["rows"] == []
    note = grafana.post("annotations", {"range": grafana.range(), "annotation": {"name": "f", "query": "cloche.failed_tasks"}})[0]
    assert note["time"] == row[0] and note["text"] == "ValueError('boom')" and "name:app.fail" in note["tags"]
    assert [v["__text"] for v in grafana.post("variable", {"payload": {"target": "cloche.task_names"}})] == ["app.fail"]
