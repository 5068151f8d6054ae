"""The HTTP API beside Debian's Prometheus, request by request: both hold the same samples, both are asked the same, valid
and broken, by GET and by form; status, error type, error text, data and the headers that clients look at must be the same.
What is known to differ stands in a list with its reason."""
import gzip
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

import remote_write
from conftest import Cloche, beside_prometheus

PROMETHEUS = "global: {scrape_interval: 1m, external_labels: {}}\n"
T0 = int(time.time()) // 60 * 60 - 900
SAMPLES = [T0 + 7.123 + 15 * i for i in range(60)]  # never on the edge of a range: 2.42 has closed ones
END = T0 + 880


def load(one):
    series = []
    for job in ("api", "db"):
        for instance in ("a:1", "b:2", 'c"\\3'):
            labels = {"__name__": "up", "instance": instance, "job": job}
            series.append(remote_write.series(labels, *[(round(t * 1000), remote_write.bits_of(len(instance) + i % 2))
                                                        for i, t in enumerate(SAMPLES)]))
    for i in range(20):
        labels = {"__name__": "requests_total", "code": str(200 + i), "job": "api", "le": "0.5"}
        series.append(remote_write.series(labels, *[(round(t * 1000), remote_write.bits_of(float((i + 1) * k)))
                                                    for k, t in enumerate(SAMPLES)]))
    for value, name in ((float("nan"), "nan"), (float("inf"), "inf"), (-1.5e-9, "tiny"), (1e300, "huge")):
        series.append(remote_write.series({"__name__": "odd", "kind": name},
                                          *[(round(t * 1000), remote_write.bits_of(value)) for t in SAMPLES]))
    series.append(remote_write.series({"__name__": "ended", "job": "x"}, (round(SAMPLES[-3] * 1000), remote_write.bits_of(1.0)),
                                      (round(SAMPLES[-2] * 1000), 0x7ff0000000000002)))
    status, body = remote_write.write(one, b"".join(series))
    assert status == 204, body


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    one = Cloche(tmp_path_factory.mktemp("cloche"), "cors_origin: .*\n")
    one.args = ["--store-only", "--config", one.config_path]
    one.start()
    with beside_prometheus(one, tmp_path_factory.mktemp("prometheus"), PROMETHEUS,
                           ["--web.enable-admin-api", "--web.enable-lifecycle"]) as other:
        for server in (one, other):
            load(server)
        yield one, other


def ask(server, method, path, params=None, headers=None):
    """Status, headers, body; a POST sends the parameters as a form."""
    encoded = urllib.parse.urlencode(params or {}, doseq=True)
    data = encoded.encode() if method == "POST" else None
    url = server.url + path + ("?" + encoded if encoded and data is None else "")
    headers = dict(headers or {})
    if data is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


Q, R = "/api/v1/query", "/api/v1/query_range"
RANGE = {"start": T0, "end": END, "step": "15"}
REQUESTS = [
    # instant queries
    *[("GET", Q, {"query": q, "time": END}) for q in (
        "up", "1", "-1", "1e3", "0x1f", "vector(1)", '"text"', "'it'", "up[1m]", "up offset 1m", "sum(up)", "sum by(job)(up)",
        "rate(requests_total[5m])", "up == 1", "up > bool 1", "nothing", "odd", "topk(2, requests_total)", "up @ %d" % (T0 + 60),
        "max_over_time(up[5m:30s])", "time()", "scalar(up)", "absent(nothing{a='b'})", "{__name__=~'up|odd'}",
        "up and on(job) requests_total", "up{job='api'} * on(instance) group_left up{job='db'}", "count_values('v', up)",
        "label_replace(up, 'x', '$1', 'job', '(.*)')", "1 / 0", "0 / 0", "up # comment", "sum(up) without (job)", "ended")],
    *[("POST", Q, {"query": q, "time": END}) for q in ("up", "sum by (job) (up)", "'€'", "{job=\"api\",code=~\"20.\"}")],
    *[("GET", Q, {"query": "up", "time": t}) for t in (
        END + 0.5, f"{END}.123456", "4", "1e9", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(END)),
        time.strftime("%Y-%m-%dT%H:%M:%S.5Z", time.gmtime(END)), time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(END)),
        "-1", "x", "2020-13-01T00:00:00Z", "2020-01-01", "NaN", "9223372036854775807", "-9223372036854775.808")],
    *[("GET", Q, {"query": q, "time": END}) for q in (
        "", "sum(", "up{", "up{a=}", "up{a=~'('}", "up{a='b'", "rate(up)", "rate(up[5m], 1)", "nothing(up)", "up[5m", "up[5]x", "up[0s]",
        "sum by (", "1 +", "+ ", "()", "up up", "up offset", "up @ x", "{}", "{a=''}", "{__name__=~'.*'}", "foo{__name__='bar'}", "topk(up)",
        "topk(1, 2)", "up and 1", "1 > 2", "up * on(a) group_left(a) up", "up or on() group_left up", "'a' + 1", "label_replace(up)",
        "count_values(1, up)", "up == bool", "1 == bool 1", "sum(up) by", "up[5m:", "up[5m] offset 1h offset 2h", "\"a", "'\\x'",
        "$x", "up;", "a[1m] + 1", "-'a'", "sum(up[1m])", "abs(1)", "time(1)", "5m3", "up[1d1y]", "1..5")],
    *[("GET", Q, {"query": "up", "time": END, **p}) for p in (
        {"timeout": "5s"}, {"timeout": "1m0s"}, {"timeout": "1.5"}, {"timeout": "x"}, {"timeout": "-5m"}, {"stats": "x"},
        {"unknown": "1"}, {"dedup": "true"}, {"lookback_delta": "1m"})],
    *[("GET", Q, {"query": q, "time": END, "stats": "all"}) for q in (
        "up", "sum(up)", "rate(requests_total[5m])", "up + up", "sum(up) / sum(up)", "max_over_time(up[5m:1m])", "1", "nothing")],
    ("GET", Q, {"time": END}),
    ("POST", Q, {}),
    # range queries
    *[("GET", R, {"query": q, **RANGE}) for q in (
        "up", "1", "sum(rate(requests_total[1m]))", "up offset 1m", "nothing", "time()", "odd", "up @ end()", "up @ start()",
        "up[1m]", "'text'", "", "sum(", "up > 1", "ended", "topk(1, up)", "max_over_time(up[2m:30s])")],
    *[("POST", R, {"query": "up", **RANGE, **p}) for p in (
        {}, {"step": "1m0s"}, {"step": "1m"}, {"step": "0.5", "end": T0 + 60}, {"step": "1h"}, {"step": "0"}, {"step": "-1"},
        {"step": "x"}, {"step": ""}, {"start": "x"}, {"start": ""}, {"end": "x"}, {"end": T0 - 1}, {"end": T0}, {"step": "1e-9"},
        {"start": 0}, {"step": "9999999999999999"}, {"step": "1y"}, {"timeout": "x"}, {"timeout": "2m"}, {"start": T0 + 0.1})],
    ("GET", R, {"query": "up"}),
    ("GET", R, {"query": "up", "start": T0, "end": END}),
    # series, labels, values
    *[(m, "/api/v1/series", p) for m in ("GET", "POST") for p in (
        {"match[]": "up"}, {"match[]": ["up", "odd"]}, {"match[]": "nothing"}, {}, {"match[]": "{}"}, {"match[]": "up{"},
        {"match[]": "{job=''}"}, {"match[]": "sum(up)"}, {"match[]": "up[5m]"}, {"match[]": ""}, {"match[]": "up", "start": "x"},
        {"match[]": "up", "end": "x"}, {"match[]": "up", "start": T0, "end": END}, {"match[]": "up", "start": 1, "end": 2},
        {"match[]": "up", "start": END, "end": T0}, {"match[]": "{__name__=~'u.*'}"}, {"match[]": "{job!=''}"},
        {"match[]": "up offset 5m"}, {"match[]": "'text'"})],
    *[(m, "/api/v1/labels", p) for m in ("GET", "POST") for p in (
        {}, {"match[]": "up"}, {"match[]": ["up", "odd"]}, {"match[]": "nothing"}, {"match[]": "up{"}, {"match[]": "{}"}, {"start": "x"},
        {"end": "x"}, {"start": T0, "end": END}, {"start": "-9223372036854775.808"}, {"end": "9223372036854775.807"},
        {"start": "-292273086-05-16T16:47:06Z"}, {"end": "292277025-08-18T07:12:54.999999999Z"})],
    *[("GET", f"/api/v1/label/{name}/values", p) for name in ("job", "__name__", "nothing", "le") for p in (
        {}, {"match[]": "up"}, {"match[]": ["up", "odd"]}, {"match[]": "up{"}, {"match[]": "{}"}, {"start": "x"}, {"start": T0, "end": END})],
    # the rest
    ("GET", "/api/v1/query_exemplars", {"query": "test", "start": T0 * 1000, "end": END * 1000}),
    ("POST", "/api/v1/query_exemplars", {"query": "up", "start": T0, "end": END}),
    ("GET", "/api/v1/query_exemplars", {"query": "up{", "start": T0, "end": END}),
    ("GET", "/api/v1/query_exemplars", {"query": "up", "start": "x"}),
    ("GET", "/api/v1/query_exemplars", {"query": "up", "start": END, "end": T0}),
    *[(m, "/api/v1/format_query", {"query": q}) for m in ("GET", "POST") for q in (
        "", "sum(", "sum(up)by(job)", "up{b='1',a=\"2\"}", "sum by () (x)", "foo @ 5 offset 5m", "-5", "--5", "Inf", "foo{a=\"é\\t\\x01\"}",
        "a + ignoring() b", "a == bool on(x) group_right(y) b", "foo[5m] @ start() offset 90s", "SUM(a) AND b", "topk by(x)(3,a)",
        "label_replace(foo, '%s', '%s', '', '')" % ("a" * 60, "b" * 60),
        "max_over_time(rate(%s{b='c'}[5m])[1h:5m]) + on (a) group_left max_over_time(b[5m:])" % ("a" * 110),
        "-(%s{b='c'} + 1)" % ("a" * 100), "sum by (a, b) (%s{c='d'}) / sum(%s)" % ("a" * 60, "b" * 70))],
    *[("GET", "/api/v1/metadata", p) for p in ({}, {"limit": "5"}, {"limit": "x"}, {"metric": "nothing"}, {"limit": "-1"})],
    *[("GET", "/api/v1/targets", p) for p in ({}, {"state": "active"}, {"state": "dropped"}, {"state": "any"}, {"scrapePool": "x"})],
    *[("GET", "/api/v1/targets/metadata", p) for p in (
        {}, {"limit": "1"}, {"limit": "x"}, {"metric": "up"}, {"match_target": "{job='x'}"}, {"match_target": "up{"})],
    ("GET", "/api/v1/scrape_pools", {}),
    ("GET", "/api/v1/alertmanagers", {}),
    *[("GET", "/api/v1/rules", p) for p in ({}, {"type": "alert"}, {"type": "record"}, {"type": "x"})],
    ("GET", "/api/v1/alerts", {}),
    *[("GET", "/api/v1/status/" + s, {}) for s in ("buildinfo", "runtimeinfo", "config", "tsdb", "walreplay")],
    *[("POST", "/api/v1/admin/tsdb/delete_series", p) for p in ({}, {"match[]": "up{"}, {"match[]": "nothing", "start": "x"},
                                                                {"match[]": "nothing"})],
    ("PUT", "/api/v1/admin/tsdb/clean_tombstones", {}),
    ("POST", "/api/v1/admin/tsdb/snapshot", {}),
    # what is not there
    *[("GET", path, {}) for path in ("/api/v1/nowhere", "/api/v1/status/nowhere", "/api/v1/admin/tsdb/nowhere")],
    *[(method, path, {}) for method, path in (
        ("DELETE", Q), ("PUT", Q), ("DELETE", "/api/v1/labels"), ("POST", "/api/v1/metadata"), ("POST", "/api/v1/label/job/values"),
        ("POST", "/api/v1/targets"), ("POST", "/api/v1/rules"), ("GET", "/api/v1/admin/tsdb/delete_series"), ("GET", "/api/v1/write"),
        ("POST", "/federate"), ("POST", "/api/v1/status/tsdb"), ("HEAD", Q), ("HEAD", "/api/v1/labels"), ("HEAD", "/federate"),
        ("POST", "/-/healthy"), ("DELETE", "/api/v1/nowhere"), ("OPTIONS", "/api/v1/nowhere"))],
    *[("GET", path, {}) for path in ("/api/v1/", "/-/nowhere")],
    # federation
    *[("GET", "/federate", p) for p in ({}, {"match[]": "up{"}, {"match[]": "{}"}, {"match[]": "nothing"}, {"match[]": "up"},
                                        {"match[]": ["odd", "up{job='api'}"]}, {"match[]": "{__name__=~'.+'}"}, {"match[]": "ended"})],
]

# Paths whose data is each server's own: the same keys with the same types are enough.
OWN = ("/api/v1/metadata", "/api/v1/targets", "/api/v1/rules", "/api/v1/alerts", "/api/v1/status/", "/api/v1/admin/tsdb/snapshot")


def expected_difference(method, path, params, status):
    """Why an answer differs; None: it may not."""
    if params.get("time") == "NaN":
        return "2.42 takes NaN for some time of its own"
    if params.get("query") == "sum(rate(requests_total[1m]))" and path == R:
        return "3.x does not look before the moment at which a counter was zero"
    if path == "/api/v1/labels" and "9223372036854775.80" in str(params):
        return "2.42 overflows; here it is the beginning and the end of time"
    if path == "/federate" and params == {"match[]": "{}"}:
        return "refused as everywhere else: it would be every series"
    return None


PLACE = r"^(\d+:\d+: |unknown position: )?"
# Where an error's text is not theirs, or theirs with more behind it: theirs, ours, why.
OWN_TEXTS = [
    (r"1:1: parse error: no expression found in input", r"unknown position: parse error: no expression found in input", "as 3.x"),
    (r"parse error: error parsing regexp: ", r"parse error: regular expression: ", "the pattern's place, and without Go's wrapping of it"),
    (r'unexpected "}" in label matching, expected string', r'unexpected "}", expected a quoted label value', "says what kind of string"),
    (r"in offset, expected duration", r"expected a duration like 5m or a number of seconds", "with an example; 3.x takes numbers"),
    (r"in @, expected timestamp", r"expected a timestamp in seconds, start\(\) or end\(\) after @", "names all that may stand there"),
    (r'in grouping opts, expected "\("', r'expected "\(" and a list of label names', "names all that is missing"),
    (r"missing unit character in duration", r'unexpected identifier "x"', "3.x takes a number as a duration"),
    (r"illegal character .* in escape sequence", r"invalid escape sequence in the string: allowed are", "names those that are allowed"),
    (r'bad duration syntax: "1d1"', r'bad number or duration syntax: "1d1y" \(', "the whole word, with examples"),
    (r"exceeded maximum resolution", r"zero or negative query resolution", "a nanosecond is nothing here: times are milliseconds"),
    (r"match\[\] must contain at least one non-empty matcher", r"vector selector must contain at least one non-empty matcher",
     "the same text as in queries"),
    (r'parse error: unexpected ("\("|"\["|<offset>|string .*)$', r"expected a series selector like name{label=\"value\"}",
     "says what a selector looks like"),
    (r"parse error: unexpected end of input$", r"parse error: no expression found in input", "nothing is there to end"),
]


def without_name(text):
    """3.x names the parameter wherever 2.42 leaves it out."""
    return re.sub(r'^invalid parameter "[^"]+": ', "", text)


def same_error(ours, theirs):
    ours, theirs = without_name(ours), without_name(theirs)
    if re.sub(PLACE, "", ours).startswith(re.sub(PLACE, "", theirs)):  # the same, and perhaps what was expected
        return True
    return any(re.search(a, theirs) and re.search(b, ours) for a, b, _ in OWN_TEXTS)


def shape(value):
    """Keys and types, of lists the first element's."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def missing(theirs, ours, where=""):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [m for k, v in theirs.items() for m in (missing(v, ours[k], f"{where}.{k}") if k in ours else [f"{where}.{k}"])]
    if isinstance(theirs, list) and isinstance(ours, list):
        return missing(theirs[0], ours[0], where + "[0]") if theirs and ours else []
    return [] if theirs == ours else [f"{where}: {theirs} there, {ours} here"]


def in_order(data):
    """The order of series in an instant vector is nobody's promise."""
    if isinstance(data, dict):
        stats = data.pop("stats", None)  # how long it took is each server's own
        data["looked at"] = stats and stats["samples"]["totalQueryableSamples"]
    if isinstance(data, dict) and data.get("resultType") == "vector":
        data["result"].sort(key=lambda s: json.dumps(s["metric"], sort_keys=True))
    return data


def compare(path, ours, theirs):
    ours_json, theirs_json = json.loads(ours), json.loads(theirs)
    assert ours_json["status"] == theirs_json["status"]
    if theirs_json["status"] == "error":
        assert ours_json["errorType"] == theirs_json["errorType"]
        assert same_error(ours_json["error"], theirs_json["error"])
        return
    if path.startswith(OWN):
        assert missing(shape(theirs_json["data"]), shape(ours_json["data"])) == []
        return
    assert in_order(ours_json.get("data")) == in_order(theirs_json.get("data"))


def name_of(request):
    method, path, params = request
    return f"{method} {path} {urllib.parse.urlencode(params, doseq=True)}"[:120]


@pytest.mark.parametrize("request_", REQUESTS, ids=name_of)
def test_the_answer_is_the_same(peers, request_):
    method, path, params = request_
    (our_status, our_headers, ours), (status, headers, theirs) = [ask(server, method, path, params) for server in peers]
    if expected_difference(method, path, params, status):
        assert our_status == status or (our_status, status) == (400, 200)
        return
    assert our_status == status, (ours[:500], theirs[:500])
    assert our_headers.get("Content-Type") == headers.get("Content-Type")
    if headers.get("Content-Type") == "application/json":
        compare(path, ours, theirs)
    elif status in (200, 404, 405):
        assert ours.decode() == theirs.decode()
        assert our_headers.get("Allow") == headers.get("Allow")
    else:
        assert same_error(ours.decode().strip(), theirs.decode().strip())


def test_there_are_many_requests():
    assert len(REQUESTS) > 250


CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
        "Access-Control-Expose-Headers", "Access-Control-Allow-Credentials")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", [Q, R, "/api/v1/series", "/api/v1/labels"])
def test_pages_of_other_origins_are_told_the_same(peers, method, path):
    params = {"query": "up", "time": END, "match[]": "up", **RANGE}
    headers = {"Origin": "http://other.example", "Sec-Fetch-Site": "cross-site", "Access-Control-Request-Method": "POST"}
    (our_status, ours, _), (status, theirs, _) = [ask(server, method, path, params, headers) for server in peers]
    assert our_status == status
    assert [ours.get(name) for name in CORS] == [theirs.get(name) for name in CORS]
    assert "Origin" in ours.get_all("Vary") and "Origin" in theirs.get_all("Vary")
    assert "Access-Control-Allow-Origin" not in ask(peers[0], method, path, params)[1]


@pytest.mark.parametrize("method, path", [("GET", "/api/v1/status/queries"), ("GET", "/api/v1/export"), ("GET", "/api/ui/status"),
                                          ("POST", "/api/v1/admin/tsdb/clean_tombstones"), ("GET", "/metrics"), ("GET", "/federate"),
                                          ("POST", "/-/reload"), ("POST", "/api/v1/admin/tsdb/delete_series"),
                                          ("POST", "/api/v1/status/queries/1"), ("OPTIONS", "/api/v1/admin/tsdb/delete_series")])
def test_what_is_our_own_or_changes_something_is_not_for_other_origins(peers, method, path):
    status, headers, _ = ask(peers[0], method, path, headers={"Origin": "http://other.example", "Sec-Fetch-Site": "cross-site"})
    assert "Access-Control-Allow-Origin" not in headers
    assert method != "POST" or status == 403


def test_answers_are_compressed_for_those_who_take_it(peers):
    for server in peers:
        _, headers, body = ask(server, "GET", R, {"query": "requests_total", **RANGE}, {"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(body))["status"] == "success"


@pytest.mark.parametrize("path", [Q, R, "/api/v1/series", "/api/v1/labels"])
def test_forms_may_come_in_gzip(peers, path):
    params = {"query": "up", "time": END, "match[]": "up", **RANGE}
    body = gzip.compress(urllib.parse.urlencode(params).encode())
    status, answer = peers[0].request(path, body, "POST", {"Content-Type": "application/x-www-form-urlencoded",
                                                           "Content-Encoding": "gzip"})
    assert status == 200 and json.loads(answer) == json.loads(ask(peers[0], "POST", path, params)[2])


def test_a_form_that_inflates_without_end_is_refused(peers):
    body = gzip.compress(b"query=" + b" " * (64 << 20))
    status, answer = peers[0].request(Q, body, "POST", {"Content-Type": "application/x-www-form-urlencoded",
                                                        "Content-Encoding": "gzip"})
    assert status == 413 and "larger than 8388608 bytes" in answer


@pytest.mark.parametrize("output", ["promql", "json"])
@pytest.mark.parametrize("command, arguments", [
    (["instant", f"--time={END}"], ["sum by (job) (up)"]), (["instant", f"--time={END}"], ["up{job='db',instance='a:1'}[1m]"]),
    (["instant", f"--time={END}"], ["1 / 0"]), (["instant", f"--time={END}"], ["nothing"]),
    (["range", f"--start={T0}", f"--end={END}", "--step=1m0s"], ["sum(up)"]), (["range", f"--start={T0}", f"--end={T0 + 60}"], ["time()"]),
    (["series", "--match=up", "--match=odd"], []), (["series", "--match=nothing"], []),
    (["labels"], ["job"]), (["labels", "--match=requests_total"], ["job"]), (["labels", f"--start={T0}", f"--end={END}"], ["__name__"])])
def test_promtool_reads_the_same(peers, command, arguments, output):
    done = [subprocess.run(["promtool", "query", "-o", output, command[0], *command[1:], server.url, *arguments], capture_output=True,
                           text=True, timeout=30, check=False) for server in peers]
    assert [done[0].returncode, done[0].stdout, done[0].stderr] == [done[1].returncode, done[1].stdout, done[1].stderr]


def test_promtool_says_what_is_wrong(peers):
    done = subprocess.run(["promtool", "query", "instant", peers[0].url, "sum("], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and "bad_data" in done.stderr and "1:5: parse error" in done.stderr
