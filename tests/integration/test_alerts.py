"""Alerts from a rule to a receiver: firing, resolved, restarts, receivers that fail."""
import os

from conftest import wait_for

RULES = """groups:
  - name: test
    interval: 1s
    rules:
      - alert: RedisGone
        expr: up{job="redis"} == 0
        for: 2s
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.instance }} is gone ({{ $value }})"
      - record: job:up:sum
        expr: sum by (job) (up)
"""


def start_watching(cloche, url, sink, start=True):
    one = cloche(start=False)
    with open(os.path.join(one.folder, "rules.yml"), "w", encoding="ascii") as f:
        f.write(RULES)
    one.write_config(
        "scrape_interval: 1s\nscrape_timeout: 1s\nevaluation_interval: 1s\nshipped_rules: false\nrule_files: [rules.yml]\n"
        f"targets:\n  redis: {{url: '{url}'}}\n"
        f"receivers:\n  - name: r\n    webhook_configs: [{{url: '{sink.url}/webhook'}}]\n"
        f"    slack_configs: [{{api_url: '{sink.url}/slack/T0/secret-path'}}]\n"
        "route: {group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n")
    return one.start() if start else one


def statuses(sink):
    return [p["status"] for p in sink.payloads()]


def test_firing_and_resolved_reach_webhook_and_slack(cloche, redis_server, sink):
    server = redis_server()
    one = start_watching(cloche, server.url, sink)
    wait_for("up", lambda: one.value("up{job='redis'}") == 1)
    wait_for("the record", lambda: one.value("job:up:sum{job='redis'}") == 1)
    server.stop()
    wait_for("pending or firing", lambda: one.json("/api/v1/alerts")["data"]["alerts"])
    wait_for("firing at the webhook", lambda: "firing" in statuses(sink))
    payload = sink.payloads()[0]
    assert payload["version"] == "4" and payload["receiver"] == "r"
    assert payload["groupLabels"] == {"alertname": "RedisGone"}
    alert = payload["alerts"][0]
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == f"127.0.0.1:{server.port} is gone (0)"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert one.query("ALERTS{alertname='RedisGone', alertstate='firing'}")


    def rule():
        return [r for g in one.json("/api/v1/rules")["data"]["groups"] for r in g["rules"] if r["name"] == "RedisGone"][0]

    wait_for("the rule to show it", lambda: rule()["state"] == "firing")
    assert rule()["health"] == "ok"
    wait_for("Slack", lambda: sink.payloads("/slack/T0/secret-path"))
    assert "is gone" in str(sink.payloads("/slack/T0/secret-path")[0])
    server.start()
    wait_for("resolved at the webhook", lambda: "resolved" in statuses(sink))
    assert statuses(sink).count("firing") == 1
    everything = one.log() + one.get("/api/ui/receivers") + one.get("/api/ui/notifications") + one.get("/api/ui/status")
    assert "secret-path" not in everything


def test_a_restart_neither_repeats_nor_forgets(cloche, redis_server, sink):
    server = redis_server()
    one = start_watching(cloche, server.url, sink)
    wait_for("up", lambda: one.value("up{job='redis'}") == 1)
    server.stop()
    wait_for("firing", lambda: "firing" in statuses(sink))
    active = one.json("/api/v1/alerts")["data"]["alerts"][0]["activeAt"]
    one.kill()
    one.start()
    again = wait_for("still firing", lambda: [a for a in one.json("/api/v1/alerts")["data"]["alerts"] if a["state"] == "firing"])
    assert again[0]["activeAt"] == active
    wait_for("evaluations after the restart", lambda: one.value("count_over_time(up{job='redis'}[10s])") >= 3)
    assert statuses(sink) == ["firing"]
    server.start()
    wait_for("resolved", lambda: "resolved" in statuses(sink))


def test_a_receiver_that_fails_is_tried_again_and_retry_after_counts(cloche, redis_server, sink):
    server = redis_server()
    sink.answers = [(500, {})] * 4 + [(429, {"Retry-After": "3"})] * 2  # both receivers of the route
    one = start_watching(cloche, server.url, sink)
    wait_for("up", lambda: one.value("up{job='redis'}") == 1)
    server.stop()
    wait_for("delivery after failures", lambda: len(sink.requests) >= 8)
    per_path = {}
    for t, path, _, _ in sink.requests:
        per_path.setdefault(path, []).append(t)
    webhook = per_path["/webhook"]
    assert len(webhook) >= 4
    assert webhook[3] - webhook[2] >= 2.9 or webhook[2] - webhook[1] >= 2.9  # after 429 it waited as told
    wait_for("sent", lambda: any(n["state"] == "sent" for n in one.json("/api/ui/notifications")["data"]))
