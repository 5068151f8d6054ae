"""The store as its users meet it when things go wrong: kill -9, full disks, flipped bits, cut files, readers that do not
read, clocks that jump. Whatever was acknowledged stays, damage is named, the rest goes on.

With CLOCHE_LONG=1 (ctest: faults.store, label slow) the loops run long. CLOCHE_SEED repeats a run's random choices."""
import contextlib
import glob
import http.client
import os
import random
import re
import resource
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import wait_for
from remote_write import Sender, bits_of, series, write

LONG = bool(os.environ.get("CLOCHE_LONG"))
SEED = int(os.environ.get("CLOCHE_SEED") or random.SystemRandom().randrange(1 << 32))
WINDOW_MS = 7200 * 1000
STEPS = 480  # of 15 s in a window
DAY_MS = 24 * 3600 * 1000
STORE = ["--store-only", "--retention", "0"]


@pytest.fixture
def chance():
    print(f"CLOCHE_SEED={SEED}")
    return random.Random(SEED)


def days_ago(days):
    """The begin of a window."""
    return (int(time.time() * 1000) - int(days * DAY_MS)) // WINDOW_MS * WINDOW_MS


def figures(one):
    return {k: float(v) for k, v in re.findall(r"^(cloche_\w+) (\S+)$", one.get("/metrics"), re.M)}


def flushed(one):
    """Once nothing but the newest windows is in the head."""
    before = []

    def settled():
        now = figures(one)
        before.append((now["cloche_store_head_samples"], now["cloche_store_blocks_written_total"]))
        return len(before) > 30 and len(set(before[-30:])) == 1
    wait_for("flushes to end", settled)


def in_blocks(one, sender):
    """Pushes everything of the sender so far out of the head: a window goes when the newest sample is past its end by ten
    minutes; the one of that sample stays."""
    later = Sender("later", 1, sender.time_of(sender.next) + WINDOW_MS + 11 * 60000)
    later.fill(one, 1)
    wait_for("flushes", lambda: figures(one)["cloche_store_head_samples"] <= 1)


def segments(one):
    return sorted(glob.glob(os.path.join(one.data, "wal", "*.wal")))


def flip(path, at, bit=3):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << bit]))


class Flusher(threading.Thread):
    """Asks for flushes until cloche has ended."""

    def __init__(self, one):
        super().__init__(daemon=True)
        self.one, self.count = one, 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            while self.one.request("/api/v1/admin/tsdb/flush", method="POST", data=b"")[0] == 204:
                self.count += 1


# Kills and stops.

def test_kill_9_at_random_moments_loses_nothing_that_was_acknowledged(cloche, chance):
    one = cloche(config="retention: 10y\nretention_5m: 11y\nretention_1h: 12y\n", start=False)
    one.args = ["--store-only", "--config", one.config_path]
    senders = [Sender("killed", 5, days_ago(3000), 60000) for _ in range(2)]
    rounds, flushes = 200 if LONG else 10, 0
    for i in range(rounds):
        if chance.random() < 0.3:
            one.start(wait=False)
            time.sleep(chance.uniform(0, 0.3))
            one.kill()
        one.start()
        for sender in senders:
            sender.check(one, 0 if i % 40 == 0 else max(0, sender.next - 5000))
            sender.leave_out() if chance.random() < 0.5 else None
            sender.start(one)
        flusher = Flusher(one) if chance.random() < 0.5 else None
        # Half of the kills come at once, half of them where flushes have begun.
        time.sleep(chance.uniform(0.005, 0.4) if chance.random() < 0.5 else chance.uniform(0.4, 2))
        one.kill()
        for sender in senders:
            sender.join()
            assert not sender.refusals
        if flusher:
            flusher.join()
            flushes += flusher.count
    one.start()
    for sender in senders:
        sender.check(one)
    now = figures(one)
    print(f"steps {[s.next for s in senders]}, {flushes} flushes asked for")
    assert now["cloche_store_corruptions_total"] == 0
    with open(os.path.join(one.data, "metrics", "data.mdb"), "rb") as f:
        assert b"BLK2" in f.read()
    flushed(one)
    for sender in senders:
        sender.check(one)
        check_tiers(one, sender)


def check_tiers(one, sender):
    """Points of five minutes and of an hour count every sample once, as the samples themselves do."""
    days = (sender.next * sender.step_ms) // DAY_MS - 1
    for day in range(1, days, 1 + days // 40):
        expr = f'sum by (series) (count_over_time(killed{{sender="{sender.number}"}}[1d]))'
        raw, five, hour = [sorted((labels["series"], n) for labels, n in one.query(
            expr, time=(sender.start_ms + day * DAY_MS) / 1000, resolution=resolution)) for resolution in ("raw", "5m", "1h")]
        assert raw and five == raw and hour == raw, f"day {day}"


def test_a_stop_in_the_midst_of_ingest_and_flushes_is_orderly(cloche, chance):
    """A stop that takes more than five seconds ends by SIGALRM."""
    one = cloche(args=STORE, start=False)
    senders = [Sender("stopped", 100, days_ago(1000), 60000) for _ in range(2)]
    for i in range(20 if LONG else 4):
        one.start()
        for sender in senders:
            sender.fill(one, 250 if i % 2 else 10, at_once=50)  # two windows to be flushed
            sender.start(one)
        Flusher(one) if chance.random() < 0.5 else None
        time.sleep(chance.uniform(0.05, 1.2))
        assert one.stop()[1] == 0, one.log()
        for sender in senders:
            sender.join()
        one.start()
        for sender in senders:
            sender.check(one)
        assert one.stop()[1] == 0, one.log()


def test_a_sender_that_lags_goes_on_after_a_restart(cloche):
    """Its own samples are in order, although others are hours ahead and its last ones lie in blocks."""
    one = cloche(start=False)
    one.args = ["--store-only", "--config", one.config_path]
    one.write_config("retention: 100d\n")
    one.start()
    lags, ahead = Sender("lags", 5, days_ago(60), 60000), Sender("ahead", 5, days_ago(1))
    for _ in range(3):
        lags.fill(one, 500)
        ahead.fill(one, 100)
        assert one.request("/api/v1/admin/tsdb/flush", method="POST", data=b"")[0] == 204
        flushed(one)  # and what follows from it: points of five minutes and of an hour
        one.kill()
        one.start()
    lags.check(one)
    early = -20 * DAY_MS // lags.step_ms
    lags.unknown.add(early)
    assert write(one, lags.message(early))[0] == 400
    assert not lags.missing(one, early)


@pytest.mark.parametrize("hour", [0, 18])  # a day of five-minute points begins with the sample, or before it
def test_the_very_first_sample_is_in_every_tier(cloche, hour):
    one = cloche(start=False)
    one.args = ["--store-only", "--config", one.config_path]
    one.write_config("retention: 100d\n")
    one.start()
    sender = Sender("first", 2, days_ago(60) // DAY_MS * DAY_MS + hour * 3600 * 1000, 60000)
    sender.fill(one, 1500)
    assert one.request("/api/v1/admin/tsdb/flush", method="POST", data=b"")[0] == 204
    flushed(one)
    Sender("ahead", 1, days_ago(1)).fill(one, 1)  # the windows of days are over
    assert one.request("/api/v1/admin/tsdb/flush", method="POST", data=b"")[0] == 204
    flushed(one)
    one.stop()
    one.start()
    flushed(one)
    for resolution in "raw", "5m", "1h", "auto":
        counts = one.query("count_over_time(first[5d])", time=(sender.start_ms + 3 * DAY_MS) / 1000, resolution=resolution)
        assert [n for _, n in counts] == [1500, 1500], resolution


# Full disks.

def limit_files(one, size):
    """Writes beyond that size of a file fail, as on a full disk."""
    hard = resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def unready(one):
    status, text = one.request("/-/ready")
    return text if status == 503 else None


def check_said(one, text):
    """What is wrong and what to do, to whoever asks."""
    assert "cannot be written" in text and "disk is full" in text and "free space" in text, text
    store = one.json("/api/ui/status")["store"]
    assert store["writable"] is False and "free space" in store["error"], store


def test_a_full_disk_under_the_log_is_told_to_senders_and_recovers(cloche):
    one = cloche(args=STORE)
    sender = Sender("full", 20, days_ago(1))
    sender.fill(one, 100)
    limit_files(one, os.path.getsize(segments(one)[-1]) + 10000)
    sender.start(one)
    text = wait_for("the failure to be said", lambda: unready(one))
    check_said(one, text)
    wait_for("refusals", lambda: len(sender.refusals) > 3)
    sender.check(one)
    limit_files(one, None)
    wait_for("recovery", lambda: one.get("/-/ready"))
    known = len(sender.acknowledged)
    wait_for("samples again", lambda: len(sender.acknowledged) > known)
    sender.join()
    assert all(status == 503 and int(after) > 0 and "try again" in text for status, after, text in sender.refusals)
    assert one.json("/api/ui/status")["store"]["writable"] is True
    sender.check(one)
    one.kill()
    one.start()
    sender.check(one)
    assert figures(one)["cloche_store_corruptions_total"] == 0


def test_a_full_disk_under_blocks_keeps_samples_in_the_log(cloche):
    one = cloche(args=STORE)
    sender = Sender("full", 200, days_ago(1))
    sender.fill(one, 2 * STEPS)
    in_blocks(one, sender)
    one.stop()
    one.start()  # with a new segment of the log, which has room to grow where data.mdb has not
    limit_files(one, os.path.getsize(os.path.join(one.data, "metrics", "data.mdb")) + 8192)
    late = Sender("late", 50, days_ago(2))  # into blocks when nothing more comes for two seconds
    late.fill(one, STEPS, at_once=10)
    text = wait_for("the failure to be said", lambda: unready(one))
    check_said(one, text)
    late.check(one)
    sender.check(one)
    limit_files(one, None)
    wait_for("recovery", lambda: one.get("/-/ready"))
    wait_for("flushes", lambda: figures(one)["cloche_store_head_samples"] <= 1)
    for again in False, True:
        sender.check(one)
        late.check(one)
        if not again:
            one.kill()
            one.start()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB: its folder, and a way to fill it to the last byte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(folder):
    with open(folder / "ballast", "ab", buffering=0) as f:
        for piece in b"x" * 65536, b"x" * 4096:
            with contextlib.suppress(OSError):
                while True:
                    f.write(piece)


def test_a_disk_that_fills_up_loses_nothing_and_recovers_by_itself(cloche, small_disk):
    one = cloche(args=STORE, start=False)
    one.data = str(small_disk / "data")
    one.start()
    senders = [Sender("filled", 20, days_ago(400)) for _ in range(2)]
    for _ in range(3 if LONG else 1):
        for sender in senders:
            sender.start(one)
        wait_for("some windows", lambda: min(s.next for s in senders) > 100)
        fill_up(small_disk)
        check_said(one, wait_for("the failure to be said", lambda: unready(one)))
        for sender in senders:
            wait_for("refusals", lambda: sender.refusals)
            sender.check(one)
        os.remove(small_disk / "ballast")
        wait_for("recovery", lambda: one.get("/-/ready"))
        known = len(senders[0].acknowledged)
        wait_for("samples again", lambda: len(senders[0].acknowledged) > known)
        for sender in senders:
            sender.join()
            sender.check(one)
        one.kill()
        one.start()
        for sender in senders:
            sender.check(one)


def test_a_first_start_on_a_nearly_full_disk_serves_or_says_why_not(cloche, small_disk):
    one = cloche(args=STORE, start=False)
    one.data = str(small_disk / "data")
    for pages in range(0, 40, 1 if LONG else 3):
        fill_up(small_disk)
        os.truncate(small_disk / "ballast", os.path.getsize(small_disk / "ballast") - pages * 4096)
        one.start(wait=False)
        if wait_for("a start or its end", lambda: one.process.poll() or one.get("/-/healthy")) != "cloche is healthy.\n":
            assert one.process.returncode == 1 and "free some" in one.log(), f"{pages}: {one.process.returncode} {one.log()}"
        assert one.stop()[1] in (0, 1)
        os.remove(small_disk / "ballast")
        shutil.rmtree(one.data, ignore_errors=True)
        os.remove(one.log_path)


def test_a_start_on_a_full_disk_serves_what_there_is(cloche, small_disk):
    one = cloche(args=STORE, start=False)
    one.data = str(small_disk / "data")
    one.start()
    sender = Sender("filled", 20, days_ago(1))
    sender.fill(one, 100)
    one.kill()
    fill_up(small_disk)
    one.start(wait=False)
    wait_for("a start", lambda: one.alive() and one.get("/-/healthy"))
    sender.check(one)
    os.remove(small_disk / "ballast")
    wait_for("recovery", lambda: one.get("/-/ready"))
    sender.check(one)
    sender.fill(one, 100)
    sender.check(one)


# Damage.

def find_block(one, window_ms):
    """Where the raw block of a window begins in data.mdb: the node of its key leads to its first page."""
    path = os.path.join(one.data, "metrics", "data.mdb")
    with open(path, "rb") as f:
        data = f.read()
    key = b"\0" + struct.pack(">Q", window_ms ^ 1 << 63)
    for match in re.finditer(re.escape(key), data):
        at = match.start()
        flags, key_size = struct.unpack_from("<HH", data, at - 4)
        if flags != 1 or not 21 < key_size < 200:
            continue
        block = struct.unpack_from("<Q", data, at + key_size)[0] * 4096 + 16
        if data[block + 8:block + 12] == b"BLK2":
            return path, block, struct.unpack_from("<I", data, at - 8)[0]
    raise AssertionError("no block of that window")


def damage_told(one, pattern):
    """The log names it, the status shows the newest, counters count, and cloche stays ready."""
    wait_for(f"the log to say {pattern}", lambda: re.search(pattern, one.log()))
    store = one.json("/api/ui/status")["store"]
    assert store["damages"] >= 1 and store["newest_damage"], store
    assert store["newest_damage"] in one.log()
    assert figures(one)["cloche_store_corruptions_total"] >= 1
    assert one.get("/-/ready")


@pytest.fixture
def three_windows(cloche):
    """A store with three windows in blocks, stopped."""
    one = cloche(args=STORE)
    sender = Sender("damaged", 40, days_ago(2))
    sender.fill(one, 3 * STEPS)
    in_blocks(one, sender)
    assert one.stop()[1] == 0
    return one, sender


def test_a_bit_flipped_in_a_column_costs_that_series_in_that_window(three_windows):
    one, sender = three_windows
    path, block, size = find_block(one, sender.time_of(STEPS))
    flip(path, block + size - 100)
    one.start()
    gone = sender.missing(one)
    assert gone and {step // STEPS for _, step in gone} == {1}
    assert len({i for i, _ in gone}) < 10
    damage_told(one, r"block \d+ .*damaged")


def test_a_bit_flipped_in_the_head_of_a_block_costs_that_block(three_windows):
    one, sender = three_windows
    path, block, _ = find_block(one, sender.time_of(STEPS))
    flip(path, block + 13)
    one.start()
    gone = sender.missing(one)
    assert gone == {(i, step) for i in range(sender.count) for step in range(STEPS, 2 * STEPS)}
    damage_told(one, r"block \d+ .*damaged")


def test_a_bit_flipped_in_the_record_of_a_series_costs_that_series(cloche):
    one = cloche(args=STORE)
    sender = Sender("damaged", 40, days_ago(2))
    sender.fill(one, 2 * STEPS)
    # The log tells of new series, too: it has to be gone before their records count.
    one.kill()
    one.start()
    in_blocks(one, sender)
    wait_for("the old log to go", lambda: len(segments(one)) <= 1)
    assert one.stop()[1] == 0
    path, victim = os.path.join(one.data, "metrics", "data.mdb"), b"0039"
    with open(path, "rb") as f:
        data = f.read()
    places = [m.start() for m in re.finditer(re.escape(b"\6series\4" + victim), data)]
    assert places
    for at in places:
        flip(path, at + 8 + 3)
    one.start()
    gone = sender.missing(one)
    assert {i for i, _ in gone} == {39}
    damage_told(one, "record of a series is damaged")
    # A series that comes now must not inherit the samples of the one that was lost.
    now = sender.time_of(sender.next)
    sender.unknown.add(sender.next)
    assert write(one, series({"__name__": "stranger"}, (now, bits_of(1.0))) + sender.message(sender.next))[0] == 204
    for again in False, True:
        (result,) = one.json("/api/v1/query", query="stranger[3d]", time=now / 1000 + 1)["data"]["result"]
        assert [v for _, v in result["values"]] == ["1"]
        assert {i for i, _ in sender.missing(one)} == {39}
        if not again:
            one.kill()
            one.start()


def damage_log(cloche, change, steps=40):
    """A sender's steps, a record each, in a log that is changed while cloche is down."""
    one = cloche(args=STORE)
    sender = Sender("logged", 10, days_ago(0.1))
    sender.fill(one, steps, at_once=1)
    assert one.stop()[1] == 0  # the series' own records, which are written a moment later, are there, too
    change(one)
    one.start()
    return one, sender


def frames(path):
    with open(path, "rb") as f:
        data = f.read()
    return [m.start() for m in re.finditer(b"WREC", data)]


def test_a_bit_flipped_in_a_record_of_the_log_costs_that_record(cloche):
    one, sender = damage_log(cloche, lambda one: flip(segments(one)[-1], frames(segments(one)[-1])[20] + 60))
    assert {step for _, step in sender.missing(one)} == {20}
    damage_told(one, r"wal/[0-9a-f]{16}\.wal: a record at byte \d+ is damaged")


def test_a_bit_flipped_in_a_frame_of_the_log_costs_that_record(cloche):
    one, sender = damage_log(cloche, lambda one: flip(segments(one)[-1], frames(segments(one)[-1])[20] + 9))
    assert {step for _, step in sender.missing(one)} == {20}
    damage_told(one, r"wal/[0-9a-f]{16}\.wal: a frame at byte \d+ is damaged")


def test_a_bit_flipped_in_the_record_that_names_the_series_costs_no_other_record(cloche):
    one, sender = damage_log(cloche, lambda one: flip(segments(one)[-1], frames(segments(one)[-1])[0] + 60))
    assert {step for _, step in sender.missing(one)} == {0}
    damage_told(one, r"wal/[0-9a-f]{16}\.wal: a record at byte \d+ is damaged")


def test_a_log_whose_end_is_cut_off_serves_what_is_left(cloche):
    """A cut in the newest segment looks like a record that was being written: it has no damage to tell of."""
    def cut(one):
        path = segments(one)[-1]
        os.truncate(path, frames(path)[30] + 50)
    one, sender = damage_log(cloche, cut)
    assert {step for _, step in sender.missing(one)} == set(range(30, 40))
    sender.acknowledged = set(range(30))
    sender.fill(one, 10, at_once=1)
    one.kill()
    one.start()
    sender.check(one)


def test_a_segment_whose_end_is_cut_off_is_told_when_others_follow(cloche):
    one, sender = damage_log(cloche, lambda one: None)
    sender.fill(one, 10, at_once=1)
    one.kill()
    path = segments(one)[0]
    os.truncate(path, frames(path)[30] + 50)
    one.start()
    assert {step for _, step in sender.missing(one)} == set(range(30, 40))
    damage_told(one, r"wal/[0-9a-f]{16}\.wal: records 31 to 40 are missing")


def test_a_cut_database_is_refused_by_name(three_windows):
    one, sender = three_windows
    for folder in "metrics", "state", "tasks":
        path = os.path.join(one.data, folder, "data.mdb")
        with open(path, "rb") as f:
            whole = f.read()
        for size in len(whole) // 2, len(whole) - 4096, 8192, 5000:
            with open(path, "wb") as f:
                f.write(whole[:size])
            os.path.exists(one.log_path) and os.remove(one.log_path)
            one.start(wait=False)
            if wait_for("a start or its end", lambda: one.process.poll() or one.get("/-/healthy")) == 1:
                assert folder in one.log() and "restore" in one.log(), one.log()
            else:  # nothing was lost: the last page was a free one
                assert size == len(whole) - 4096, f"{folder} cut to {size}: {one.process.poll()} {one.log()}"
                sender.check(one)
                one.kill()
        with open(path, "wb") as f:
            f.write(whole)
    one.start()
    sender.check(one)


# Readers, clocks, churn.

def rss_bytes(one):
    with open(f"/proc/{one.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024


def data_bytes(one):
    return sum(os.path.getsize(path) for path in glob.glob(os.path.join(one.data, "*", "*")))


def test_a_client_that_reads_slowly_holds_no_snapshot(cloche):
    one = cloche(args=STORE)
    read = Sender("read", 200, days_ago(4))
    read.fill(one, STEPS)
    query = urllib.parse.urlencode({"query": "read", "start": read.start_ms // 1000, "step": 1,
                                    "end": read.start_ms // 1000 + 7000})
    writer = Sender("written", 50, days_ago(3), 60000)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.connect(("127.0.0.1", one.port))
        s.settimeout(60)
        s.sendall(f"GET /api/v1/query_range?{query} HTTP/1.1\r\nHost: 127.0.0.1:{one.port}\r\n\r\n".encode())
        got = len(s.recv(65536))
        assert got
        writer.start(one)
        memory, disk, open_snapshots, began = [], [], [], time.monotonic()
        while time.monotonic() < began + (25 if LONG else 6):
            got += len(s.recv(65536))
            memory.append(rss_bytes(one))
            disk.append(data_bytes(one))
            open_snapshots.append(figures(one)["cloche_store_snapshots"])
            time.sleep(0.1)
        writer.join()
        print(f"read {got} bytes, {writer.next} steps written; memory {memory[0]}..{max(memory)}, disk {disk[0]}..{max(disk)}, "
              f"{figures(one)['cloche_store_blocks_written_total']:.0f} blocks")
    assert 0 in open_snapshots[len(open_snapshots) // 2:]  # those of flushes come and go
    assert max(memory) - memory[0] < 64 << 20 and max(disk) - disk[0] < 64 << 20
    assert figures(one)["cloche_store_blocks_written_total"] > 1
    writer.check(one)
    read.check(one)


def test_clocks_that_jump_an_hour_back_and_forth_lose_nothing(cloche, chance):
    """Of two samples of one time the later one counts, wherever the first one lies by then."""
    one = cloche(args=STORE)
    stored, clock, sent = {}, days_ago(6), 0
    for i in range(600 if LONG else 150):
        clock += 15000
        clock += chance.choice([-1, 1]) * 3600 * 1000 if chance.random() < 0.05 else 0
        clock += WINDOW_MS if chance.random() < 0.01 else 0
        samples = [(clock + k * 60000, bits_of(float(sent + k))) for k in range(10)]
        sent += 10
        assert write(one, series({"__name__": "jumped"}, *samples))[0] == 204
        stored.update(samples)
        if i % 50 == 49:
            time.sleep(2.6)  # windows that are over and have been left alone become blocks
            one.kill() if chance.random() < 0.5 else one.stop()
            one.start()
        if i % 25 == 24:
            (result,) = one.json("/api/v1/query", query="jumped[30d]")["data"]["result"]
            found = [(round(t * 1000), bits_of(float(v))) for t, v in result["values"]]
            assert found == sorted(stored.items())


def test_series_that_come_and_go_leave_with_the_retention(cloche):
    one = cloche(start=False)

    def start(retention):
        one.args = ["--store-only", "--retention", retention]
        began = time.monotonic()
        one.start()
        return time.monotonic() - began
    empty = start("10d")
    stays = Sender("stays", 5, days_ago(0.05))
    short_lived = [Sender("pod", 500, days_ago(5) + i * 60000) for i in range(40)]
    for sender in short_lived:
        sender.fill(one, 10)
    stays.fill(one, 10)
    assert one.json("/api/ui/status")["store"]["series"] == 20005
    wait_for("blocks", lambda: figures(one)["cloche_store_head_samples"] <= 50)
    one.stop()
    full = start("10d")
    assert one.json("/api/ui/status")["store"]["series"] == 20005
    short_lived[0].check(one)
    one.stop()
    start("1d")
    wait_for("series to leave", lambda: one.json("/api/ui/status")["store"]["series"] == 5)
    assert one.query('count({__name__="pod"})', time=short_lived[0].time_of(5) / 1000) == []
    stays.check(one)
    one.stop()
    after = start("1d")  # the log may still name them
    wait_for("series to leave", lambda: one.json("/api/ui/status")["store"]["series"] == 5)
    stays.fill(one, 10)
    stays.check(one)
    print(f"start: empty {empty:.2f} s, 20,005 series {full:.2f} s, afterwards {after:.2f} s")
