# SPDX-License-Identifier: BSD-3-Clause
"""test_growth: ten thousand cycles of each verb leave the process as large as it was.

Either engine.  Not under AddressSanitizer, which keeps what was freed.
"""
import gc
import os

import pytest
from helpers import Manager, Run, Trouble, filled

import queuepool
from queuepool import PoolBusy, PoolClosed, PoolError, PoolTimeout


def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


CYCLES = {
    "take, put": lambda pool: pool.put(pool.take()),
    "acquire, release": lambda pool: pool.release(pool.acquire(timeout=0)),
    "with": lambda pool: pool.take().__enter__().__exit__(None, None, None),
    "with an exception": lambda pool: broken(pool),
    "failing hooks": lambda pool: failing(pool),
    "no time": lambda pool: in_vain(pool, 0),
    "a wait in vain": lambda pool: in_vain(pool, 1e-6),
    "a wait": lambda pool: in_line(pool),
    "too many in line": lambda pool: busy(pool),
    "a misuse": lambda pool: put_again(pool),
    "a fresh one": lambda pool: (pool._queue.get(), pool.put(Manager("fresh", pool.log))),
    "events": lambda pool: (reopened(pool), in_vain(pool, 1e-6)),
    "close and open": lambda pool: reopened(pool),
    "recycle": lambda pool: pool.recycle(),
    "recycle what has expired": lambda pool: expired(pool),
    "the recycler's thread": lambda pool: (pool.startRecycler(3600), pool.stopRecycler()),
    "stats": lambda pool: (pool.stats(), repr(pool)),
    "queue": lambda pool: pool._queue.put(pool._queue.get()),
    "stamps": lambda pool: stamped(pool),
    "resize": lambda pool: (pool.resize(3), pool.resize(2)),
    "dropped": lambda pool: dropped(pool),
    "a pool": lambda pool: queuepool.Pool("other", 2, factory=queuepool.ResourceManager).close(timeout=0),
    "the life of a pool": lambda pool: life(),
}
OPTIONS = {"events": {"on_event": lambda event: None}, "too many in line": {"max_waiters": 0}}


def broken(pool):
    with pytest.raises(KeyError), pool.take():
        raise KeyError


def failing(pool):
    other, manager = pool.take(), pool.take()
    manager.fail.add("putRepair")
    with pytest.raises(Trouble):
        pool.put(manager)
    for hook in ("takeRepair", "open"):
        manager.fail.add(hook)
        with pytest.raises(Trouble):
            pool.take()
    assert pool.take() is manager
    pool.max_uses = 1
    manager.fail.add("close")
    with pytest.raises(Trouble):
        pool.put(manager)
    pool.max_uses = 1000
    pool.put(other)


def in_vain(pool, timeout):
    taken = [pool.take(), pool.take()]
    with pytest.raises(PoolTimeout):
        pool.take(timeout=timeout)
    for manager in taken:
        pool.put(manager)


def in_line(pool):
    taken = [pool.take(), pool.take()]
    waiter = Run(lambda: pool.put(pool.take()))
    for manager in taken:
        pool.put(manager)
    waiter.outcome()


def busy(pool):
    taken = [pool.take(), pool.take()]
    with pytest.raises(PoolBusy):
        pool.take()
    for manager in taken:
        pool.put(manager)


def put_again(pool):
    pool.put(manager := pool.take())
    with pytest.raises(PoolError):
        pool.put(manager)


def expired(pool):
    with pool.take():
        pass
    pool.max_idle = 0
    pool.recycle()
    pool.max_idle = 300


def life():
    pool = queuepool.Pool("other", 2, factory=queuepool.ResourceManager, on_event=lambda event: None)
    pool.resize(3)
    lent = pool.take()
    pool.resize(1)
    with pytest.raises(PoolTimeout):
        pool.close(timeout=0)
    with pytest.raises(PoolClosed):
        pool.take()
    pool.put(lent)
    pool.close()


def reopened(pool):
    with pool.take() as manager:
        manager.close()


def stamped(pool):
    with pool.take() as manager:
        manager._usageCount = 1
        assert manager._lastOpened <= manager._lastUsed


def dropped(pool):
    pool.take()
    pool.put(Manager("fresh", pool.log))


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps what was freed")
@pytest.mark.parametrize("verb", CYCLES)
def test_ten_thousand_cycles_do_not_grow(verb):
    pool = filled(2, **OPTIONS.get(verb, {}))
    cycles = 10000
    grown = []
    for _ in range(5):  # allocators settle in their own time
        before = resident()
        for _ in range(cycles):
            CYCLES[verb](pool)
            pool.log.clear()
            for manager in [pool._queue.get(), pool._queue.get()] if verb == "dropped" else []:
                manager.log = pool.log
                pool._queue.put(manager)
        gc.collect()
        grown.append(resident() - before)
        assert verb != "a wait" or pool.stats()["acquires_waited"] > 0
        if grown[-1] < 16 * cycles:  # less than the smallest object for each
            return
    pytest.fail(f"{verb}: grew by {grown} bytes in {cycles} cycles each")
