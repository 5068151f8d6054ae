#!/usr/bin/python3
"""A second reader of cloche's data directory, written from storage/FORMAT.md alone, so that the page is enough to read a
store with. It needs nothing but Python.

    read_store.py DIR                  series, their samples and points
    read_store.py DIR --series NAME    those of one metric, or of one series: NAME{label="value",...}
    read_store.py DIR --summary        what there is, in numbers
    read_store.py DIR --check          says what is wrong; status 1 if anything is

The directory should be one that nobody writes to. What is damaged is left out and told in Store.problems; what the page says
must hold is checked. Formats 1 and 2 are read, the task history and states are not."""
import argparse
import os
import struct
import sys
from collections import namedtuple

from lmdb_file import Damaged as DamagedFile, Lmdb
from store_columns import Bytes, Damaged, low_bits, may_be_reference, needs_reference, read_times, read_values, sound
from store_columns import signed, value_of
from xxh3 import M32, u64, xxh3

STALE = 0x7ff0000000000002
WINDOWS = (2 * 3600 * 1000, 24 * 3600 * 1000, 8 * 24 * 3600 * 1000)
RESOLUTIONS = (None, 300 * 1000, 3600 * 1000)
FIELDS = ("last", "first", "min", "max", "sum", "drops", "count", "span")
ZERO = 0
TWO = 0x4000000000000000  # of a count: one sample, no marker after it
MISSING = {1: 0, 2: 1, 3: 0, 4: 0, 5: ZERO, 6: TWO, 7: ZERO}  # for a field without column: another field, or sample bits

Series = namedtuple("Series", "id cohort slot labels")
Block = namedtuple("Block", "tier window group number slots value")
Column = namedtuple("Column", "slot field times values")
Run = namedtuple("Run", "sequence place_or_id time bits")
Point = namedtuple("Point", ("time",) + FIELDS)  # time, ms; the others are sample bits


def key_time(data):
    return signed(int.from_bytes(data, "big") ^ 1 << 63)


def bit_set(data):
    return [8 * i + k for i, byte in enumerate(data) for k in range(8) if byte >> k & 1]


def read_labels(b):
    count = b.varint()
    sound(1 <= count <= 64, f"{count} labels")
    labels = [(b.text(), b.text()) for _ in range(count)]
    names = [name for name, _ in labels]
    sound(names == sorted(set(names)), "labels are not sorted or not unique")
    sound(all(name and value for name, value in labels), "an empty label")
    sound(b"__name__" in names, "no metric name")
    return tuple(labels)


def show_labels(labels):
    name = dict(labels)[b"__name__"].decode(errors="replace")
    rest = [f'{n.decode(errors="replace")}="{v.decode(errors="replace")}"' for n, v in labels if n != b"__name__"]
    return name + ("{" + ",".join(rest) + "}" if rest else "")


def read_series(key, value):
    b = Bytes(value)
    sound(b.number(4) == xxh3(value[4:]) & M32, "wrong checksum")
    series = Series(int.from_bytes(key, "big"), b.varint(), b.number(1), read_labels(b))
    b.end()
    sound(len(key) == 8 and 1 <= series.id < 1 << 32 and series.slot < 128, "an id or slot out of range")
    return series


# Blocks.

def read_block_key(key, version):
    b = Bytes(key)
    tier, window, group, number = b.number(1), key_time(b.take(8)), b.number(4, "big"), b.number(8, "big")
    slots = bit_set(b.take(64 if version > 1 else 16))
    b.end()
    sound(tier < len(WINDOWS) if version > 1 else tier == 0, f"tier {tier}")
    sound(window % WINDOWS[tier] == 0, "a window that begins at no multiple of its length")
    return tier, window, group, number, slots


def table(b, rows, shape):
    size = struct.calcsize(shape)
    return [struct.unpack(shape, b.take(size)) for _ in range(rows)]


def read_block(value, say):
    """Columns of a block of format 2 that are sound. say(text): of one that is not."""
    b = Bytes(value, 8)
    sound(len(value) >= 24 and b.take(4) == b"BLK2", "no block")
    columns, times, times_size = b.number(4), b.number(4), b.number(4)
    sound(columns <= 4096 and times <= 4096, "too many columns")
    time_rows, rows = table(b, times, "<III"), table(b, columns, "<HHII")
    sound(u64(value, 0) == xxh3(value[8:b.at]), "wrong checksum of the header")
    names = [row[0] for row in rows]
    sound(all(a > b for a, b in zip(names, names[1:])), "names of columns do not descend")
    sound(time_rows == [] or time_rows[-1][1] == times_size, "times end elsewhere than the header says")
    sound({row[1] for row in rows} == set(range(times)), "a time column is used by none or does not exist")
    time_bytes, end = [], 0
    for _, until, _ in time_rows:
        time_bytes.append(b.take(until - end))
        end = until
    column_bytes, end = [], 0
    for _, _, until, _ in rows:
        column_bytes.append(b.take(until - end))
        end = until
    b.end()
    return list(read_columns(time_rows, time_bytes, rows, column_bytes, say))


def read_columns(time_rows, time_bytes, rows, column_bytes, say):
    all_times = [None] * len(time_rows)
    for i, ((count, _, check), data) in enumerate(zip(time_rows, time_bytes)):
        try:
            sound(xxh3(data) & M32 == check, "wrong checksum")
            all_times[i] = read_times(data, count)
        except Damaged as error:
            say(f"times {i}: {error}")
    reference = None  # index of the time column and values of the nearest column that may serve as one
    for (name, time, _, check), data in zip(rows, column_bytes):
        values = None
        try:
            sound(xxh3(data) & M32 == check, "wrong checksum")
            times = all_times[time]
            sound(times is not None, "its times are damaged")
            sound(not needs_reference(data) or (reference is not None and reference[0] == time), "its reference has other times")
            values = read_values(data, len(times), reference and reference[1])
            yield Column(name // 8, name % 8, times, values)
        except Damaged as error:
            say(f"column {name}: {error}")
        if may_be_reference(data):
            reference = time, values


def read_block_1(value, say):
    """(series id, times, values) of a block of format 1."""
    b = Bytes(value, 8)
    sound(len(value) >= 24 and b.take(4) == b"BLK1" and b.number(4) == 1, "no block")
    series, times = b.number(4), b.number(4)
    sound(series <= 4096 and times <= 4096, "too many columns")
    time_rows, rows = table(b, times, "<IIII"), table(b, series, "<QIIII")
    sound(u64(value, 0) == xxh3(value[8:b.at]), "wrong checksum of the header")
    all_times = []
    for offset, size, count, check in time_rows:
        data = value[offset:offset + size]
        sound(xxh3(data) & M32 == check, "wrong checksum of times")
        all_times.append(read_times(data, count))
    for series_id, time, offset, size, check in rows:
        try:
            data = value[offset:offset + size]
            sound(xxh3(data) & M32 == check, "wrong checksum")
            sound(time < times, "a time column that does not exist")
            yield series_id, all_times[time], read_values(data, len(all_times[time]))
        except Damaged as error:
            say(f"series {series_id}: {error}")


# The log.

def read_frames(data, say):
    """(sequence number, payload) of each sound frame of a file."""
    sound(data[:8] == b"clochwal" and data[8:16] == b"\2\0\0\0\0\0\0\0", "no file of the log, or one of another format")
    at = 16
    while at < len(data):
        size, sequence, check, head_check = struct.unpack_from("<IQQQ", data, at + 4) if at + 32 <= len(data) else (0, 0, 0, 0)
        if data[at:at + 4] != b"WREC" or at + 32 > len(data) or xxh3(data[at:at + 24]) != head_check:
            following = data.find(b"WREC", at + 1)
            if following >= 0:
                say(f"no frame at {at}")
            elif any(data[at:]) and len(data) - at >= 32:
                say(f"no frame at {at}, nor after it")
            if following < 0:
                return
            at = following
            continue
        sound(size <= 1 << 30, "a frame that is too large")
        payload = data[at + 32:at + 32 + size]
        at += 32 + size
        if at > len(data):
            return  # cut off: it was never acknowledged
        if xxh3(payload) != check:
            say(f"record {sequence} has a wrong checksum")
            continue
        yield sequence, payload


def read_record(payload):
    """Announced series and runs: (series, [(cohort, time, slots, values)..])."""
    b = Bytes(payload)
    sound(b.number(1) == 2, "a record of another format")
    series = [Series(b.varint(), b.varint(), b.number(1), read_labels(b)) for _ in range(b.varint())]
    runs, total = b.varint(), b.varint()
    cohort = time = 0
    found = []
    for _ in range(runs):
        cohort, time, n = signed((cohort + b.zigzag()) & (1 << 64) - 1), signed((time + b.zigzag()) & (1 << 64) - 1), b.varint()
        slots = bit_set(b.take(16)) if n & 1 else list(range(n >> 1))
        sound(len(slots) == n >> 1 and n >> 1 <= 128 and cohort >= 0, "a run of other slots than it says")
        found.append((cohort, time, slots))
    sound(sum(len(slots) for _, _, slots in found) == total, "runs have another number of values than announced")
    lengths = low_bits(b, total, 4)
    sound(all(n <= 8 for n in lengths), "a value of more than eight bytes")
    values = [b.number(n) << 8 * (8 - n) for n in lengths]
    sound(b.take(8) == bytes(8), "no padding")
    b.end()
    at, out = 0, []
    for cohort, time, slots in found:
        out.append((cohort, time, slots, values[at:at + len(slots)]))
        at += len(slots)
    return series, out


def read_record_1(value):
    """Announced series and samples: (series, [(id, time, bits)..])."""
    b = Bytes(value)
    sound(b.number(8) == xxh3(value[8:]), "wrong checksum")
    sound(b.number(1) == 1, "a record of another format")
    series = []
    while b.number(1):
        series.append(Series(b.varint(), b.varint(), b.number(1), read_labels(b)))
    base, n, with_times = signed(b.number(8)), b.varint(), b.number(1)
    runs, ids, last = Bytes(b.text()), [], 0
    while runs.at < len(runs.data):
        first, length = signed((last + runs.zigzag()) & (1 << 64) - 1), runs.varint()
        sound(length <= n - len(ids), "runs of more ids than samples")
        ids += range(first, first + length)
        last = ids[-1]
    sound(len(ids) == n, "runs of fewer ids than samples")
    times = [base] * n
    if with_times:
        distances, time = Bytes(b.text()), base
        for i in range(n):
            time = times[i] = signed((time + distances.zigzag()) & (1 << 64) - 1)
        distances.end()
    values = []
    for _ in range(n):
        v = b.varint()
        k = v >> 1
        values.append(b.number(8) if v & 1 else struct.unpack("<Q", struct.pack("<d", k >> 1 ^ -(k & 1)))[0])
    b.end()
    return series, list(zip(ids, times, values))


class Store:
    """Everything of metrics/ and wal/. problems: texts."""

    def __init__(self, folder):
        self.folder, self.problems = folder, []
        env = Lmdb(os.path.join(folder, "metrics", "data.mdb"))
        tables = {name: list(env.items(name)) for name in env.names}
        self.guard("metrics", env.check_pages)
        for name, rows in tables.items():
            keys = [key for key, _ in rows]
            self.must(keys == sorted(set(keys)), f"{name}: keys do not ascend")
        self.meta = dict(tables.get("meta", ()))
        self.version = int.from_bytes(self.meta[b"format"], "big")
        if not 1 <= self.version <= 2:
            raise Damaged(f"format {self.version} is not known")
        self.read_counters()
        self.series = {}    # id -> Series
        self.announced = {}  # of the log: id -> Series
        for key, value in tables.get("series", ()):
            self.guard(f"series {key.hex()}", lambda k=key, v=value: self.add_series(read_series(k, v), self.series))
        self.blocks = []
        for key, value in tables.get("blocks", ()):
            self.guard(f"block {key.hex()}", lambda k=key, v=value: self.blocks.append(
                Block(*read_block_key(k, self.version), v)))
        self.flushed = {key_time(key): u64(value, 0) for key, value in tables.get("flushed", ())}
        self.tiers = {(key[0], key_time(key[1:])): u64(value, 0) for key, value in tables.get("tiers", ())}
        self.families = {}
        for key, value in tables.get("families", ()):
            self.must(int.from_bytes(value[:4], "little") == xxh3(value[4:]) & M32, f"family {key}: wrong checksum")
            self.families[key] = value[4], value[5:]
        self.log = []  # (sequence, announced series, runs of format 2 or samples of format 1)
        self.log_files = []
        self.guard("wal", self.read_log if self.version > 1 else self.read_log_1)
        self.places = {(s.cohort, s.slot): s for s in [*self.announced.values(), *self.series.values()]}

    def must(self, condition, text):
        if not condition:
            self.problems.append(text)

    def guard(self, what, call):
        try:
            return call()
        except (Damaged, DamagedFile) as error:
            self.problems.append(f"{what}: {error}")

    def read_counters(self):
        value = self.meta.get(b"counters", b"").ljust(36, b"\0")
        counters = struct.unpack("<QQQIQ", value[:36])
        self.next_series, self.next_block, self.last_record, self.next_cohort, self.keep_from = counters

    def add_series(self, series, to):
        known = self.series.get(series.id) or self.announced.get(series.id)
        sound(known is None or known == series, f"id {series.id} is that of two series")
        to[series.id] = series

    def read_log(self):
        last, folder = 0, os.path.join(self.folder, "wal")
        for name in sorted(n for n in os.listdir(folder) if n.endswith(".wal")):
            with open(os.path.join(folder, name), "rb") as f:
                data = f.read()
            say = lambda text, name=name: self.problems.append(f"{name}: {text}")
            self.log_files.append((int(name[:-4], 16), len(data)))
            for i, (sequence, payload) in enumerate(read_frames(data, say)):
                self.must(i or sequence == int(name[:-4], 16), f"{name} begins with record {sequence}")
                self.must(sequence > last, f"{name}: record {sequence} comes after {last}")
                last = sequence
                self.guard(f"record {sequence}", lambda: self.add_record(sequence, read_record(payload)))

    def read_log_1(self):
        env = Lmdb(os.path.join(self.folder, "wal", "data.mdb"))
        for key, value in env.items("wal"):
            self.guard(f"record {u64(key, 0)}", lambda: self.add_record(u64(key, 0), read_record_1(value)))

    def add_record(self, sequence, record):
        for series in record[0]:
            self.add_series(series, self.announced)
        self.log.append((sequence, *record))

    def log_samples(self):
        """(series, time, bits) of the log that are not in blocks, in the order in which they came."""
        for sequence, _, runs in self.log:
            if sequence < self.keep_from:
                continue
            for run in runs:
                if sequence <= self.flushed.get(run[1] // WINDOWS[0] * WINDOWS[0], 0):
                    continue
                yield from self.run_samples(sequence, run)

    def run_samples(self, sequence, run):
        if self.version == 1:
            found = [(self.series.get(run[0]) or self.announced.get(run[0]), run[1], run[2])]
        else:
            found = [(self.places.get((run[0], slot)), run[1], bits) for slot, bits in zip(run[2], run[3])]
        for series, time, bits in found:
            self.must(series is not None, f"record {sequence} has a value of no series: {run[:2]}")
            if series:
                yield series, time, bits

    def columns(self, tier):
        """(block, series, field, times, values), blocks by ascending number."""
        for block in sorted((b for b in self.blocks if b.tier == tier), key=lambda b: b.number):
            what = f"block {block.number} (tier {tier}, window {block.window}, group {block.group})"
            say = lambda text, what=what: self.problems.append(f"{what}: {text}")
            for slot, field, times, values in self.guard(what, lambda: self.block_columns(block, say)) or ():
                cohort = block.group * 4 + slot // 128 if self.version > 1 else block.group
                series = self.places.get((cohort, slot % 128))
                self.must(series is not None, f"{what}: slot {slot} is of no series")
                if series:
                    yield block, series, field, times, values

    def block_columns(self, block, say):
        if self.version > 1:
            found = read_block(block.value, say)
        else:
            found = []
            for series_id, times, values in read_block_1(block.value, say):
                series = self.series.get(series_id)
                sound(series is not None and series.cohort == block.group, f"series {series_id} is not of this cohort")
                found.append(Column(series.slot, 0, times, values))
        slots = sorted({column.slot for column in found})
        self.must(slots == block.slots, f"block {block.number}: its key has slots {block.slots}, its directory {slots}")
        return found

    def samples(self):
        """labels -> {time: bits}. Of two values of a time the later block's counts, and the log's before all blocks'."""
        found = {}
        for block, series, field, times, values in self.columns(0):
            self.must(field == 0, f"block {block.number}: raw samples in field {field}")
            self.must(times and block.window <= times[0] and times[-1] < block.window + WINDOWS[0],
                      f"block {block.number}: samples outside of its window")
            found.setdefault(series.labels, {}).update(zip(times, values))
        for series, time, bits in self.log_samples():
            found.setdefault(series.labels, {})[time] = bits
        return {labels: dict(sorted(values.items())) for labels, values in found.items()}

    def points(self, tier):
        """labels -> {end of the bucket: Point}."""
        found, parts = {}, {}
        for block, series, field, times, values in self.columns(tier):
            if block.number >= self.tiers.get((tier, block.window), 0):
                parts.setdefault((block.number, series.labels), (block, {}))[1][field] = times, values
        for (number, labels), (block, fields) in sorted(parts.items(), key=lambda part: part[0][0]):
            what = f"block {number}, {show_labels(labels)}"
            self.must(0 in fields, f"{what}: no field 0")
            if 0 in fields:
                times = fields[0][0]
                self.must(all(t == times for t, _ in fields.values()), f"{what}: fields of other times")
                points = self.block_points(block, times, {f: values for f, (_, values) in fields.items()}, what)
                found.setdefault(labels, {}).update(points)
        return {labels: dict(sorted(values.items())) for labels, values in found.items()}

    def block_points(self, block, times, fields, what):
        resolution, points = RESOLUTIONS[block.tier], {}
        for i, time in enumerate(times):
            values = [fields[0][i]]
            for field in range(1, 8):
                other = MISSING[field]
                values.append(fields[field][i] if field in fields else values[other] if field < 5 else other)
            end = -(-time // resolution) * resolution
            self.must(block.window < end <= block.window + WINDOWS[block.tier], f"{what}: a point outside of the window")
            self.must(end not in points, f"{what}: two points end at {end}")
            points[end] = Point(time, *values)
        return points

    def check_points(self, tier):
        """Every sample in blocks has a point in the windows that tell of all."""
        resolution, length, points = RESOLUTIONS[tier], WINDOWS[tier], self.points(tier)
        for block, series, _, times, _ in self.columns(0):
            for end in {-(-t // resolution) * resolution for t in times}:
                window = (end - 1) // length * length
                self.must((tier, window) not in self.tiers or end in points.get(series.labels, ()),
                          f"tier {tier}, window {window}: {show_labels(series.labels)} has samples, but no point at {end}")

    def check(self):
        """What the page says of the whole; problems grow."""
        self.samples()
        for tier in (1, 2):
            self.check_points(tier)
        numbers = [b.number for b in self.blocks]
        self.must(len(set(numbers)) == len(numbers), "two blocks have the same number")
        every = {**self.announced, **self.series}
        for what, names in (("labels", [s.labels for s in every.values()]), ("place", [s[1:3] for s in every.values()])):
            self.must(len(set(names)) == len(names), f"two series have the same {what}")
        cohorts = 4 if self.version > 1 else 1  # of a group
        with_blocks = {(b.group * cohorts + slot // 128, slot % 128) for b in self.blocks for slot in b.slots}
        waiting = {s.id for s, _, _ in self.log_samples()} | set(self.announced)
        for series in self.series.values():
            self.must((series.cohort, series.slot) in with_blocks or series.id in waiting,
                      f"series {series.id} {show_labels(series.labels)} has neither blocks nor records")
        last = max([self.last_record] + [sequence for sequence, _, _ in self.log])
        for window, sequence in self.flushed.items():
            self.must(window % WINDOWS[0] == 0, f"flushed: {window} is no window")
            self.must(sequence <= last, f"flushed: window {window} up to record {sequence}, the last is {last}")
        self.must(self.keep_from <= last + 1, f"wal_keep_from is {self.keep_from}, the last record {last}")
        for tier, window in self.tiers:
            self.must(tier in (1, 2) and window % WINDOWS[tier] == 0, f"tiers: {window} is no window of tier {tier}")
        for name, (kind, _) in self.families.items():
            self.must(kind <= 5, f"family {name} is of type {kind}")
        return self.problems

    def summary(self):
        samples = self.samples()
        lines = [f"format {self.version}", f"{len({**self.announced, **self.series})} series, {len(self.series)} in the table",
                 f"{sum(map(len, samples.values()))} samples, {sum(1 for _ in self.log_samples())} of them in the log",
                 f"{len(self.log)} records in the log, kept from {self.keep_from}", f"{len(self.families)} families"]
        for tier in range(3):
            blocks = [b for b in self.blocks if b.tier == tier]
            lines.append(f"tier {tier}: {len(blocks)} blocks of {len({b.window for b in blocks})} windows, "
                         f"{sum(len(b.value) for b in blocks)} bytes")
        for tier in (1, 2):
            lines.append(f"tier {tier}: {sum(map(len, self.points(tier).values()))} points")
        return lines


def show(store, wanted):
    for labels, values in sorted(store.samples().items()):
        if wanted in (None, show_labels(labels), dict(labels)[b"__name__"].decode(errors="replace")):
            print(show_labels(labels))
            for time, bits in values.items():
                print(f"  {time} {'stale' if bits == STALE else repr(value_of(bits))} {bits:016x}")
    for tier in (1, 2):
        for labels, points in sorted(store.points(tier).items()):
            if wanted in (None, show_labels(labels), dict(labels)[b"__name__"].decode(errors="replace")):
                print(f"{show_labels(labels)} points of {RESOLUTIONS[tier] // 60000} min")
                for end, point in points.items():
                    print(f"  {end} last at {point.time}: " + " ".join(
                        f"{name} {value_of(bits)!r}" for name, bits in zip(FIELDS, point[1:])))


def main():
    parser = argparse.ArgumentParser(description="Reads cloche's data directory by storage/FORMAT.md.")
    parser.add_argument("dir")
    parser.add_argument("--series", metavar="NAME", help="a metric's name or a series as it is printed")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    try:
        store = Store(args.dir)
    except (ValueError, OSError) as error:
        sys.exit(f"{args.dir}: {error}")
    if args.check:
        store.check()
    if args.summary:
        print("\n".join(store.summary()))
    if not args.check and not args.summary:
        show(store, args.series)
    for problem in dict.fromkeys(store.problems):
        print(problem, file=sys.stderr)
    sys.exit(1 if store.problems else 0)


if __name__ == "__main__":
    main()
