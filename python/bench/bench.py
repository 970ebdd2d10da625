#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench: what a take and a put cost in Python, and what comes of a crowd.

    bench.py [--rounds N] [--seconds S] [--only W1,W2,W4,W6] [--json FILE]

W1: one thread takes and puts, with hooks that do nothing.  W2: the same with two threads.  W4: 64 threads, capacity
8, each holds for 1 ms: the least and the most often served.  W6: 32 threads query a PostgreSQL (PGHOST and its kin
say which; W6 is left out where none answers), capacity 8: queries a second, as a share of what eight threads with a
connection each do; once more with a max_overtake of 30 ms.  The rivals run in turn, in one process each; medians of the rounds, and their ratios, which are
what the targets are about.  It changes nothing and needs a quiet machine.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
THREADS, CAPACITY, HOLD = 64, 8, 0.001
ASKING = 32  # threads in W6
TARGETS = {"W1": 5.0, "W2": 5.0, "W4": 0.95, "W6": 0.6}


PATIENT = "queuepool, max_overtake 30 ms"


# ---- one run of one rival, in a process of its own ----


def no_op_pool(rival, capacity):
    if rival == "seed":
        import seed

        pool = seed.Pool(capacity)
        for i in range(capacity):
            pool.put(seed.Manager(f"m-{i}"))
        return pool
    import queuepool

    return queuepool.Pool("bench", capacity, maxUsageCount=None, factory=queuepool.ResourceManager)


def cycles(pool, end, counts, index):
    take, put, clock, done = pool.take, pool.put, time.perf_counter, 0
    while clock() < end:
        for _ in range(100):
            put(take())
        done += 100
    counts[index] = done


def pairs(rival, threads, seconds):
    """Nanoseconds of a take and a put, per thread of work done."""
    pool = no_op_pool(rival, max(2, threads))
    counts = [0] * threads
    begun = time.perf_counter()
    crowd(lambda i: cycles(pool, begun + seconds, counts, i), threads)
    return (time.perf_counter() - begun) / sum(counts) * 1e9


def crowd(body, threads):
    """All begin at once: who started first would be ahead of those who did not stand in line yet."""
    gate = threading.Barrier(threads)

    def run(i):
        gate.wait()
        body(i)

    workers = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def holding(rival, seconds):
    """Least and most often served, and leases a second as a share of what capacity and hold allow."""
    pool = no_op_pool(rival, CAPACITY)
    served = [0] * THREADS
    end = time.perf_counter() + seconds

    def hold(i):
        while time.perf_counter() < end:
            manager = pool.take()
            time.sleep(HOLD)
            pool.put(manager)
            served[i] += 1

    crowd(hold, THREADS)
    return {"least_most": min(served) / max(served), "share": sum(served) * HOLD / CAPACITY / seconds}


def query(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()
    connection.rollback()


def querying(rival, seconds):
    """Queries a second."""
    import psycopg2

    done = [0] * ASKING
    if rival == "bound":
        connections = [psycopg2.connect("") for _ in range(CAPACITY)]
    else:
        from queuepool.psycopg2cm import ConnectionManager

        if rival == "seed":
            import seed

            class Session(seed.Manager):
                def open(self):
                    super().open()
                    self.resource = psycopg2.connect("")

            pool = seed.Pool(CAPACITY)
            for i in range(CAPACITY):
                pool.put(Session(f"s-{i}"))
        else:
            import queuepool

            patience = {"max_overtake": 0.03} if rival == PATIENT else {}
            pool = queuepool.Pool("bench", CAPACITY, maxUsageCount=None, factory=ConnectionManager, **patience)
    end = time.perf_counter() + seconds

    def own(i):
        while time.perf_counter() < end:
            query(connections[i])
            done[i] += 1

    def pooled(i):
        while time.perf_counter() < end:
            manager = pool.take()
            try:
                query(manager.resource)
            finally:
                pool.put(manager)
            done[i] += 1

    crowd(*((own, CAPACITY) if rival == "bound" else (pooled, ASKING)))
    return {"rate": sum(done) / seconds, "least_most": min(done) / max(max(done), 1)}


RUNS = {
    "W1": lambda rival, seconds: pairs(rival, 1, seconds),
    "W2": lambda rival, seconds: pairs(rival, 2, seconds),
    "W4": holding,
    "W6": querying,
}
RIVALS = {"W1": ("seed", "queuepool"), "W2": ("seed", "queuepool"), "W4": ("seed", "queuepool")}
RIVALS["W6"] = ("bound", "seed", "queuepool", PATIENT)


# ---- rounds ----


def measured(work, rival, seconds):
    command = [sys.executable, os.path.abspath(__file__), "--run", work, rival, str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def server_answers():
    try:
        import psycopg2

        psycopg2.connect("").close()
        return True
    except Exception as trouble:
        print(f"W6 is left out: {str(trouble).strip().splitlines()[0]}", file=sys.stderr)
        return False


def judged(work, rounds):
    """What the target is about: {name: median}, the target's figure first."""
    median = lambda rival, pick=lambda v: v: statistics.median(pick(r[rival]) for r in rounds)  # noqa: E731
    if work in ("W1", "W2"):
        ratio = statistics.median(r["seed"] / r["queuepool"] for r in rounds)
        return {"times faster": ratio, "seed ns": median("seed"), "queuepool ns": median("queuepool")}
    if work == "W4":
        figures = {}
        for rival in ("queuepool", "seed"):
            figures[f"{rival} least/most"] = median(rival, lambda v: v["least_most"])
            figures[f"{rival} of the bound"] = median(rival, lambda v: v["share"])
        return figures
    share = lambda rival: statistics.median(r[rival]["rate"] / r["bound"]["rate"] for r in rounds)  # noqa: E731
    return {
        "queuepool of its bound": share("queuepool"),
        **{f"{r} of its bound": share(r) for r in (PATIENT, "seed")},
        **{f"{r} least/most": median(r, lambda v: v["least_most"]) for r in ("queuepool", PATIENT, "seed")},
        "bound a second": median("bound", lambda v: v["rate"]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="W1,W2,W4,W6")
    parser.add_argument("--json")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sys.path.insert(0, HERE)
    if asked.run:
        print(json.dumps(RUNS[asked.run[0]](asked.run[1], float(asked.run[2]))))
        return 0
    results, missed = {}, 0
    for work in asked.only.split(","):
        if work not in RUNS:
            parser.error(f"--only names {work!r}; there are {', '.join(RUNS)}")
        if work == "W6" and not server_answers():
            continue
        rounds = [{r: measured(work, r, asked.seconds) for r in RIVALS[work]} for _ in range(asked.rounds)]
        results[work] = judged(work, rounds)
        figure = next(iter(results[work].values()))
        met = figure >= TARGETS[work]
        missed += not met
        print(f"{work}: " + ", ".join(f"{name} {value:.4g}" for name, value in results[work].items()))
        print(f"    target {TARGETS[work]}: {'met' if met else 'missed'}")
    if asked.json:
        with open(asked.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
