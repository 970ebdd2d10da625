# SPDX-License-Identifier: BSD-3-Clause
"""test_edges: numbers, names and times at the ends of their ranges, and calls that come in the middle of another.

Either engine.
"""
import datetime
import gc
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import pytest
from helpers import PATIENCE, Manager, Run, Trouble, filled, lent_again, slow_to_close, until, waiting

import queuepool
from queuepool import PoolError, PoolTimeout
from queuepool.pool import Pool


class Dear(float):
    """A limit whose references can be counted."""


@pytest.mark.parametrize("name", ["_maxIdleTime", "_maxOpenTime", "_maxUsageCount"])
def test_a_limit_that_sets_itself(name):
    pool = filled(1)
    first = Dear(300)

    class Reentrant:
        def __index__(self):
            setattr(pool, name, 5)
            return 3

    before = sys.getrefcount(first)
    setattr(pool, name, first)
    setattr(pool, name, Reentrant())
    assert sys.getrefcount(first) == before


def test_numbers_of_any_kind():
    pool = filled(1, maxIdleTime=Decimal(5), maxOpenTime=Fraction(11, 2), maxUsageCount=Decimal(2))
    manager = pool.take(timeout=Fraction(1, 2))
    with pytest.raises(PoolTimeout):
        pool.take(timeout=Decimal("0.01"))
    for wrong, kind in ((-(10**400), ValueError), (1j, TypeError)):
        with pytest.raises(kind, match="timeout"):
            pool.take(timeout=wrong)
    pool.put(manager)
    assert pool.take(timeout=10**400) is manager and manager._isOpen
    pool.max_idle = -(10**400)
    pool.put(manager)
    assert not manager._isOpen


def test_stamps_at_the_ends_of_time(clock):
    pool = filled(1, maxOpenTime=None, maxIdleTime=None)
    with pool.take() as manager:
        manager._lastOpened = manager._lastUsed = datetime.datetime.min
        assert manager._lastOpened.year < 1900
        manager._usageCount = 10**30
        assert manager._usageCount > 10**9
        pool.max_age = 10**9
        pool.max_uses = None
    assert not manager._isOpen
    with pool.take():
        manager._lastOpened = datetime.datetime.max
    assert manager._isOpen


@pytest.mark.parametrize("name", ["", "b" * 1000, "\u00e9" * 99, "bank\0", "\udc80", 5])
def test_names_of_any_kind(name):
    pool = queuepool.Pool(name, 1)
    assert pool.name == name and str(pool.stats()["name"]) == str(name)
    pool.put(Manager("\u00e9" * 200))
    with pool.take() as manager:
        manager.name = name
        with pytest.raises(PoolTimeout):
            pool.take(timeout=0.001)


def test_texts_are_not_cut_within_a_character():
    for number in range(60, 100):
        events = []
        pool = filled(1, on_event=events.append)
        pool._queue.put(manager := pool._queue.get())
        manager.name = "x" * (number % 4) + "\U0001f980" * number
        manager.fail.add("open")
        with pytest.raises(Trouble):
            pool.take()
        assert [event.type for event in events][-1] == "open_failed"


def test_close_in_a_hook_is_refused():
    class Closes(Manager):
        def takeRepair(self):
            super().takeRepair()
            with pytest.raises(PoolError, match="bank"):
                self.asks.close(timeout=0)

    pool = filled(0, capacity=2)
    for name in "ab":
        manager = Closes(name, pool.log)
        manager.asks = pool
        pool.put(manager)
    with pool.take(timeout=0):
        pass
    assert pool.stats()["in_line"] == 2 and lent_again(pool, 2)
    pool.close(timeout=0)
    assert pool.stats()["members"] == 0


def test_close_waits_although_a_hook_raised():
    pool = filled(2)
    first, second = pool.take(), pool.take()
    first.fail.add("close")
    pool.put(first)
    closer = Run(pool.close)
    until(lambda: not first._isOpen)
    closer.join(0.2)  # more than one look at signals
    assert closer.is_alive()
    pool.put(second)
    with pytest.raises(Trouble, match="close"):
        closer.outcome()
    assert pool.stats()["members"] == 0


def test_one_that_goes_by_itself_is_not_let_go_twice():
    pool = Pool("bank", 3, factory=Manager)
    held = [pool.take() for _ in range(3)]
    pool.resize(2)
    held.pop()
    gc.collect()
    pool.put(Manager("fresh"))
    pool.put(held[0])
    assert pool.stats()["members"] == 3 and held[0]._isOpen


def test_what_goes_at_a_resize_may_ask_the_pool():
    asked = []

    class Asks(Manager):
        def __del__(self):
            try:
                pool.put(pool.take(timeout=0))
            except PoolTimeout:
                asked.append(str(self))

    pool = Pool("bank", 3, factory=Asks)
    held = pool.take()
    pool.resize(1)
    gc.collect()
    assert asked
    pool.put(held)
    assert lent_again(pool, 1)


def test_what_is_got_from_the_queue_while_a_close_raises():
    pool = filled(2)
    both = [pool.take(), pool.take()]
    both[1]._usageCount = 5
    for manager in both:
        pool.put(manager)
    pool.max_uses = 3
    both[1].fail.add("close")
    try:
        pool._queue.put(pool._queue.get_nowait())
    except Trouble:
        pass
    pool.max_uses = None
    both[1].fail.clear()
    assert pool.stats()["members"] == 2 and lent_again(pool, 2)


def test_recycle_holds_up_nobody_else():
    gate, inside, slow = slow_to_close()
    pool = filled(3, kind=slow)
    managers = [pool.take() for _ in range(3)]
    for manager in managers:
        pool.put(manager)
    managers[0]._lastUsed = datetime.datetime.now() - datetime.timedelta(seconds=1000)
    recycler = Run(pool.recycle)
    assert inside.wait(PATIENCE)
    taken = [pool.take(timeout=0), pool.take(timeout=0)]
    assert managers[0] not in taken
    gate.set()
    recycler.outcome()
    for manager in taken:
        pool.put(manager)
    assert lent_again(pool, 3)


def test_only_what_was_tried_is_counted_and_told():
    events = []
    pool = filled(3, on_event=events.append)
    both = [pool.take() for _ in range(2)]
    for manager in both:
        pool.put(manager)
    acquires = pool.stats()["acquires"]
    both[0]._usageCount = both[1]._usageCount = 4
    pool._queue.put(pool._queue.get())
    assert pool.stats()["acquires"] == acquires == 2
    for manager in both:
        manager.fail.add("close")
    pool.max_uses = 3
    events.clear()
    with pytest.raises(Trouble, match="close"):
        pool.take()
    stats = pool.stats()
    assert (stats["acquires"], stats["open_failures"], stats["checks_failed"]) == (2, 0, 0)
    next(iter(both)).fail.clear()
    manager = pool._queue.get()
    manager.fail = {"takeRepair"}
    pool._queue.put(manager)
    with pytest.raises(Trouble, match="takeRepair"):
        pool.take()
    stats = pool.stats()
    assert (stats["acquires"], stats["open_failures"], stats["checks_failed"]) == (2, 0, 1)
    assert {event.type for event in events} == {"closed"}


def test_one_manager_put_by_two_threads_at_once():
    gate, looks = threading.Event(), []

    class Slow(Manager):
        is_open = False

        @property
        def _isOpen(self):
            if not gate.is_set() and threading.current_thread() is not threading.main_thread():
                looks.append(1)
                assert gate.wait(PATIENCE)
            return self.is_open

        @_isOpen.setter
        def _isOpen(self, is_open):
            self.is_open = is_open

    pool = filled(0, capacity=3)
    manager = Slow("m")
    putters = [Run(pool._push, manager, 0) for _ in range(2)]
    until(lambda: len(looks) == 2)
    gate.set()
    raised = 0
    for each in putters:
        try:
            each.outcome()
        except PoolError:
            raised += 1
    assert raised == 1 and pool.stats()["members"] == 1
    assert lent_again(pool, 1)


def test_contexts_of_hooks_are_never_a_ring():
    class Again(queuepool.ResourceManager):
        def takeRepair(self):
            self.saved = Trouble("takeRepair")
            raise self.saved

        def close(self):
            try:
                raise self.saved
            except Trouble:
                raise KeyError("close") from None

    pool = filled(0, capacity=1)
    manager = Again("m")
    manager._isOpen = True
    pool.put(manager)
    with pytest.raises(Trouble) as caught:
        pool.take()
    assert isinstance(caught.value.__context__, KeyError) and caught.value.__context__.__context__ is None


def test_blocks_of_one_lease_do_not_count_for_the_next():
    pool = filled(1)
    pool.put(pool.take().__enter__().__enter__())
    with pool.take():
        pass
    assert pool.stats()["in_line"] == 1


def test_the_tokens_of_stamps_change_with_what_they_stand_for():
    pool = filled(1)
    seen = []

    def changed(manager):
        seen.append(pool._stamps(manager)[:2])
        return [now != then for now, then in zip(seen[-1], seen[-2])]

    with pool.take() as manager:
        seen.append(pool._stamps(manager)[:2])
    assert changed(manager) == [False, True]  # put
    assert pool.take() is manager and changed(manager) == [False, True]  # taken
    manager._lastOpened = manager._lastOpened
    assert changed(manager)[0]
    manager._usageCount = 1
    assert changed(manager)[1]
    manager.close()
    pool.put(manager)
    with pool.take():
        assert changed(manager) == [True, True]  # opened


def test_a_recycle_that_looks_at_assigned_times_makes_nothing_younger(clock):
    pool = filled(1)
    with pool.take() as manager:
        pass
    manager._lastUsed = datetime.datetime.now()
    clock(50)
    pool.recycle()
    clock(20)
    assert manager._isOpen
    pool.max_age = 61
    pool.recycle()
    assert not manager._isOpen


def test_a_repair_that_one_manager_alone_has():
    pool = filled(0, capacity=1)
    manager = queuepool.ResourceManager("m")
    pool.put(manager)
    with pool.take():
        pass
    calls = []
    manager.takeRepair = lambda: calls.append("takeRepair")
    manager.putRepair = lambda: calls.append("putRepair")
    with pool.take():
        pass
    assert calls == ["takeRepair", "putRepair"]


def test_a_worn_manager_that_is_put_after_the_end_is_not_repaired():
    pool = filled(1, maxUsageCount=1)
    manager = pool.take()
    with pytest.raises(PoolTimeout):
        pool.close(timeout=0)
    pool.log.clear()
    pool.put(manager)
    assert pool.log == [("m0", "close")] and not pool._owns(manager)


def test_an_open_manager_is_put_where_others_wait_to_open():
    for _ in range(100):
        pool = filled(1)
        lent = pool.take()
        waiter = Run(pool.take)
        waiting(pool, 1)
        fresh = Manager("fresh")
        fresh.open()
        pool.put(fresh)
        assert waiter.outcome() is fresh and fresh._isOpen
        pool.put(lent)


def test_a_limit_of_two_uses_and_a_half_ends_at_the_third():
    pool = filled(1, maxUsageCount=2.5)
    still_open = []
    for _ in range(3):
        with pool.take() as manager:
            pass
        still_open.append(manager._isOpen)
    assert still_open == [True, True, False]


@pytest.mark.parametrize("hook", ["takeRepair", "open", "putRepair"])
def test_the_traceback_shows_the_hook(hook):
    pool = filled(1)
    pool._queue.put(manager := pool._queue.get())
    manager.fail.add(hook)
    with pytest.raises(Trouble) as caught:
        pool.put(pool.take())
    assert hook in [entry.name for entry in caught.traceback]
