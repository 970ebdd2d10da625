# SPDX-License-Identifier: BSD-3-Clause
"""test_seed goes on here: time, arguments, and the life of a pool, its threads and its forks."""
import datetime
import gc
import math
import os
import signal
import threading
import weakref

import pytest
from helpers import PATIENCE, Manager, Run, Trouble, filled, fork, hooks, lent_again, until, waiting
from verdict import verdict

from queuepool import PoolError
from queuepool.pool import Pool


# ---- time ----


@verdict(
    "fixed",
    "17: limits went by the clock on the wall, and a step of it closed all or none; now by the time since "
    "boot",
)
def test_row_17_clock_steps(clock, monkeypatch):
    pool = filled(1, maxIdleTime=1000, maxOpenTime=2000)
    with pool.take() as manager:
        pass

    class Ahead(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.now(tz) + datetime.timedelta(hours=1)

    monkeypatch.setattr("queuepool.pool.datetime", Ahead)
    pool.recycle()
    assert manager._isOpen
    monkeypatch.undo()
    clock(1001)
    pool.recycle()
    assert not manager._isOpen


@verdict("same", "20: a put manager is never too long idle: its idle time begins then")
def test_row_20_idle_begins_at_put(clock):
    pool = filled(1, maxIdleTime=10)
    manager = pool.take()
    clock(11)
    pool.put(manager)
    pool.recycle()
    assert manager._isOpen


@verdict("fixed", "21: `_lastUsed` of a lent manager was when the wait began; now it is when it was lent")
def test_row_21_last_used_is_the_hand_over():
    pool = filled(1)
    manager = pool.take()
    taker = Run(pool.take)
    waiting(pool, 1)
    waited = datetime.datetime.now()
    pool.put(manager)
    taker.outcome()
    assert manager._lastUsed > waited - datetime.timedelta(milliseconds=20)
    assert manager._lastUsed >= manager._lastOpened


@verdict("fixed", "22: after a slow `open()`, `_lastUsed` was before `_lastOpened`; now it never is")
def test_row_22_used_is_not_before_opened(clock):
    class Slow(Manager):
        def open(self):
            super().open()
            clock(5)

    pool = filled(1, kind=Slow)
    manager = pool.take()
    assert manager._lastUsed >= manager._lastOpened


# ---- arguments ----


@verdict(
    "fixed",
    "14: a capacity of 2.5 was taken, '3' and None failed later; now a TypeError at once; 0 and less are "
    "still no bound",
)
def test_row_14_capacity():
    for capacity in (2.5, "3", None):
        with pytest.raises(TypeError, match="capacity"):
            Pool("bank", capacity)
    for capacity in (0, -1):
        assert Pool("bank", capacity)._queue.maxsize == 0


@verdict("fixed", "44: with a capacity of 0, `recycle()` did nothing; now it closes what has expired")
def test_row_44_recycle_without_bound(clock):
    pool = filled(1, capacity=0, maxIdleTime=10)
    with pool.take() as manager:
        pass
    clock(11)
    pool.recycle()
    assert not manager._isOpen


@verdict("same", "23: with `maxUsageCount=0` a manager is opened and closed for each lease")
def test_row_23_no_uses():
    pool = filled(1, maxUsageCount=0)
    for _ in range(2):
        with pool.take() as manager:
            assert manager._isOpen
        assert not manager._isOpen
    assert [hook for _, hook in hooks(pool)] == ["takeRepair", "open", "close", "putRepair"] * 2


@verdict("fixed", "28: an interval of -1, None or 'x' killed the recycler's thread at once; now it is refused by name")
def test_row_28_interval():
    pool = filled(1)
    for interval in (-1, 0, math.inf, None, "x"):
        with pytest.raises((ValueError, TypeError), match="interval"):
            pool.startRecycler(interval)
    assert pool._recyclerThread is None


@verdict(
    "fixed",
    "37: a limit of NaN never ended, of a text failed at the first take; now it is refused where it is set",
)
def test_row_37_limits():
    for name in ("maxIdleTime", "maxOpenTime", "maxUsageCount"):
        with pytest.raises(ValueError, match=name):
            Pool("bank", 1, **{name: math.nan})
        for value in ("5", True, b"5", []):
            with pytest.raises(TypeError, match=name):
                Pool("bank", 1, **{name: value})
    pool = Pool("bank", 1, math.inf, math.inf, math.inf)
    assert pool._maxIdleTime == pool._maxOpenTime == pool._maxUsageCount == math.inf


# ---- life ----


@verdict(
    "added",
    "29: the recycler could not be stopped, and kept its pool for ever; now `stopRecycler()`, and it does not",
)
def test_row_29_the_recycler_ends():
    pool = filled(1)
    pool.startRecycler(0.01)
    thread = pool._recyclerThread
    pool.stopRecycler()
    assert not thread.is_alive() and pool._recyclerThread is None
    pool.startRecycler(0.01)
    thread, gone = pool._recyclerThread, weakref.ref(pool)
    del pool

    def collected():
        gc.collect()
        return gone() is None

    until(collected)
    thread.join(PATIENCE)
    assert not thread.is_alive()


@verdict("fixed", "30: eight threads that called `startRecycler` at once started eight recyclers; now one")
def test_row_30_one_recycler():
    pool = filled(1)
    barrier = threading.Barrier(8)

    def start():
        barrier.wait(PATIENCE)
        pool.startRecycler()
        return pool._recyclerThread

    threads = [each.outcome() for each in [Run(start) for _ in range(8)]]
    assert len(set(threads)) == 1
    pool.stopRecycler()


def in_child(work):
    """The exit status of a forked child: 0 if work() returned True."""
    child = fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            status = 0 if work() is True else 2
        except BaseException as error:
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@verdict(
    "fixed",
    "31: a fork while another thread held the queue's lock made the child hang; now it takes and puts as ever",
)
def test_row_31_fork_under_load():
    pool = filled(4)
    end = threading.Event()

    def load():
        while not end.is_set():
            with pool.take():
                pass

    workers = [Run(load) for _ in range(3)]
    try:
        for _ in range(20):
            assert in_child(lambda: lent_again(pool, 1)) == 0
    finally:
        end.set()
    for each in workers:
        each.outcome()
    assert lent_again(pool, 4)


@verdict(
    "fixed",
    "32: a forked child was lent what its parent had open; now it opens its own, and leaves the parent's "
    "alone",
)
def test_row_32_fork_with_open_managers():
    pool = filled(2)
    mine = pool.take()
    with pool.take() as idle:
        pass
    theirs, own_lease = idle.resource, mine.resource
    hooks(pool)

    def child():
        fresh = not idle._isOpen and mine._isOpen and mine.resource is own_lease
        with pool.take(timeout=0) as manager:
            fresh = fresh and manager is idle and manager.resource is not theirs
        own = hooks(pool)
        pool.put(mine)
        abandoned = not mine._isOpen and hooks(pool) == []
        return fresh and abandoned and own == [("m0", "takeRepair"), ("m0", "open"), ("m0", "putRepair")]

    assert in_child(child) == 0
    assert idle._isOpen and mine._isOpen
    pool.put(mine)
    assert lent_again(pool, 2)


@verdict("fixed", "34: an `open()` that took from its own pool hung; now it gets what is idle, or a PoolError")
def test_row_34_hook_that_takes():
    class Curious(Manager):
        def open(self):
            with self._pool.take():
                pass
            super().open()

    pool = filled(2, kind=Curious)
    with pytest.raises(PoolError, match="hook|callback"):
        pool.take()
    assert pool._queue.qsize() == 2
    plain = Manager("plain")
    plain.open()
    pool._queue.get()
    pool.put(plain)
    held = pool.take()
    assert held is plain
    with pytest.raises(PoolError, match="hook|callback"):
        pool.take()
    pool.put(held)
    assert pool._queue.qsize() == 2


@verdict("fixed", "35: SystemExit in a `with` block closed a sound resource; now it is kept")
def test_row_35_system_exit():
    pool = filled(1)
    with pytest.raises(SystemExit):
        with pool.take() as manager:
            raise SystemExit
    assert manager._isOpen and pool._queue.qsize() == 1


@verdict("fixed", "36: leaving a generator early closed a sound resource; now it is kept")
def test_row_36_generator_exit():
    pool = filled(1)

    def rows():
        with pool.take() as manager:
            yield manager
            yield manager

    generator = rows()
    manager = next(generator)
    generator.close()
    assert manager._isOpen and pool._queue.qsize() == 1


@verdict("same", "24: a holder may close its manager; it is in line as closed then, and `close()` is not called again")
def test_row_24_closed_by_its_holder():
    pool = filled(1)
    manager = pool.take()
    manager.close()
    hooks(pool)
    pool.put(manager)
    assert hooks(pool) == [("m0", "putRepair")]
    assert not manager._isOpen and pool.take()._isOpen


@verdict(
    "same",
    "25: after an exception in the block `close()` is called also if the holder has closed: it must bear that",
)
def test_row_25_closed_twice():
    pool = filled(1)
    with pytest.raises(Trouble):
        with pool.take() as manager:
            manager.close()
            hooks(pool)
            raise Trouble
    assert hooks(pool) == [("m0", "close"), ("m0", "putRepair")]


@verdict("fixed", "43: a finaliser that put a manager while the queue was locked hung its thread; now it does not")
def test_row_43_put_by_a_finaliser():
    pool = filled(20)

    class Holder:
        def __init__(self):
            self.manager = pool.take(timeout=0)
            self.ring = self

        def __del__(self):
            pool.put(self.manager)

    def verbs():
        with pool.take(timeout=0) as manager:
            pool._owns(manager), manager._usageCount, pool.stats()

    before = gc.get_threshold()
    try:
        for allocations in range(60):
            gc.collect()
            gc.disable()
            Holder()  # collected so many allocations from here: in the midst of some verb
            gc.set_threshold(gc.get_count()[0] + allocations)
            gc.enable()
            verbs()
    finally:
        gc.enable()
        gc.set_threshold(*before)
    gc.collect()
    assert pool._queue.qsize() == 20
