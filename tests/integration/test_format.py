"""storage/FORMAT.md is enough to read a store with: tests/support/read_store.py, which was written from that page alone, reads
what the daemon wrote, and finds every sample that was sent, bit for bit, and the points that these samples make."""
import math
import os
import random
import signal
import struct
import subprocess
import sys
import tarfile
import time

import pytest

from conftest import wait_for
from remote_write import bits_of, field, varint, write
from remote_write import series as message_of

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
import read_store  # noqa: E402
from read_store import STALE, Store, show_labels, value_of  # noqa: E402

HOUR, DAY = 3600 * 1000, 24 * 3600 * 1000
NAN_PAYLOADS = (0x7ff8000000000001, 0xfff8dead0000beef, 0x7ff0000000000003, 0xffffffffffffffff)
ODD = (bits_of(math.inf), bits_of(-math.inf), 1 << 63, 0, 1, 0x000fffffffffffff, 0x800fffffffffffff, 0x7fefffffffffffff,
       bits_of(9007199254740993.0), bits_of(-9007199254740992.0), bits_of(1e300), bits_of(0.1), *NAN_PAYLOADS)


# Sending.

class Sender:
    """Sends and remembers: sent[labels][time] is what has to be in the store."""

    def __init__(self, one):
        self.one, self.sent = one, {}

    def send(self, batch, more=b""):
        """batch: [(labels, [(time, bits)..])..]"""
        message = b"".join(message_of(dict(labels), *samples) for labels, samples in batch) + more
        status, text = write(self.one, message)[:2]
        assert status in (200, 204), text
        for labels, samples in batch:
            key = tuple(sorted((n.encode(), v.encode()) for n, v in labels))
            self.sent.setdefault(key, {}).update(samples)


def name(metric, **labels):
    return (("__name__", metric), *labels.items())


# What is sent.

def counter(rng):
    total = rng.randrange(1000)
    while True:
        total = 0 if rng.random() < 0.005 else total + rng.choice((0, 0, 1, 1, 2, 17, 900))
        yield bits_of(float(total))


def gauge(rng):
    scale, value = 10 ** rng.randrange(1, 7), rng.randrange(10 ** 6)
    while True:
        value += rng.randrange(-1000, 1001)
        yield bits_of(value / scale)


def full(rng):
    while True:
        yield bits_of(rng.gauss(1, 1e-3))


def noise(rng):
    """Any 64 bits but a stale marker."""
    while True:
        yield rng.getrandbits(64)


def constant(rng):
    value = rng.choice((0.0, 1.0, -1.5, math.pi, 1e18))
    while True:
        yield bits_of(value)


def flag(rng):
    while True:
        yield bits_of(float(rng.random() < 0.1))


def pages(rng):
    """Multiples of 4096, as memory has."""
    n = rng.randrange(10 ** 5)
    while True:
        n += rng.randrange(-3, 4)
        yield bits_of(n * 4096.0)


def large(rng):
    n = rng.getrandbits(56)
    while True:
        n += rng.getrandbits(rng.randrange(1, 50))
        yield bits_of(float(n))


def odd(rng):
    while True:
        yield rng.choice(ODD) if rng.random() < 0.3 else bits_of(float(rng.randrange(100)))


def spikes(rng):
    while True:
        yield bits_of(float(rng.randrange(8) if rng.random() < 0.97 else rng.randrange(10 ** 12)))


def goes(rng):
    """Ends now and then, and comes back."""
    here = True
    while True:
        if rng.random() < 0.02:
            here = not here
            yield None if here else STALE
        yield bits_of(float(rng.randrange(50))) if here else None


def sparse(rng):
    while True:
        yield bits_of(rng.randrange(1000) / 8) if rng.random() < 0.1 else None


def histogram(rng, buckets):
    """Cumulative counts, and their sum in seconds: columns that resemble each other."""
    counts, total = [0] * buckets, 0.0
    while True:
        for _ in range(rng.randrange(6)):
            seconds = rng.expovariate(3)
            total += seconds
            for i in range(min(int(seconds * buckets / 2), buckets - 1), buckets):
                counts[i] += 1
        yield [bits_of(float(n)) for n in counts] + [bits_of(total)]


KINDS = (counter, gauge, full, noise, constant, flag, pages, large, odd, spikes, goes, sparse)


class Group:
    """Series that are scraped together."""

    def __init__(self, rng, job, per_kind, histograms, jitter, kinds=KINDS):
        self.rng, self.jitter, self.single, self.many = rng, jitter, [], []
        for kind in kinds:
            for i in range(per_kind):
                self.single.append((name(f"{kind.__name__}_things", job=job, idx=str(i)), kind(rng)))
        for i in range(histograms):
            labels = [name("wait_seconds_bucket", job=job, idx=str(i), le=str(b)) for b in range(12)]
            self.many.append((labels + [name("wait_seconds_sum", job=job, idx=str(i))], histogram(rng, 12)))

    def scrape(self, at):
        at += self.rng.randrange(self.jitter) if self.jitter else 0
        found = [(labels, next(values)) for labels, values in self.single]
        for labels, values in self.many:
            found += zip(labels, next(values))
        return [(labels, [(at, bits)]) for labels, bits in found if bits is not None]


# Comparing.

def differences(found, expected):
    """Texts, the first ones."""
    out = [f"{show_labels(k)} is {'missing' if k in expected else 'too many'}" for k in found.keys() ^ expected.keys()]
    for labels in found.keys() & expected.keys():
        one, other = found[labels], expected[labels]
        out += [f"{show_labels(labels)} at {t}: {one.get(t)} is stored, {other.get(t)} was sent"
                for t in sorted(one.keys() | other.keys()) if one.get(t) != other.get(t)]
    return out[:20]


def wait_for_store(what, one, condition):
    def reached():
        one.process.send_signal(signal.SIGSTOP)  # what lies there is then what a crash would leave
        try:
            return condition(Store(one.data))
        finally:
            one.process.send_signal(signal.SIGCONT)
    wait_for(what, reached)


def read_and_compare(one, sent):
    store = Store(one.data)
    assert store.check() == []
    assert differences(store.samples(), sent) == []
    return store


def as_read(bits):
    """The API shows no payloads."""
    return "NaN" if math.isnan(value_of(bits)) else bits


def query_and_compare(one, sent, end):
    """What the daemon says of the day before end, ms."""
    found = {}
    for metric in sorted({dict(labels)[b"__name__"].decode() for labels in sent}):
        for result in one.json("/api/v1/query", query=metric + "[1d]", time=end / 1000)["data"]["result"]:
            labels = tuple(sorted((n.encode(), v.encode()) for n, v in result["metric"].items()))
            found[labels] = {round(t * 1000): as_read(bits_of(float(text))) for t, text in result["values"]}
    expected = {labels: {t: as_read(bits) for t, bits in values.items() if end - DAY < t <= end and bits != STALE}
                for labels, values in sent.items()}
    assert differences(found, {labels: values for labels, values in expected.items() if values}) == []


def late_and_doubled(rng, sender, count):
    """Other values at times that are there, samples between them, and two of one time in a request: the last one counts."""
    known = sorted(sender.sent)
    for _ in range(count):
        batch = []
        for key in rng.sample(known, 3):
            labels = tuple((n.decode(), v.decode()) for n, v in key)
            t = rng.choice(sorted(sender.sent[key]))
            bits = rng.choice(ODD) if rng.random() < 0.5 else bits_of(float(rng.randrange(10 ** 6)))
            batch.append((labels, [(t + rng.choice((0, 0, 1, 7)), bits)]))
            if rng.random() < 0.3:
                batch.append((labels, [(t, bits_of(rng.random()))]))
        sender.send(batch)


def metadata(kind, metric, text):
    return field(3, b"\x08" + varint(kind) + field(2, metric.encode()) + field(4, text.encode()))


def flags_of(store):
    """All that modes of columns have."""
    found, read = set(), read_store.read_values

    def note(data, n, reference=None):
        found.update(flag for flag in (1, 2, 4, 8, 16, 32, 64) if data[0] >= 128 and data[0] & flag)
        found.update({0} if data[0] == 0 else ())
        return read(data, n, reference)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_store, "read_values", note)
        store.samples()
    return found


def test_every_sample_is_where_the_page_says(cloche):
    one = cloche(args=["--store-only", "--retention", "0"])
    rng, sender = random.Random(20261), Sender(one)
    end = int(time.time()) * 1000
    groups = [Group(rng, "web", 9, 4, 0), Group(rng, "db", 2, 1, 900), Group(rng, "edge", 1, 0, 0)]
    sender.send([(name("ancient"), [(t, bits_of(float(t))) for t in (-3 * HOUR, -1, 0, 1, 12345)])],
                metadata(1, "counter_things", "Things counted.") + metadata(2, "gauge_things", "") +
                metadata(3, "wait_seconds", "How long, in\nseconds."))
    for i, at in enumerate(range(end - 7 * HOUR, end, 30000)):
        scrapes = [group.scrape(at) for k, group in enumerate(groups) if i % (k + 1) == 0]
        if i % 5 == 0:
            for scrape in scrapes:
                sender.send(scrape)
        else:
            sender.send(sum(scrapes, []))
    wait_for_store("flushed windows", one, lambda store: len({block.window for block in store.blocks}) > 2)
    late_and_doubled(rng, sender, 60)
    assert one.stop()[1] == 0
    store = read_and_compare(one, sender.sent)
    assert any(store.log_samples())
    assert flags_of(store) == {0, 1, 2, 4, 8, 16, 32, 64}
    assert store.families == {b"counter_things": (1, b"Things counted."), b"gauge_things": (2, b""),
                              b"wait_seconds": (3, b"How long, in\nseconds.")}
    one.start()
    query_and_compare(one, sender.sent, end)

    groups.append(Group(rng, "late", 3, 1, 5))
    for at in range(end, end + 20 * 60000, 30000):
        sender.send(sum((group.scrape(at) for group in groups), []))
    late_and_doubled(rng, sender, 40)
    one.kill()
    read_and_compare(one, sender.sent)
    one.start()
    query_and_compare(one, sender.sent, end + 20 * 60000)


# Points.

def brute_force(samples, resolution):
    """The points that samples make: end of bucket -> (time, count, values of the other fields by name)."""
    buckets, points = {}, {}
    for t, bits in sorted(samples.items()):
        buckets.setdefault(-(-t // resolution) * resolution, []).append((t, bits))
    for end, found in buckets.items():
        real = [(t, value_of(bits)) for t, bits in found if bits != STALE]
        count = 2 * len(real) + (found[-1][1] == STALE)
        if not real:
            points[end] = (found[-1][0], count, None)
            continue
        values = [v for _, v in real]
        numbers = [v for v in values if not math.isnan(v)] or [math.nan]
        falls = [a for a, b in zip(values, values[1:]) if b < a]
        # The page leaves the rounding of sums open: here half a unit in the last place for a sum, its parts and this one; for
        # drops, which are added plainly, that for each addition.
        rounding = 2.0 ** -53 * sum(abs(v) for v in values if math.isfinite(v))
        points[end] = (real[-1][0], count, {
            "last": (values[-1], 0), "first": (values[0], 0), "min": (min(numbers), 0), "max": (max(numbers), 0),
            "sum": (add(values), 3 * rounding), "drops": (add(falls), (len(falls) + 2) * rounding),
            "span": (float(real[-1][0] - real[0][0]), 0)})
    return points


def add(values):
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond the largest double, or infinities of both signs
        return sum(values)


def same(found, expected, slack):
    if math.isnan(expected):
        return math.isnan(found)
    return bits_of(found) == bits_of(expected) or (slack > 0 and (found == expected or abs(found - expected) <= slack))


def point_differences(found, expected):
    out = [f"{end}: {'no point' if end in expected else 'a point too many'}" for end in found.keys() ^ expected.keys()]
    for end in found.keys() & expected.keys():
        point, (at, count, fields) = found[end], expected[end]
        if (point.time, value_of(point.count)) != (at, count):
            out.append(f"{end}: {point} is not at {at} with count {count}")
        elif fields is None:
            if not point.last == point.first == point.min == point.max == STALE:
                out.append(f"{end}: {point} is not that of markers only")
        else:
            out += [f"{end}: {key} is {value_of(getattr(point, key))!r}, not {value!r}"
                    for key, (value, slack) in fields.items() if not same(value_of(getattr(point, key)), value, slack)]
    return out[:10]


@pytest.fixture
def with_tiers(cloche):
    one = cloche(start=False, config="retention: 15d\nretention_5m: 20d\nretention_1h: 60d\nout_of_order: 0s\n")
    one.args = ["--store-only", "--config", one.config_path]
    return one.start()


def send_in_order(sender, scrapes):
    """Sixty scrapes a request."""
    for i in range(0, len(scrapes), 60):
        by_series = {}
        for labels, samples in sum(scrapes[i:i + 60], []):
            by_series.setdefault(labels, []).extend(samples)
        sender.send(list(by_series.items()))


def test_points_are_those_that_the_samples_make(with_tiers):
    one = with_tiers
    rng, sender = random.Random(20262), Sender(one)
    group = Group(rng, "points", 1, 0, 0, kinds=[kind for kind in KINDS if kind is not noise])
    newest = int(time.time()) // 120 * 120 * 1000
    first = newest - 14 * DAY
    first += 120000 if first % (2 * HOUR) == 0 else 0  # test_the_oldest_sample_has_a_point
    send_in_order(sender, [group.scrape(at) for at in range(first, newest + 1, 120000)])
    due = {(tier, start) for tier in (1, 2) for window in [read_store.WINDOWS[tier]]
           for start in range(first // window * window, newest, window) if start + window + HOUR < newest}
    assert {tier for tier, _ in due} == {1, 2}
    wait_for_store("points", one, lambda store: due <= set(store.tiers))
    assert one.stop()[1] == 0
    store = read_and_compare(one, sender.sent)
    for tier in (1, 2):
        resolution, length, found = read_store.RESOLUTIONS[tier], read_store.WINDOWS[tier], store.points(tier)
        for labels, samples in sender.sent.items():
            expected = {end: point for end, point in brute_force(samples, resolution).items()
                        if (tier, (end - 1) // length * length) in store.tiers}
            assert expected and point_differences(found.get(labels, {}), expected) == [], (tier, show_labels(labels))


def ends_of_points(one, times, due):
    """Of a series with samples at these times, once these days are built."""
    sender = Sender(one)
    send_in_order(sender, [[(name("x"), [(t, bits_of(float(i)))])] for i, t in enumerate(times)])
    wait_for_store("points", one, lambda store: {(1, day) for day in due} <= set(store.tiers))
    one.stop()
    (points,) = Store(one.data).points(1).values()
    return points.keys()


def test_the_oldest_sample_has_a_point(with_tiers):
    day = int(time.time()) * 1000 // DAY * DAY - 4 * DAY
    first = day + 6 * HOUR
    assert first in ends_of_points(with_tiers, range(first, day + 2 * DAY, 120000), [day])


def test_a_day_whose_only_sample_ends_it_has_a_point(with_tiers):
    day = int(time.time()) * 1000 // DAY * DAY - 6 * DAY
    times = [*range(day + HOUR, day + 8 * HOUR, 120000), *range(day + 2 * DAY, day + 4 * DAY, 120000)]
    assert day + 2 * DAY in ends_of_points(with_tiers, times, [day, day + 2 * DAY])


# The format before.

@pytest.fixture
def old_store(tmp_path):
    with tarfile.open(os.path.join(HERE, "../unit/storage/data/v1.tar.gz")) as tar:
        tar.extractall(tmp_path / "old")
    return tmp_path / "old" / "data"


def test_a_store_of_format_1_holds_the_same_before_and_after(cloche, old_store):
    before = Store(str(old_store))
    assert before.version == 1 and before.check() == []
    samples = before.samples()
    assert sum(map(len, samples.values())) == 3 * 100 * 1560
    one = cloche(start=False, args=["--store-only", "--retention", "0"])
    os.rename(old_store, one.data)
    one.start()
    assert one.stop()[1] == 0
    store = read_and_compare(one, samples)
    assert store.version == 2
    path = os.path.join(one.data, "metrics", "data.mdb")
    with open(path, "rb") as f:
        data = f.read()
    value = max((block.value for block in store.blocks), key=len)
    begin, (times,) = data.index(value), struct.unpack_from("<I", value, 16)
    for at in (0, 9, 30, 24 + 12 * times, len(value) // 2, len(value) - 1):
        with open(path, "wb") as f:
            f.write(data[:begin + at] + bytes([data[begin + at] ^ 16]) + data[begin + at + 1:])
        assert any("wrong checksum" in text or "no block" in text for text in Store(one.data).check()), at


# The reader itself.

def test_the_reader_tells_of_damage(cloche):
    one = cloche(args=["--store-only", "--retention", "0"])
    now = int(time.time()) * 1000
    Sender(one).send([(name("x"), [(now, bits_of(1.5))])])
    one.kill()
    script = os.path.join(HERE, "../support/read_store.py")

    def run(*args):
        done = subprocess.run([sys.executable, script, one.data, *args], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr
    assert run("--check") == (0, "", "")
    assert run("--series", "x") == (0, f"x\n  {now} 1.5 3ff8000000000000\n", "")
    (log,) = (os.path.join(one.data, "wal", n) for n in os.listdir(os.path.join(one.data, "wal")) if n.endswith(".wal"))
    with open(log, "r+b") as f:
        f.seek(16 + 32)
        f.write(b"\xff")
    status, _, text = run("--check")
    assert status == 1 and "record 1 has a wrong checksum" in text
