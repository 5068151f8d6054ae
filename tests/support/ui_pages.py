"""Runs tests/ui against a cloche with --demo: ui_pages.py TESTS_UI WORK. Binary in CLOCHE.

The browser tests are copied below WORK, so that the source tree stays clean; npm ci runs again only when the lock file
has changed. Screenshots are left in WORK/shots."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
from conftest import Cloche, wait_for  # noqa: E402


def find_browser():
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not browser or not os.access(browser, os.X_OK):
        sys.exit(f"no browser at {browser or '/usr/bin/chromium'}: apt-get install chromium (tests/run does), "
                 "or name one in CHROMIUM")
    return browser


def install(source, work):
    """A copy of the tests with their packages."""
    npm = shutil.which("npm") or sys.exit("npm is missing: apt-get install npm (tests/run does)")
    copy = work / "ui"
    shutil.copytree(source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "shots"))
    lock = hashlib.sha256((copy / "package-lock.json").read_bytes()).hexdigest()
    stamp = copy / "node_modules" / ".lock-hash"
    if not stamp.exists() or stamp.read_text() != lock:
        subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=copy, check=True)
        stamp.write_text(lock)
    return npm, copy


def has_something_to_show(one):
    """Failed tasks, all workers, rates: so that no page is tried empty."""
    return (one.alive() and one.json("/api/ui/tasks", state="FAILURE", limit=1)["tasks"]
            and one.value("sum(celery_worker_up)") == 2
            and one.value("sum(rate(celery_task_succeeded_total[5m]))")
            and one.value("sum(rate(pg_stat_database_xact_commit[5m]))")
            and one.value("sum(rate(redis_commands_processed_total[5m]))")
            and one.value("sum(rate(node_cpu_seconds_total[5m]))"))


def main():
    source, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    browser = find_browser()
    work.mkdir(parents=True, exist_ok=True)
    npm, copy = install(source, work)
    for old in ("run", "shots"):
        shutil.rmtree(work / old, ignore_errors=True)
    (work / "run").mkdir()
    one = Cloche(work / "run", config=None, args=["--demo"])
    try:
        one.start()
        wait_for("the demo to have data", lambda: has_something_to_show(one), patience=120)
        env = {**os.environ, "CLOCHE_URL": one.url, "SHOTS": str(work / "shots"), "CHROMIUM": browser}
        status = subprocess.run([npm, "test", "--silent"], cwd=copy, env=env).returncode
    finally:
        one.stop()
    if status:
        print(one.log()[-4000:], file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
