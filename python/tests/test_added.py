# SPDX-License-Identifier: BSD-3-Clause
"""What queuepool 1.3.2 did not have: timeouts, an end, counters, resizing, a factory, events, the field's names.

Runs on the engine that QUEUEPOOL_ENGINE names; `@verdict` makes the list in docs/PYTHON.md.
"""
import inspect
import math
import sys
import threading
import time

import pytest
from helpers import PATIENCE, Manager, Run, Trouble, filled, hooks, is_closed, lent_again, until, waiting
from verdict import verdict

import queuepool
from queuepool import PoolBusy, PoolClosed, PoolError, PoolTimeout
from queuepool._engine import chosen
from queuepool.pool import Event, Pool, _chain


def test_errors():
    assert issubclass(PoolTimeout, (PoolError, TimeoutError)) and issubclass(PoolTimeout, TimeoutError)
    assert issubclass(PoolBusy, PoolError) and issubclass(PoolClosed, PoolError)
    assert PoolBusy.__module__ == "queuepool"


@verdict("added", "`take(timeout=)` in seconds: PoolTimeout names the pool; what is no time is refused")
def test_timeout():
    pool = filled(1)
    manager = pool.take(timeout=None)
    for timeout in (0, 0.01, 0.02):
        with pytest.raises(PoolTimeout, match="bank"):
            pool.take(timeout=timeout)
    for wrong, kind in ((-1, ValueError), (math.nan, ValueError), ("1", TypeError), ([], TypeError)):
        with pytest.raises(kind, match="timeout"):
            pool.take(timeout=wrong)
    with pytest.raises(TypeError):
        pool.take(1)
    assert pool.stats()["timeouts"] == 2 and pool.stats()["waiting"] == 0
    pool.put(manager)
    assert pool.take(timeout=math.inf) is manager


@verdict("added", "`max_waiters=`: one more who would wait gets PoolBusy at once")
def test_max_waiters():
    pool = filled(1, max_waiters=1)
    manager = pool.take()
    waiter = Run(pool.take)
    waiting(pool, 1)
    with pytest.raises(PoolBusy, match="bank"):
        pool.take(timeout=PATIENCE)
    pool.put(manager)
    assert waiter.outcome() is manager
    assert pool.stats()["refusals"] == 1
    with pytest.raises(ValueError, match="max_waiters"):
        Pool("bank", 1, max_waiters=-1)


@verdict("added", "`max_overtake=`: so long may newcomers pass who waits first; 0: never")
def test_max_overtake():
    def passes(pool):
        """Put with one in line, and try to have it again."""
        manager = pool.take()
        waiter = Run(pool.take)
        waiting(pool, 1)
        pool.put(manager)
        try:
            pool.put(pool.take(timeout=0))
            return True
        except PoolTimeout:
            return False
        finally:
            pool.put(waiter.outcome())

    strict = filled(1, max_overtake=0)
    assert not any(passes(strict) for _ in range(50))
    loose = filled(1, max_overtake=None)
    if chosen == "c":
        end = time.monotonic() + PATIENCE
        while not passes(loose):
            assert time.monotonic() < end, "nobody ever passes"
    with pytest.raises(ValueError, match="max_overtake is -1"):
        Pool("bank", 1, max_overtake=-1)
    with pytest.raises(TypeError, match="max_overtake is 'x'"):
        Pool("bank", 1, max_overtake="x")
    with pytest.raises(ValueError, match="max_overtake is nan"):
        Pool("bank", 1, max_overtake=math.nan)


def test_the_line_is_fair():
    pool = filled(1)
    manager = pool.take()
    order = []

    def work(number):
        with pool.take(timeout=PATIENCE):
            order.append(number)

    threads = []
    for number in range(5):
        threads.append(Run(work, number))
        waiting(pool, number + 1)
    pool.put(manager)
    for each in threads:
        each.outcome()
    assert order == [0, 1, 2, 3, 4]


def test_a_failed_open_serves_the_next():
    pool = filled(1, maxUsageCount=1)
    manager = pool.take()
    waiters = []
    for number in range(2):
        waiters.append(Run(pool.take))
        waiting(pool, number + 1)
    manager.fail.add("open")
    pool.put(manager)
    with pytest.raises(Trouble, match="open"):
        waiters[0].outcome()
    assert waiters[1].outcome() is manager


def test_where_a_manager_was_taken():
    events = []
    pool = filled(1, on_event=events.append)
    lent = pool.take()
    line = inspect.currentframe().f_lineno - 1
    with pytest.raises(PoolTimeout) as caught:
        pool.take(timeout=0.01)
    (told,) = [event for event in events if event.type == "timed_out"]
    assert told.site == f"{__file__}:{line + 3}"
    if chosen == "c":  # which names the holders, too
        assert f"test_added.py:{line}" in str(caught.value)
    pool.put(lent)


# ---- the end ----


@verdict(
    "added",
    "`close(timeout=)`: takers are refused, idle managers closed, lent ones waited for; it can be repeated",
)
def test_close():
    pool = filled(3)
    lent = pool.take()
    pool.put(pool.take())
    hooks(pool)
    with pytest.raises(PoolTimeout, match="bank"):
        pool.close(timeout=0)
    assert hooks(pool) == [("m1", "close")]
    with pytest.raises(PoolClosed, match="bank"):
        pool.take()
    closer = Run(pool.close)
    pool.put(lent)
    closer.outcome()
    assert hooks(pool) == [("m2", "close")] and not lent._isOpen
    pool.close()
    with pytest.raises(PoolClosed):
        pool.put(Manager("late"))
    assert pool.stats()["members"] == 0


def test_close_wakes_those_who_wait():
    pool = filled(1)
    manager = pool.take()
    waiter = Run(pool.take)
    waiting(pool, 1)
    closer = Run(pool.close)
    with pytest.raises(PoolClosed):
        waiter.outcome()
    pool.put(manager)
    closer.outcome()


def test_close_goes_on_when_a_hook_raises():
    pool = filled(2)
    both = [pool.take(), pool.take()]
    both[0].fail.add("close")
    for each in both:
        pool.put(each)
    with pytest.raises(Trouble, match="close"):
        pool.close()
    assert not both[0]._isOpen and not both[1]._isOpen


def test_close_ends_when_a_lent_manager_is_collected():
    pool = filled(1)
    lent = [pool.take()]
    closer = Run(pool.close)
    until(lambda: is_closed(pool))
    lent.clear()
    closer.outcome()


def test_a_full_pool_that_closes_frees_its_putters():
    pool = filled(1)
    putter = Run(pool.put, Manager("second"))
    until(lambda: pool._queue.full())
    pool.close()
    with pytest.raises(PoolClosed):
        putter.outcome()


@verdict("added", "`with Pool(...) as pool`: closed at the end; what is still lent then is closed when it is put")
def test_with_pool():
    with filled(2) as pool:
        lent = pool.take()
        pool.put(pool.take())
    hooks(pool)
    with pytest.raises(PoolClosed):
        pool.take()
    pool.put(lent)
    assert hooks(pool) == [("m1", "close")]


@verdict("added", "`stopRecycler()` ends the thread; `startRecycler` may start another")
def test_stop_recycler():
    pool = filled(1)
    pool.stopRecycler()
    pool.startRecycler(3600)
    thread = pool._recyclerThread
    pool.stopRecycler()
    assert not thread.is_alive() and pool._recyclerThread is None
    pool.startRecycler(3600)
    again = pool._recyclerThread
    assert again is not thread and again.is_alive()
    pool.close()
    assert not again.is_alive()


# ---- looking ----


@verdict("added", "`stats()`: counters as a dict")
def test_stats():
    pool = filled(3)
    stats = pool.stats()
    assert (stats["name"], stats["members"], stats["max_size"]) == ("bank", 3, 3)
    assert (stats["vacant"], stats["in_line"], stats["idle"], stats["leased"]) == (3, 3, 0, 0)
    lent = pool.take()
    pool.put(pool.take())
    stats = pool.stats()
    assert (stats["vacant"], stats["in_line"], stats["idle"], stats["leased"]) == (1, 2, 1, 1)
    assert (stats["acquires"], stats["opens"], stats["acquires_waited"]) == (2, 2, 0)
    lent.fail.add("putRepair")
    with pytest.raises(Trouble):
        pool.put(lent)
    pool._queue.get(), pool._queue.get()
    pool._queue.put(last := pool._queue.get())
    with pool.take():
        pass
    for hook, counter in (("takeRepair", "checks_failed"), ("open", "open_failures")):
        last.fail.add(hook)
        with pytest.raises(Trouble):
            pool.take()
        assert pool.stats()[counter] == 1
    assert pool.stats()["resets_failed"] == 1


def test_what_waited_is_counted():
    pool = filled(1)
    manager = pool.take()
    waiter = Run(pool.take)
    waiting(pool, 1)
    pool.put(manager)
    waiter.outcome()
    stats = pool.stats()
    assert stats["acquires_waited"] == 1
    assert 0 < stats["wait_ns_max"] <= stats["wait_ns"] < PATIENCE * 1e9


@verdict("added", "`on_event=`: told of what happened on the thread that caused it; what it raises ends nobody's call")
def test_on_event(monkeypatch):
    events, lost = [], []

    def told(event):
        if event.type == "configured":
            return
        assert pool.stats()  # no lock is held
        events.append((event, threading.get_ident()))
        if event.type == "closed":
            raise Trouble("receiver")

    pool = filled(1, maxUsageCount=1, on_event=told)
    monkeypatch.setattr(sys, "unraisablehook", lambda args: lost.append(args.exc_value))
    with pool.take():
        with pytest.raises(PoolTimeout):
            pool.take(timeout=0.01)
    kinds = [event.type for event, _ in events]
    assert kinds == ["opened", "timed_out", "closed"]
    assert all(isinstance(event, Event) for event, _ in events)
    assert {thread for _, thread in events} == {threading.get_ident()}
    assert events[2][0].why == "max uses"
    assert [str(each) for each in lost] == ["receiver"]
    events.clear()
    pool.take(timeout=0).fail.add("putRepair")
    assert "opened" in [event.type for event, _ in events]
    with pytest.raises(TypeError, match="on_event"):
        Pool("bank", 1, on_event="no")


def test_a_failed_open_is_told():
    events = []
    pool = filled(1, on_event=events.append)
    pool._queue.put(manager := pool._queue.get())
    events.clear()
    manager.fail.add("open")
    with pytest.raises(Trouble):
        pool.take()
    assert [event.type for event in events] == ["open_failed"]
    assert "m0 open" in events[0].message


# ---- more, fewer ----


@verdict("added", "`factory=` makes the managers, `capacity` of them")
def test_factory():
    made = []

    def factory(name):
        made.append(name)
        return Manager(name)

    pool = Pool("bank", 3, factory=factory)
    assert made == ["bank-0", "bank-1", "bank-2"]
    assert lent_again(pool, 3)
    with pytest.raises(ValueError, match="capacity"):
        Pool("bank", 0, factory=factory)


@verdict("added", "`resize(capacity)`: with a factory, managers are made or let go, none is taken from its holder")
def test_resize():
    pool = Pool("bank", 2, factory=Manager)
    pool.resize(4)
    assert pool.capacity == pool.max_size == 4 and pool.stats()["members"] == 4
    held = [pool.take() for _ in range(4)]
    pool.put(held.pop())
    idle = pool.take()
    pool.put(idle)
    idle.log.clear()
    pool.resize(2)
    assert idle.log == [("bank-" + str(idle)[-1], "close")]
    assert pool.stats()["members"] == 3
    first = held.pop()
    first.log.clear()
    pool.put(first)
    assert first.log[-1][1] == "close" and not first._isOpen
    assert pool.stats()["members"] == 2
    for each in held:
        pool.put(each)
        assert each._isOpen
    assert lent_again(pool, 2)


@pytest.mark.parametrize("limit", ["max_idle", "max_age", "max_uses"])
def test_what_resize_lets_go_is_not_repaired(limit):
    """Whatever else would close it when it is put."""
    pool = Pool("bank", 2, factory=Manager)
    held = [pool.take(), pool.take()]
    setattr(pool, limit, 0)
    pool.resize(1)
    held[0].log.clear()
    pool.put(held[0])
    assert held[0].log == [(str(held[0]), "close")] and pool.stats()["members"] == 1
    held[1].log.clear()
    pool.put(held[1])
    assert [hook for _, hook in held[1].log] == ["close", "putRepair"] and pool.stats()["members"] == 1


def test_resize_without_a_factory_bounds_what_is_in_line():
    pool = filled(2)
    putter = Run(pool.put, Manager("third"))
    until(lambda: pool._queue.full())
    pool.resize(3)
    putter.outcome()
    assert pool._queue.qsize() == 3 and pool._queue.maxsize == 3
    pool.resize(1)
    assert pool._queue.qsize() == 3
    pool.resize(0)
    assert pool._queue.maxsize == 0


# ---- the field's names ----


@verdict("added", "`acquire`, `release`, `max_size`, `max_idle`, `max_age`, `max_uses`: the field's names for the same")
def test_field_names():
    pool = filled(1)
    manager = pool.acquire(timeout=0)
    pool.release(manager)
    assert pool.acquire() is manager
    assert (pool.max_size, pool.max_idle, pool.max_age, pool.max_uses) == (1, 300.0, 300.0, 1000)
    pool.max_idle, pool.max_age, pool.max_uses = 1, 2, 3
    assert (pool._maxIdleTime, pool._maxOpenTime, pool._maxUsageCount) == (1, 2, 3)


def test_limits_that_change(clock):
    pool = filled(1)
    with pool.take() as manager:
        pass
    clock(50)
    pool.recycle()
    assert manager._isOpen
    pool.max_idle = 40
    pool.recycle()
    assert not manager._isOpen
    with pool.take():
        pass
    pool.max_age = 0
    with pool.take():
        pass
    assert not manager._isOpen


@pytest.mark.parametrize("limit", ["max_idle", "max_age", "max_uses"])
@pytest.mark.parametrize("value", [0, -1])
def test_no_time_at_all_closes_at_each_put(limit, value):
    pool = filled(1)
    setattr(pool, limit, value)
    with pool.take() as manager:
        assert manager._isOpen
    assert not manager._isOpen


# ---- other promises ----


def test_any_verb_before_init():
    class Careless(Pool):
        def __init__(self):
            pass

    pool = Careless()
    for verb in (pool.take, pool.stats, pool.recycle, lambda: pool.put(Manager("m"))):
        with pytest.raises(PoolError, match="super"):
            verb()


def test_hooks_that_are_not_called_by_super():
    class Bare(queuepool.ResourceManager):
        def open(self):
            self.resource = "open"

        def close(self):
            self.resource = None

    pool = filled(0, capacity=1, maxUsageCount=2)
    manager = Bare("bare")
    pool.put(manager)
    with pool.take():
        assert manager._isOpen and manager._usageCount == 1
    with pool.take():
        assert manager._usageCount == 2
    assert not manager._isOpen and manager.resource is None


def test_a_repair_that_closes_is_followed_by_open():
    class Checked(Manager):
        sound = True

        def takeRepair(self):
            super().takeRepair()
            if not self.sound:
                self.sound = True
                self.close()

    pool = filled(1, kind=Checked)
    with pool.take() as manager:
        pass
    manager.sound = False
    hooks(pool)
    with pool.take():
        assert manager._usageCount == 1
    assert hooks(pool) == [("m0", "takeRepair"), ("m0", "close"), ("m0", "open"), ("m0", "putRepair")]


def test_the_context_chain_is_never_a_ring():
    first, second = KeyError("first"), KeyError("second")
    second.__context__ = first
    _chain(first, second)
    assert first.__context__ is second and second.__context__ is None
    _chain(first, second)
    assert first.__context__ is second and second.__context__ is None
    _chain(second, second)
    assert second.__context__ is None
