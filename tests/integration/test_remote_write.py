"""Remote write: Debian's Prometheus sends what it scrapes, and what is read back is what it has; requests made here for
values that a scrape seldom brings; and a sender that is told what was refused."""
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import Cloche, Server, wait_for
from remote_write import bits_of, series, write

PROMETHEUS = """
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]
remote_write:
  - url: {url}/api/v1/write
    queue_config: {{batch_send_deadline: 1s}}
    metadata_config: {{send_interval: 1s}}
"""
SERIES = ["up", "prometheus_build_info", "process_start_time_seconds", "prometheus_tsdb_head_series",
          'prometheus_http_requests_total{handler="/metrics"}', "go_gc_duration_seconds", "scrape_samples_scraped",
          'prometheus_http_request_duration_seconds_bucket{handler="/metrics"}']


class Peer(Cloche):
    """Scrapes the port, or itself."""

    def __init__(self, folder, receiver, port=None):
        super().__init__(folder, config=None)
        (folder / "prometheus.yml").write_text(PROMETHEUS.format(port=port or self.port, url=receiver))
        self.server = Server(["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{self.port}",
                              "--storage.tsdb.path=data"], self.port, cwd=str(folder))


@pytest.fixture
def prometheus(tmp_path):
    if not shutil.which("prometheus"):
        pytest.fail("prometheus is missing: apt-get install prometheus (tests/run does)")
    made = []

    def make(receiver, port=None):
        folder = tmp_path / "prometheus"
        folder.mkdir()
        made.append(Peer(folder, receiver, port))
        return made[-1]

    yield make
    for one in made:
        one.server.stop()


class Exposition:
    """/metrics with the text it is told."""

    def __init__(self):
        self.text, exposition = "", self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(exposition.text.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def exposition():
    one = Exposition()
    yield one
    one.server.shutdown()


def points(one, selector, end):
    """All samples of the minute before end: labels to [(time, value as text)..]."""
    result = one.json("/api/v1/query", query=f"{selector}[1m]", time=end)["data"]["result"]
    return {tuple(sorted(r["metric"].items())): r["values"] for r in result}


def test_prometheus_sends_what_it_scrapes(cloche, prometheus):
    one = cloche(args=["--store-only"])
    peer = prometheus(one.url)
    wait_for("ten scrapes", lambda: (peer.value("count_over_time(up[1m])") or 0) >= 10)
    end = time.time()
    wait_for("what was scraped until now", lambda: one.value("timestamp(up)") > end)
    for selector in SERIES:
        expected = points(peer, selector, end)
        assert expected, selector
        assert points(one, selector, end) == expected, selector
    counts = [one.query("count({__name__=~'.+'})", time=end), peer.query("count({__name__=~'.+'})", time=end)]
    assert counts[0] == counts[1]
    wait_for("metadata", lambda: one.json("/api/v1/metadata", metric="prometheus_http_requests_total")["data"])
    for metric in "prometheus_http_requests_total", "go_goroutines":
        mine, its = [x.json("/api/v1/metadata", metric=metric)["data"][metric][0] for x in (one, peer)]
        assert (mine["type"], mine["help"]) == (its["type"], its["help"])


def test_a_series_that_vanishes_is_stale_at_once(cloche, prometheus, exposition):
    one = cloche(args=["--store-only"])
    exposition.text = "stays 1\nvanishes 1\n"
    prometheus(one.url, exposition.port)
    wait_for("both", lambda: one.value("stays") == 1 and one.value("vanishes") == 1)
    exposition.text = "stays 2\n"
    wait_for("the one that stays, alone", lambda: one.value("stays") == 2 and one.query("vanishes") == [])


# Requests made by hand.

VALUES = {"inf": (bits_of(float("inf")), "+Inf"), "minus_inf": (bits_of(float("-inf")), "-Inf"),
          "nan": (0x7ff8000000000001, "NaN"), "nan_payload": (0xfff8dead0000beef, "NaN"),
          "minus_zero": (1 << 63, "-0"), "zero": (0, "0"), "denormal": (1, "5e-324"),
          "largest_denormal": (0x000fffffffffffff, "2.225073858507201e-308"),
          "largest": (0x7fefffffffffffff, "1.7976931348623157e+308"), "third": (bits_of(1 / 3), "0.3333333333333333"),
          "odd": (bits_of(9007199254740993.0), "9007199254740992")}


def test_values_come_back_bit_for_bit(cloche):
    one = cloche(args=["--store-only"])
    now = int(time.time()) * 1000
    message = b"".join(series({"__name__": "v", "case": case}, (now - 2000, bits), (now - 1000, bits))
                       for case, (bits, _) in VALUES.items())
    assert write(one, message)[0] == 204

    def check():
        for case, (_, text) in VALUES.items():
            (result,) = one.json("/api/v1/query", query=f'v{{case="{case}"}}[1m]', time=now / 1000)["data"]["result"]
            assert [v for _, v in result["values"]] == [text, text], case
    check()
    one.kill()  # what was answered was committed
    one.start()
    check()


def test_a_stale_marker_ends_a_series(cloche):
    one = cloche(args=["--store-only"])
    now = int(time.time()) * 1000
    labels = {"__name__": "short_lived"}
    assert write(one, series(labels, (now - 3000, bits_of(1.0)), (now - 1000, 0x7ff0000000000002)))[0] == 204
    assert one.query("short_lived", time=(now - 2000) / 1000)[0][1] == 1
    assert one.query("short_lived", time=now / 1000) == []
    assert one.query("count_over_time(short_lived[1m])", time=now / 1000)[0][1] == 1


def test_labels_of_two_orders_are_one_series(cloche):
    one = cloche(args=["--store-only"])
    now = int(time.time()) * 1000
    assert write(one, series({"__name__": "x", "a": "1", "b": "2"}, (now - 2000, bits_of(1.0))))[0] == 204
    assert write(one, series({"b": "2", "a": "1", "__name__": "x", "empty": ""}, (now - 1000, bits_of(2.0))))[0] == 204
    (result,) = one.json("/api/v1/query", query="x[1m]", time=now / 1000)["data"]["result"]
    assert result["metric"] == {"__name__": "x", "a": "1", "b": "2"}
    assert [v for _, v in result["values"]] == ["1", "2"]


def test_names_may_be_any_utf8(cloche):
    one = cloche(args=["--store-only"])
    now = int(time.time()) * 1000
    labels = {"__name__": "http.größe", "service.name": "päckchen"}
    assert write(one, series(labels, (now - 1000, bits_of(1.0))))[0] == 204
    assert one.query('{"http.größe", "service.name"="päckchen"}', time=now / 1000) == [(labels, 1.0)]


def test_what_is_refused_is_told_and_the_rest_stored(cloche):
    one = cloche(args=["--store-only"])
    now = int(time.time()) * 1000
    sample = (now - 1000, bits_of(1.0))
    status, text = write(one, series({"job": "nameless"}, sample) + series({"__name__": "good"}, sample))
    assert status == 400
    assert text == ('1 series and 1 samples were refused, 1 samples are stored; the first: series {job="nameless"}: it has '
                    "no metric name (label __name__)\n")
    assert one.value("good") == 1
