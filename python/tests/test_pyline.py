# SPDX-License-Identifier: BSD-3-Clause
"""Of the engine in Python alone: Ctrl-C at every place where it can come, and waits under gevent.

The interpreter looks for signals when a function is called and when it returns; a profiler is called there, too, and
what it raises is raised there: so every such place in the engine is tried, one after the other.
"""
import gc
import pathlib
import subprocess
import sys

import pytest
from engines import load
from helpers import PATIENCE

py = load("py")
ENGINE = {str(pathlib.Path(py.__file__).with_name(name)) for name in ("_pyline.py", "_pymembers.py", "_pylimits.py")}


class Manager(py.ResourceManager):
    def open(self):
        super().open()

    def close(self):
        super().close()

    def takeRepair(self):
        super().takeRepair()

    def putRepair(self):
        super().putRepair()


def interrupted(place, call):
    """KeyboardInterrupt at the so-manyth place of the engine; False: the call has ended before."""
    seen = -1

    def look(frame, event, argument):
        nonlocal seen
        if event in ("call", "c_return") and frame.f_code.co_filename in ENGINE:
            seen += 1
            if seen == place:
                raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.fixture
def no_collections():
    """In what a collection calls it would be swallowed, as a real Ctrl-C is there."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def pool_of(**limits):
    pool = py.Pool("bank", 2, **limits)
    managers = [Manager("a"), Manager("b")]
    for each in managers:
        pool.put(each)
    return pool, managers


def all_there(pool, managers):
    """Both are members and can be lent; the lock is nobody's."""
    assert not pool._books.inside()
    lent = [pool.take(timeout=0) for _ in managers]
    assert set(map(id, lent)) == set(map(id, managers))
    for each in lent:
        pool.put(each)
    stats = pool.stats()
    assert (stats["members"], stats["in_line"], stats["leased"], stats["waiting"]) == (2, 2, 0, 0)


def take(pool, managers):
    pool.take(timeout=0)


def put(pool, managers):
    pool.put(managers[0])


def recycle(pool, managers):
    pool.recycle()


def nothing(pool):
    pass


def all_open(pool):
    lent = [pool.take(timeout=0), pool.take(timeout=0)]
    for each in lent:
        pool.put(each)


def all_expired(pool):
    all_open(pool)
    pool._maxUsageCount = 1


def one_lent(pool):
    manager = pool.take(timeout=0)
    if manager.name != "a":
        other = pool.take(timeout=0)
        pool.put(manager)
        assert other.name == "a"


def one_lent_and_worn(pool):
    one_lent(pool)
    pool._maxUsageCount = 1


@pytest.mark.parametrize(
    "before, verb",
    [
        (nothing, take),
        (all_open, take),
        (all_expired, take),
        (one_lent, put),
        (one_lent_and_worn, put),
        (all_expired, recycle),
    ],
)
def test_interrupted_at_every_place(before, verb, no_collections):
    place = 0
    while True:
        pool, managers = pool_of()
        before(pool)
        if not interrupted(place, lambda: verb(pool, managers)):
            break
        # Put may have been interrupted before it began: then the manager is still its holder's.
        if verb is put and pool.stats()["leased"]:
            pool.put(managers[0])
        all_there(pool, managers)
        place += 1
    assert place > 20


COOPERATE = """
from gevent import monkey
monkey.patch_all()
import gevent, queuepool
pool = queuepool.Pool("bank", 2)
for i in range(2):
    pool.put(queuepool.ResourceManager(str(i)))
lent, most = 0, 0
def work():
    global lent, most
    for _ in range(5):
        with pool.take(timeout=%d):
            lent += 1
            most = max(most, lent)
            gevent.sleep(0)
            lent -= 1
workers = [gevent.spawn(work) for _ in range(20)]
gevent.joinall(workers, raise_error=True)
stats = pool.stats()
assert most == 2 and stats["acquires"] == 100 and stats["acquires_waited"] > 0, (most, stats)
manager, other = pool.take(), pool.take()
ticks = []
gevent.spawn(lambda: [(ticks.append(1), gevent.sleep(0)) for _ in range(10)])
try:
    pool.take(timeout=0.05)
except queuepool.PoolTimeout:
    assert len(ticks) == 10, ticks
closer = gevent.spawn(pool.close)
gevent.sleep(0)
pool.put(manager)
pool.put(other)
closer.get(timeout=%d)
"""


def test_waits_let_other_greenlets_run():
    """One thread, twenty greenlets, two managers: a wait that stopped the thread would stop for ever."""
    pytest.importorskip("gevent")
    program = COOPERATE % (PATIENCE, PATIENCE)
    command = f"import os; os.environ['QUEUEPOOL_ENGINE'] = 'py'\n{program}"
    ended = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=3 * PATIENCE)
    assert ended.returncode == 0, ended.stderr
