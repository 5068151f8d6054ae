"""Targets that refuse, hang, die, lie and come back; and that none of them harms another."""
import os
import time

from conftest import free_port, wait_for


def config_of(**targets):
    lines = ["scrape_interval: 1s", "scrape_timeout: 1s", "targets:"]
    for kind, urls in targets.items():
        lines.append(f"  {kind}:")
        lines += [f"    - {{name: t{i}, url: '{url}'}}" for i, url in enumerate(urls)]
    return "\n".join(lines) + "\n"


def error_of(one, collector, name="t0"):
    target = one.target(collector, name)
    return target["lastError"] if target["health"] == "down" else None


def test_refused_and_wrong_passwords_say_so_and_leak_nothing(cloche, redis_server, postgres_server):
    locked = redis_server("--requirepass", "right-password")
    postgres = postgres_server(auth="scram-sha-256")
    one = cloche(config=config_of(
        redis=[f"redis://127.0.0.1:{free_port()}/0", f"redis://:wrong-secret@127.0.0.1:{locked.port}/0"],
        postgres=[f"postgresql://postgres:wrong-secret@127.0.0.1:{postgres.port}/postgres",
                  f"postgresql://postgres:wrong-secret@127.0.0.1:{free_port()}/postgres"],
        celery=[f"redis://:wrong-secret@127.0.0.1:{locked.port}/0"]))
    assert "refused" in wait_for("refused", lambda: error_of(one, "redis", "t0")).lower()
    assert "WRONGPASS" in wait_for("wrong password", lambda: error_of(one, "redis", "t1"))
    assert "WRONGPASS" in wait_for("wrong password", lambda: error_of(one, "celery", "t0"))
    assert "password" in wait_for("wrong password", lambda: error_of(one, "postgres", "t0"))
    assert wait_for("refused", lambda: error_of(one, "postgres", "t1"))
    assert wait_for("up series", lambda: one.query("up{job='redis'}") and
                    all(v == 0 for _, v in one.query("up{job=~'redis|postgres|celery'}")))
    everything = one.log() + one.get("/api/v1/targets") + one.get("/api/ui/status") + one.get("/metrics")
    assert "wrong-secret" not in everything


def test_a_server_that_comes_back_is_collected_again(cloche, redis_server):
    server = redis_server()
    one = cloche(config=config_of(redis=[server.url]))
    wait_for("up", lambda: one.target("redis", "t0")["health"] == "up")
    server.stop()
    wait_for("down", lambda: error_of(one, "redis"))
    wait_for("up 0", lambda: one.value("up{job='redis'}") == 0)
    server.start()
    wait_for("up again", lambda: one.target("redis", "t0")["health"] == "up")
    assert one.value("redis_memory_used_bytes") > 0


def test_replies_cut_and_nonsense_are_named(cloche, raw_server):
    def half_reply(connection):
        connection.recv(4096)
        connection.sendall(b"+OK\r\n$5000\r\n# Server\r\nredis_ver")
        time.sleep(0.2)
        connection.close()

    def nonsense(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>")
        time.sleep(5)

    one = cloche(config=config_of(redis=[f"redis://127.0.0.1:{raw_server(half_reply).port}/0",
                                         f"redis://127.0.0.1:{raw_server(nonsense).port}/0"]))
    assert wait_for("cut", lambda: error_of(one, "redis", "t0"))
    assert wait_for("nonsense", lambda: error_of(one, "redis", "t1"))
    assert one.get("/-/healthy")


def test_one_silent_redis_changes_nobody_elses_times(cloche, raw_server, redis_server):
    silent = raw_server(lambda connection: time.sleep(600))
    good = redis_server()
    one = cloche(config=config_of(redis=[f"redis://127.0.0.1:{silent.port}/0", good.url]))
    wait_for("the reason", lambda: "not answer" in (error_of(one, "redis", "t0") or ""))
    time.sleep(12)
    # The good one keeps its rhythm: no gap between its samples is longer than two intervals and a margin.
    data = one.json("/api/v1/query", query=f"up{{job='redis', instance='127.0.0.1:{good.port}'}}[10s]")["data"]
    times = [t for t, _ in data["result"][0]["values"]]
    assert len(times) >= 7
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert max(gaps) < 2.5, gaps
    assert one.value(f"max_over_time(scrape_duration_seconds{{job='redis', instance='127.0.0.1:{good.port}'}}[10s])") < 1.0


def test_postgres_that_stops_answering_is_down_and_comes_back(cloche, postgres_server):
    server = postgres_server()
    one = cloche(config=config_of(postgres=[server.url]))
    wait_for("up", lambda: one.target("postgres", "t0")["health"] == "up")
    assert one.value("pg_up") == 1
    assert one.value("pg_database_size_bytes{datname='postgres'}") > 1_000_000
    assert one.query("pg_stat_database_numbackends{datname='postgres'}")
    assert one.query("pg_locks_count") and one.query("pg_stat_activity_count")
    server.stop()
    wait_for("down", lambda: error_of(one, "postgres"))
    os.path.exists(server.data + "/postmaster.pid") and os.unlink(server.data + "/postmaster.pid")
    server.start()
    wait_for("up again", lambda: one.target("postgres", "t0")["health"] == "up")


def test_the_host_is_collected(cloche):
    one = cloche(config="scrape_interval: 1s\n")
    for name in ("node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_load1", "node_filesystem_size_bytes",
                 "node_network_receive_bytes_total", "node_boot_time_seconds", "node_uname_info"):
        wait_for(name, lambda name=name: one.query(name))
    with open("/proc/meminfo", encoding="ascii") as f:
        total = int(f.readline().split()[1]) * 1024
    assert one.value("node_memory_MemTotal_bytes") == total


def test_redis_figures_are_redis_own(cloche, redis_server):
    import subprocess
    server = redis_server()
    one = cloche(config=config_of(redis=[server.url]))
    subprocess.run(["redis-cli", "-p", str(server.port), "mset", "a", "1", "b", "2", "c", "3"], check=True,
                   stdout=subprocess.DEVNULL)
    wait_for("three keys", lambda: one.value("redis_db_keys{db='db0'}") == 3)
    assert one.value("redis_connected_clients") >= 1
    assert one.value("redis_up") == 1
    assert one.value("redis_memory_used_bytes") > 100_000
