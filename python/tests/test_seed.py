# SPDX-License-Identifier: BSD-3-Clause
"""One test for each known defect of queuepool 1.3.2: what it did, and what happens now.

`@verdict` says both, and docs/PYTHON.md has the list; the numbers are the rows of that list.  Runs on the engine
that QUEUEPOOL_ENGINE names.
"""
import gc
import random
import signal
import threading

import pytest
from helpers import PATIENCE, Manager, Run, Trouble, filled, hooks, lent_again, slow_to_close, until, waiting
from verdict import verdict

from queuepool import PoolError, PoolTimeout
from queuepool.pool import Pool, ResourceManager


# ---- slots that were lost for ever ----


@verdict(
    "fixed",
    "1: `open()` raised: the slot was lost; now the manager is in line again, and the taker gets the "
    "exception",
)
def test_row_01_open_raises():
    pool = filled(2)
    pool._queue.put(fail(pool._queue.get(), "open"))
    with pytest.raises(Trouble, match="open"):
        pool.take()
    assert pool._queue.qsize() == 2 and lent_again(pool, 2)


def fail(manager, *names):
    manager.fail.update(names)
    return manager


@verdict("fixed", "2: `takeRepair()` raised: the slot was lost; now the manager is closed and in line again")
def test_row_02_take_repair_raises():
    pool = filled(1)
    with pool.take() as manager:
        fail(manager, "takeRepair")
    hooks(pool)
    with pytest.raises(Trouble, match="takeRepair"):
        pool.take()
    assert hooks(pool) == [("m0", "takeRepair"), ("m0", "close")]
    assert not manager._isOpen and lent_again(pool, 1)


@verdict(
    "fixed",
    "3: `close()` raised in `take`: the slot was lost; now the manager counts as closed and is in line again",
)
def test_row_03_close_raises_in_take(clock):
    pool = filled(1, maxIdleTime=10)
    with pool.take() as manager:
        fail(manager, "close")
    clock(11)
    with pytest.raises(Trouble, match="close"):
        pool.take()
    assert not manager._isOpen and lent_again(pool, 1)


@verdict(
    "fixed",
    "4: `close()` raised in `put`: the slot was lost; now the manager counts as closed and is in line again",
)
def test_row_04_close_raises_in_put():
    pool = filled(1, maxUsageCount=1)
    manager = fail(pool.take(), "close")
    with pytest.raises(Trouble, match="close"):
        pool.put(manager)
    assert not manager._isOpen and lent_again(pool, 1)


@verdict("fixed", "5: `putRepair()` raised: the slot was lost; now the manager is closed and in line again")
def test_row_05_put_repair_raises():
    pool = filled(1)
    manager = fail(pool.take(), "putRepair", "close")
    with pytest.raises(Trouble, match="putRepair") as caught:
        pool.put(manager)
    assert str(caught.value.__context__) == "m0 close"
    assert not manager._isOpen and lent_again(pool, 1)


@verdict(
    "fixed",
    "6: `close()` raised at the end of a `with` block: the slot was lost and the block's exception hidden; now the "
    "block's exception is raised, with the other as its context",
)
def test_row_06_close_raises_in_exit():
    pool = filled(1)
    with pytest.raises(KeyError) as caught:
        with fail(pool.take(), "close", "putRepair") as manager:
            raise KeyError("the block's")
    texts, error = [], caught.value.__context__
    while error is not None:
        texts.append(str(error))
        error = error.__context__
    assert texts == ["m0 close", "m0 putRepair"]
    assert not manager._isOpen and lent_again(pool, 1)


@verdict(
    "fixed",
    "7: `close()` raised in `recycle()`: all that it had in hand were lost; now each is looked at, then it is"
    " raised",
)
def test_row_07_close_raises_in_recycle(clock):
    pool = filled(5, maxIdleTime=10)
    taken = [pool.take() for _ in range(5)]
    fail(taken[1], "close")
    fail(taken[3], "close")
    for each in taken:
        pool.put(each)
    clock(11)
    with pytest.raises(Trouble, match=str(taken[1])) as caught:
        pool.recycle()
    assert str(caught.value.__context__) == f"{taken[3]} close"
    assert not any(each._isOpen for each in taken) and lent_again(pool, 5)


@verdict("fixed", "8: an exception ended the recycler for good, in silence; now it is logged, and the next pass comes")
def test_row_08_the_recycler_survives(clock, monkeypatch):
    lines = []
    monkeypatch.setattr("queuepool.pool.logg", lambda *args: lines.append(" ".join(args)))
    pool = filled(1, maxIdleTime=10)
    with pool.take() as manager:
        fail(manager, "close")
    pool.startRecycler(0.01)
    clock(11)
    until(lambda: lines)
    assert "'bank'" in lines[0] and "m0 close" in lines[0]
    lent_again(pool, 1)
    clock(11)
    until(lambda: not manager._isOpen)
    pool.stopRecycler()


@verdict("fixed", "33: Ctrl-C while it waited lost what had come; now the wait ends and nothing is lost")
def test_row_33_interrupted_wait():
    pool = filled(1)
    manager = pool.take()
    main = threading.main_thread().ident

    def interrupt():
        waiting(pool, 1)
        signal.pthread_kill(main, signal.SIGINT)

    thread = Run(interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.take(timeout=PATIENCE)
    thread.outcome()
    stats = pool.stats()
    assert (stats["waiting"], stats["cancels"], stats["leased"]) == (0, 1, 1)
    pool.put(manager)
    assert lent_again(pool, 1)


@verdict(
    "fixed",
    "38: a manager that its holder forgot left its place taken for ever; now its place is free once it is "
    "collected",
)
def test_row_38_forgotten():
    pool = filled(1)
    pool.take()
    gc.collect()
    assert pool.stats()["members"] == 0
    pool.put(Manager("another"))
    assert str(pool.take(timeout=0)) == "another"


def soak(rounds, threads):
    """A pool of 50 of whose opens one in a hundred fails; how many can still be taken at the end."""
    dice = random.Random(1)

    class Frail(ResourceManager):
        def open(self):
            if dice.random() < 0.01:
                raise Trouble("open")
            super().open()

    pool = Pool("bank", 50, maxUsageCount=1)
    for i in range(50):
        pool.put(Frail(str(i)))

    def work():
        for _ in range(rounds // threads):
            try:
                with pool.take(timeout=PATIENCE):
                    pass
            except Trouble:
                pass

    for each in [Run(work) for _ in range(threads)]:
        each.outcome()
    return pool


@verdict(
    "fixed",
    "45: with 1 % of opens failing, a pool of 50 was dead after some 11,600 leases; now it is as good as new",
)
def test_row_45_frail_opens():
    pool = soak(12000, 8)
    assert pool.stats()["open_failures"] > 50
    assert pool._queue.qsize() == 50


@verdict("fixed", "46: after an outage of 50 ms, 16 of 20 workers hung for ever on 4 slots; now all of them go on")
def test_row_46_an_outage():
    up = threading.Event()
    failed = []

    class Server(ResourceManager):
        def open(self):
            if not up.is_set():
                failed.append(self.name)
                raise Trouble("down")
            super().open()

    pool = Pool("bank", 4, maxUsageCount=1)
    for i in range(4):
        pool.put(Server(str(i)))

    def work():
        served = 0
        while served < 5:
            try:
                with pool.take(timeout=PATIENCE):
                    served += 1
            except Trouble:
                up.wait(0.001)
        return served

    workers = [Run(work) for _ in range(20)]
    until(lambda: len(failed) > 20)
    up.set()
    assert [each.outcome() for each in workers] == [5] * 20
    assert pool._queue.qsize() == 4


# ---- waiting ----


@verdict("added", "9: there was no way to wait for a while only; now `take(timeout=seconds)`, 0 for not at all")
def test_row_09_timeout():
    pool = filled(1)
    held = pool.take(timeout=0)
    with pytest.raises(PoolTimeout):
        pool.take(timeout=0)
    pool.put(held)
    with pytest.raises(PoolTimeout):
        Pool("bank", 1).take(timeout=0.01)


@verdict("same", "10: a take from a pool without managers waits; `timeout=` ends it")
def test_row_10_empty_pool():
    pool = Pool("bank", 1)
    taker = Run(pool.take)
    waiting(pool, 1)
    pool.put(Manager("first"))
    assert str(taker.outcome()) == "first"


@verdict("fixed", "18: `recycle()` had all managers in hand while it closed one; now only that one")
def test_row_18_recycle_holds_one(clock):
    gate, inside, Slow = slow_to_close()
    pool = filled(3, maxIdleTime=10, kind=Slow)
    taken = [pool.take() for _ in range(3)]
    pool.put(taken[0])
    clock(11)
    pool.put(taken[1])
    pool.put(taken[2])
    recycler = Run(pool.recycle)
    assert inside.wait(PATIENCE)
    assert pool._queue.qsize() == 2
    assert pool.take(timeout=0) is taken[2] and pool.take(timeout=0) is taken[1]
    gate.set()
    recycler.outcome()


@verdict("fixed", "19: a `put` of a new manager during `recycle()` made it hang for ever; now both end")
def test_row_19_recycle_and_put(clock):
    gate, inside, Slow = slow_to_close()
    pool = filled(1, maxIdleTime=10, kind=Slow)
    pool.put(pool.take())
    clock(11)
    recycler = Run(pool.recycle)
    assert inside.wait(PATIENCE)
    Run(pool.put, Manager("new")).outcome()
    gate.set()
    recycler.outcome()
    pool.recycle()
    assert {str(pool.take(timeout=0)), str(pool.take(timeout=0))} == {"m0", "new"}


@verdict(
    "fixed",
    "39: a holder that put and took again was served before those who waited, thousands of times; now they "
    "have their turn",
)
def test_row_39_no_barging():
    pool = filled(1)
    manager = pool.take()
    waiter = Run(pool.take)
    waiting(pool, 1)
    for turns in range(1000):
        pool.put(manager)
        try:
            manager = pool.take(timeout=0)
        except PoolTimeout:
            break
        # What an engine lets newcomers overtake is measured in milliseconds.
        until(lambda: pool.stats()["waiting"] <= 1)
    assert turns < 999
    assert waiter.outcome() is manager


@verdict("same", "40: what has expired is closed by the next call, or by the recycler; nothing runs of itself")
def test_row_40_expiry_by_a_call(clock):
    pool = filled(1, maxIdleTime=10)
    with pool.take() as manager:
        pass
    clock(11)
    assert manager._isOpen
    pool.recycle()
    assert not manager._isOpen


# ---- whose it is ----


@verdict("fixed", "11: put twice, a manager was lent to two at once; now the second put raises PoolError")
def test_row_11_double_put():
    pool = filled(1, capacity=2)
    manager = pool.take()
    pool.put(manager)
    with pytest.raises(PoolError, match="m0.*bank"):
        pool.put(manager)
    assert pool._queue.qsize() == 1


@verdict("fixed", "12: put twice to a full pool, the second put hung for ever; now it raises PoolError")
def test_row_12_double_put_when_full():
    pool = filled(1)
    manager = pool.take()
    pool.put(manager)
    with pytest.raises(PoolError, match="m0"):
        pool.put(manager)


@verdict("same", "13: a put of one manager more than `capacity` waits for room")
def test_row_13_populating_past_capacity():
    pool = filled(1)
    putter = Run(pool.put, Manager("second"))
    held = pool.take(timeout=PATIENCE)
    putter.outcome()
    assert str(held) == "m0" and str(pool.take(timeout=0)) == "second"


@verdict("fixed", "15: a manager of one pool could be put to another, and the first starved; now that raises PoolError")
def test_row_15_foreign_put():
    mine, other = filled(1), Pool("other", 2)
    manager = mine.take()
    with pytest.raises(PoolError, match="m0.*bank.*other"):
        other.put(manager)
    assert manager._pool is mine and other._queue.qsize() == 0
    mine.put(manager)
    for thing in (None, object()):
        with pytest.raises(TypeError, match="bank"):
            mine.put(thing)


@verdict(
    "fixed",
    "42: a manager put to another pool said that it was that one's; now `_pool` stays, until it has left its "
    "pool",
)
def test_row_42_pool_stays():
    mine, other = filled(1), Pool("other", 2)
    with pytest.raises(PoolError):
        other.put(mine.take())
    manager = Manager("free")
    mine.put(manager)
    assert mine._queue.get() is manager
    other.put(manager)
    assert manager._pool is other


@verdict("same", "16: nothing keeps a program from using a manager that it has put")
def test_row_16_use_after_put():
    pool = filled(1)
    manager = pool.take()
    pool.put(manager)
    assert manager.resource is not None


@verdict("fixed", "26: the end of an inner `with` on the same manager gave it back too early; now the outermost does")
def test_row_26_nested_with():
    pool = filled(1)
    with pool.take() as manager:
        with manager:
            pass
        assert pool._queue.qsize() == 0
    assert pool._queue.qsize() == 1


@verdict("fixed", "27: `with` on a manager of no pool ended in an AttributeError; now in a PoolError that says why")
def test_row_27_with_without_a_pool():
    with pytest.raises(PoolError, match="'alone'"):
        with Manager("alone"):
            pass
