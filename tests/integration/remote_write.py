"""A sender of Prometheus' remote write 1.0, made by hand: protobuf, snappy (literals only), and senders that know which
samples were acknowledged."""
import http.client
import itertools
import struct
import threading
import time
import urllib.parse

HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}


def varint(v):
    out, v = b"", v & (1 << 64) - 1
    while v > 127:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def name_labels(labels):
    return b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in labels.items())


def series(labels, *samples):
    """Samples: (time in ms, bits of the value)."""
    out = [labels if isinstance(labels, bytes) else name_labels(labels)]
    for t, bits in samples:
        out.append(field(2, b"\x09" + struct.pack("<Q", bits) + b"\x10" + varint(t)))
    return field(1, b"".join(out))


def snappy(message):
    """Block format, all of it literals."""
    out = [varint(len(message))]
    for i in range(0, len(message), 1 << 16):
        piece = message[i:i + (1 << 16)]
        out.append(bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece)
    return b"".join(out)


def write(one, message):
    return one.request("/api/v1/write", data=snappy(message), method="POST", headers=HEADERS)


def bits_of(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def telling_bits(*what):
    """Of a finite value that tells where it belongs: its mantissa is a hash of the numbers given."""
    x = 0
    for number in what:
        x = (x + number + 0x9e3779b97f4a7c15) & (1 << 64) - 1
        x = ((x ^ x >> 30) * 0xbf58476d1ce4e5b9) & (1 << 64) - 1
        x = ((x ^ x >> 27) * 0x94d049bb133111eb) & (1 << 64) - 1
        x ^= x >> 31
    return (1000 + (x >> 52) % 46) << 52 | x & (1 << 52) - 1


class Sender:
    """Sends a sample of each of its series at a time, in ascending times, one request in flight. A step that was refused
    or had no answer is sent again, as Prometheus does, unless told to leave it."""
    numbers = itertools.count(1)

    def __init__(self, metric, count=5, start_ms=0, step_ms=15000, pause=0.0):
        self.number = next(self.numbers)
        self.metric, self.count, self.start_ms, self.step_ms, self.pause = metric, count, start_ms, step_ms, pause
        self.labels = [name_labels({"__name__": metric, "sender": str(self.number), "series": f"{i:04}"})
                       for i in range(count)]
        self.next = 0
        self.acknowledged, self.unknown, self.refusals = set(), set(), []
        self.thread = None
        self.ending = threading.Event()

    def time_of(self, step):
        return self.start_ms + step * self.step_ms

    def message(self, *steps):
        return b"".join(series(labels, *((self.time_of(s), telling_bits(self.number, i, s)) for s in steps))
                        for i, labels in enumerate(self.labels))

    def post(self, connection, *steps):
        connection.request("POST", "/api/v1/write", body=snappy(self.message(*steps)), headers=HEADERS)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def send(self, one, *steps):
        """These steps in one request; they must be acknowledged."""
        self.unknown.update(steps)
        status, text = write(one, self.message(*steps))
        assert status == 204, f"{status} {text}"
        self.acknowledged.update(steps)
        self.next = max(self.next, steps[-1] + 1)

    def fill(self, one, steps, at_once=100):
        for first in range(self.next, self.next + steps, at_once):
            self.send(one, *range(first, min(first + at_once, self.next + steps)) if at_once > 1 else (first,))

    def run(self, url):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
        try:
            while not self.ending.is_set():
                self.unknown.add(self.next)
                status, headers, text = self.post(connection, self.next)
                if status == 204:
                    self.acknowledged.add(self.next)
                    self.next += 1
                    time.sleep(self.pause)
                else:
                    self.refusals.append((status, headers.get("Retry-After"), text))
                    time.sleep(0.05)
        except (OSError, http.client.HTTPException):
            pass  # killed, or stopped: the step stays unknown
        finally:
            connection.close()

    def start(self, one):
        self.ending.clear()
        self.thread = threading.Thread(target=self.run, args=(one.url,), daemon=True)
        self.thread.start()

    def join(self):
        self.ending.set()
        self.thread.join(60)
        assert not self.thread.is_alive()

    def leave_out(self):
        """The step without answer is not sent again."""
        self.next += self.next in self.unknown

    def read(self, one, first=0):
        """By series: the steps that are stored and their values' bits."""
        from_ms, to_ms = self.time_of(first), self.time_of(self.next + 1)
        found = {}
        for result in one.json("/api/v1/query", time=f"{to_ms / 1000:.3f}", timeout="60s", resolution="raw",
                               query=f'{self.metric}{{sender="{self.number}"}}[{to_ms - from_ms + 1}ms]')["data"]["result"]:
            index = int(result["metric"]["series"])
            assert index not in found
            times = [round(t * 1000) for t, _ in result["values"]]
            assert times == sorted(set(times)), f"series {index}: times not ascending, or twice"
            found[index] = {(t - self.start_ms) // self.step_ms: bits_of(float(v))
                            for t, (_, v) in zip(times, result["values"])}
        return found

    def missing(self, one, first=0):
        """(series, step) of what was acknowledged and is not there. What is there has to be right."""
        found, gone = self.read(one, first), set()
        for i in range(self.count):
            steps = found.get(i, {})
            for step, bits in steps.items():
                assert step in self.unknown, f"sender {self.number} series {i}: step {step} was never sent"
                assert bits == telling_bits(self.number, i, step), f"sender {self.number} series {i} step {step}: {bits:x}"
            gone.update((i, step) for step in self.acknowledged if step >= first and step not in steps)
        return gone

    def check(self, one, first=0):
        gone = sorted(self.missing(one, first), key=lambda at: at[::-1])
        assert not gone, f"sender {self.number}: {len(gone)} acknowledged samples are missing, first (series, step) {gone[0]}"
