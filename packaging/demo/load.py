"""Sends the demo's steady mix of tasks, and gives the shop its bad minutes."""
import datetime
import os
import random
import sys
import time

import shop

ITEMS = ["teapot", "lamp", "kettle", "mug", "bowl"]
CUSTOMERS = ["alba", "bruno", "chiara", "dario", "elin", "françois"]

# Bad phases: the first at once, so that the success rate alert can be watched soon after the start; then every ten minutes.
CYCLE_S = 600
BAD_S = 110


def set_trouble(share):
    path = os.path.join(os.environ["DEMO_DIR"], "trouble")
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(str(share))
    os.replace(path + ".new", path)


def send_some(tick):
    shop.checkout(random.choice(CUSTOMERS), random.sample(ITEMS, random.randint(1, 3))).apply_async()
    if tick % 3 == 0:
        shop.charge.delay(random.randint(1000, 9999), 19.90)
    if tick % 4 == 0:
        shop.newsletter.delay(random.randint(10, 200))
    if tick % 10 == 0:
        shop.daily_report.delay(datetime.date.today().isoformat())
    if tick % 15 == 0:
        line = random.choice(["alba;12", "bruno;7", "broken line", "x;\x00"])
        shop.import_order.delay(line)
    if tick % 25 == 0:
        shop.charge.apply_async((random.randint(1000, 9999), 5.0), countdown=20)
    if tick % 60 == 30:
        shop.export.delay(random.choice([300, 900, 5500]))
    if tick % 90 == 45:  # a pile of work, so that the batch queue grows and drains
        for _ in range(60):
            shop.newsletter.delay(1)
    if tick % 40 == 20:
        shop.charge.apply_async((1, 1.0), countdown=30).revoke()


def main():
    start = time.monotonic()
    tick = 0
    parent = os.getppid()
    while os.getppid() == parent:
        bad = (time.monotonic() - start) % CYCLE_S < BAD_S
        set_trouble(0.45 if bad else 0.0)
        try:
            send_some(tick)
        except Exception as error:  # the broker may be restarting: go on
            print("load:", error, file=sys.stderr, flush=True)
            time.sleep(1)
        tick += 1
        time.sleep(random.uniform(0.3, 0.7))


if __name__ == "__main__":
    main()
