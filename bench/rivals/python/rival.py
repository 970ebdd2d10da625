#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""rival: pools in Python, ours among them.  bench starts it with the name of one, asks for a sample by a line on its
stdin, and reads the figures from a line of JSON: see bench/README.md.

    rival.py psycopg_pool|psycopg2|sqlalchemy|seed_py|queuepool_py
"""
import json
import os
import sys
import threading
import time

BATCH = 64
SEED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "python", "bench")
clock = time.perf_counter_ns


# ---- the pools: each lends a stub, by a `get` and a `put` made for a capacity ----


class Stub:
    """What the pools ask of a connection: idle, open, nothing to do."""

    closed = 0
    transaction_status = 0  # idle, to libpq and both of its wrappers

    def __init__(self):
        self.pgconn = self.info = self

    @classmethod
    def connect(cls, *_words, **_options):
        return cls()

    def close(self):
        self.closed = 1

    def cursor(self):
        return self

    def rollback(self):
        pass


def of_psycopg_pool(capacity):
    import psycopg_pool

    pool = psycopg_pool.ConnectionPool(
        "", connection_class=Stub, min_size=capacity, max_size=capacity, timeout=600, open=True
    )
    pool.wait()
    return pool.getconn, pool.putconn, pool.close


def of_psycopg2(capacity):
    import psycopg2
    import psycopg2.pool

    psycopg2.connect = Stub.connect
    pool = psycopg2.pool.ThreadedConnectionPool(capacity, capacity)
    return pool.getconn, pool.putconn, pool.closeall


def of_sqlalchemy(capacity):
    from sqlalchemy.pool import QueuePool

    pool = QueuePool(Stub, pool_size=capacity, max_overflow=0, timeout=600, reset_on_return=None)
    return pool.connect, lambda lent: lent.close(), pool.dispose


def of_seed(capacity):
    sys.path.insert(0, SEED)
    import seed

    pool = seed.Pool(capacity)
    for i in range(capacity):
        pool.put(seed.Manager(f"m-{i}"))
    return pool.take, pool.put, lambda: None


def of_queuepool(capacity):
    import queuepool

    pool = queuepool.Pool("bench", capacity, maxUsageCount=None, factory=queuepool.ResourceManager)
    return pool.take, pool.put, lambda: None


def of_none(_capacity):
    return (lambda: None), (lambda _lent: None), lambda: None


MAKERS = {
    "psycopg_pool": of_psycopg_pool,
    "psycopg2": of_psycopg2,
    "sqlalchemy": of_sqlalchemy,
    "seed_py": of_seed,
    "queuepool_py": of_queuepool,
}


# ---- the work ----


def gang(count, ramp, span, body):
    """All start together; the window opens after the ramp: body(index, from, until)."""
    window = []
    gate = threading.Barrier(count, action=lambda: window.extend((clock() + ramp, clock() + ramp + span)))

    def live(index):
        gate.wait()
        body(index, *window)

    threads = [threading.Thread(target=live, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return window


def pairs(pool, threads, ramp, span):
    get, put = pool[:2]
    took, counts = [0] * threads, [0] * threads

    def live(index, start, end):
        while clock() < start:
            for _ in range(BATCH):
                put(get())
        begun, count = clock(), 0
        while (now := clock()) < end:
            for _ in range(BATCH):
                put(get())
            count += BATCH
        took[index], counts[index] = now - begun, count

    gang(threads, ramp, span, live)
    return {"ns": sum(took) / sum(counts)}


def spin(until):
    while clock() < until:
        pass


def spinning(pool, threads, ramp, span):
    """Pairs a second; a microsecond is about one turn of the interpreter."""
    get, put = pool[:2]
    counts = [0] * threads

    def live(index, start, end):
        count = 0
        while True:
            lent = get()
            spin(clock() + 1000)
            put(lent)
            now = clock()
            if now >= end:
                break
            count += now >= start
        counts[index] = count

    gang(threads, ramp, span, live)
    return sum(counts) / span * 1e9


def crowd(pool, threads, ramp, span):
    get, put = pool[:2]
    waits, served, spent = [[] for _ in range(threads)], [0] * threads, [0.0, 0.0]

    def watch(start, end):
        time.sleep(max(0, start - clock()) / 1e9)
        spent[0] = time.process_time()
        time.sleep(max(0, end - clock()) / 1e9)
        spent[1] = time.process_time()

    def live(index, start, end):
        if index == 0:
            threading.Thread(target=watch, args=(start, end), daemon=True).start()
        while (asked := clock()) < end:
            lent = get()
            got = clock()
            if got >= start:
                waits[index].append(got - asked)
                served[index] += got < end
            time.sleep(0.001)
            put(lent)

    gang(threads, ramp, span, live)
    rate = sum(served) / span * 1e9
    return rate, sorted(w for mine in waits for w in mine), served, spent[1] - spent[0]


def told(measured, bound):
    rate, waits, served, cpu_s = measured

    def at(share):
        return waits[max(0, -int(-share * len(waits) // 1) - 1)] / 1e6

    mean = sum(waits) / len(waits) / 1e6
    quantiles = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1}
    return {
        "share_of_bound": rate / bound,
        "acquires_per_s": rate,
        "wait_mean_ms": mean,
        "wait_p99_over_mean": at(0.99) / mean,
        "least_over_most": min(served) / max(served),
        "least_served": min(served),
        "most_served": max(served),
        "cpu_s_per_100k": cpu_s * 100000 / sum(served),
        **{f"wait_{name}_ms": at(share) for name, share in quantiles.items()},
    }


def hand_over(pool, ramp, span, dwell):
    """Two threads strictly in turn: see bench/work_turns.c.  They wait for each other by yielding the interpreter."""
    get, put = pool[:2]
    shared = {"coming": 0, "got": 0, "over": False}
    puts, gots, begun = ([], []), ([], []), clock() + ramp

    def awaited(what, number):
        while shared[what] != number:
            if shared["over"]:
                return False
            time.sleep(0)
        return True

    def live(index, _start, end):
        number = index + 1
        if index == 1 and not awaited("got", 1):
            return
        while True:
            shared["coming"] = number
            lent = get()
            gots[index].append(clock())
            shared["got"] = number
            if shared["over"] or not awaited("coming", number + 1):
                put(lent)
                return
            time.sleep(dwell / 1e9)  # a thread that spins keeps the other from falling asleep
            now = clock()
            put(lent)
            puts[index].append(now)
            if now >= end:
                shared["over"] = True
            if not awaited("got", number + 1):
                return
            number += 2

    gang(2, ramp, span, live)
    took, turn = [], 1
    while turn // 2 < len(gots[turn % 2]) and (turn - 1) // 2 < len(puts[(turn - 1) % 2]):
        at = puts[(turn - 1) % 2][(turn - 1) // 2]
        if at >= begun:
            took.append(gots[turn % 2][turn // 2] - at)
        turn += 1
    if not took:
        return {"error": "no hand-over in time"}
    took.sort()
    return {"ns": took[len(took) // 2], "p99_ns": took[len(took) * 99 // 100]}


def run(make, work, threads, capacity, ramp, span):
    """The bound is this language's own, a quarter as long, with no pool."""
    pool = make(capacity)
    try:
        if work in ("W1", "W2"):
            return pairs(pool, threads, ramp, span)
        if work == "W3":
            bound = spinning(of_none(0), threads, ramp, span // 4)
            rate = spinning(pool, threads, ramp, span)
            return {"share_of_bound": rate / bound, "acquires_per_s": rate}
        if work == "W4":
            bound = crowd(of_none(0), capacity, ramp, span // 4)[0]
            return told(crowd(pool, threads, ramp, span), bound)
        if work in ("W5-hot", "W5-settled"):
            return hand_over(pool, ramp, span, 0 if work == "W5-hot" else 200000)
        return {"error": f"no such workload: {work}"}
    finally:
        pool[2]()


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in MAKERS:
        sys.exit(__doc__)
    for line in sys.stdin:
        work, *numbers = line.split()
        try:
            answer = run(MAKERS[sys.argv[1]], work, *map(int, numbers))
        except ImportError as missing:
            answer = {"error": f"{missing}".replace('"', "'")}
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
