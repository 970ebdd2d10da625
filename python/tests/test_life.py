# SPDX-License-Identifier: BSD-3-Clause
"""test_life: signals, collections, hooks that are slow or call the pool, and the interpreter's end.

Either engine.  What ends a process runs in a process of its own.
"""
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest
from helpers import PATIENCE, Counted, Manager, Run, Trouble, filled, hooks, is_closed, lent_again, until, waiting

from queuepool import PoolError, PoolTimeout
from queuepool._engine import chosen


def interrupt_soon(pool, waiters, whom=None):
    """SIGINT once so many wait in line; the moment of it is in `sent`."""
    sent = []

    def send():
        waiting(pool, waiters)
        sent.append(time.perf_counter())
        if whom is None:
            os.kill(os.getpid(), signal.SIGINT)
        else:
            signal.pthread_kill(whom(), signal.SIGINT)

    return sent, Run(send)


def interrupted(whom=None):
    """Seconds from SIGINT to the end of the wait; nothing is lost."""
    pool = filled(1)
    lent = pool.take()
    sent, sender = interrupt_soon(pool, 1, whom)
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    late = time.perf_counter() - sent[0]
    sender.outcome()
    assert pool.stats()["waiting"] == 0
    pool.put(lent)
    assert lent_again(pool, 1)
    return late


# The stated bound.  On a machine that is busy with other tests one of a few tries must keep it.
SOON, TRIES = 0.1, 5


def test_ctrl_c_ends_a_wait():
    assert any(interrupted() < SOON for _ in range(TRIES))


def test_ctrl_c_given_to_another_thread_ends_a_wait_all_the_same():
    assert any(interrupted(threading.get_ident) < SOON for _ in range(TRIES))


OTHER_WAITS = {
    "put": (lambda pool, lent: pool.put(lent), lambda pool: pool.putters > 0),
    "close": (lambda pool, lent: pool.close(), is_closed),
}


@pytest.mark.parametrize("verb", OTHER_WAITS)
def test_ctrl_c_given_to_another_thread_ends_other_waits(verb):
    """A put's wait for room, and close()'s for what is lent."""
    wait, has_begun = OTHER_WAITS[verb]

    def seconds():
        pool = Counted("bank", 1)
        pool.put(Manager("first"))
        lent = pool.take()
        pool.put(Manager("second"))
        sent = []

        def send():
            until(lambda: has_begun(pool))
            sent.append(time.perf_counter())
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)

        sender = Run(send)
        with pytest.raises(KeyboardInterrupt):
            wait(pool, lent)
        late = time.perf_counter() - sent[0]
        sender.outcome()
        assert pool.stats()["leased"] == 1 and pool.putters == 0
        return late

    assert any(seconds() < SOON for _ in range(TRIES))


@pytest.mark.parametrize("given_to", ["the one that waits", "another"])
def test_a_handled_signal_keeps_the_place_in_line(given_to):
    pool = filled(1)
    lent = pool.take()
    order, heard = [], []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    main = threading.get_ident()

    def second():
        waiting(pool, 1)
        rival = Run(lambda: order.append(("second", pool.put(pool.take()))))
        waiting(pool, 2)
        for _ in range(20 if given_to != "another" else 5):
            signal.pthread_kill(threading.get_ident() if given_to == "another" else main, signal.SIGUSR1)
            until(lambda: heard)
            heard.clear()
        pool.put(lent)
        return rival

    helper = Run(second)
    try:
        manager = pool.take()
        order.append(("first", None))
        pool.put(manager)
        helper.outcome().outcome()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [name for name, _ in order] == ["first", "second"]


def test_a_storm_of_signals_loses_nothing():
    pool = filled(2)
    ends = threading.Event()
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    others = [Run(lambda: [pool.put(pool.take()) for _ in iter(lambda: not ends.is_set(), False)]) for _ in range(4)]
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(1000):
            pool.put(pool.take())
        until(lambda: len(heard) > 50)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        ends.set()
    for other in others:
        other.outcome()
    assert lent_again(pool, 2) and pool.stats()["leased"] == 0


def test_interrupts_that_raise_lose_nothing():
    pool = filled(1)

    class Interrupt(Exception):
        pass

    def raises(*_):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, raises)
    lent = pool.take()
    caught = 0
    try:
        for _ in range(50):
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            try:
                pool.take()
            except Interrupt:
                caught += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caught == 50 and pool.stats()["waiting"] == 0
    pool.put(lent)
    assert lent_again(pool, 1)


def program(text):
    """Run in an interpreter of its own, with the same engine: (status, what it printed on both)."""
    text = "import queuepool, threading, os, sys, gc\nfrom queuepool import *\n" + text
    done = subprocess.run(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout


WAITER = """
pool = Pool("bank", 1)
pool.put(ResourceManager("m"))
lent = pool.take()
threading.Thread(target=pool.take, daemon=True).start()
threading.Thread(target=lambda: pool.take(timeout=0.2), daemon=True).start()
while pool.stats()["waiting"] < 2:
    pass
"""


@pytest.mark.parametrize("last", ["", "raise SystemExit(0)", "pool.startRecycler(0.01)", "del pool, lent; gc.collect()"])
def test_an_interpreter_ends_with_waiters_in_line(last):
    assert program(WAITER + last) == (0, "")


def test_an_interpreter_ends_by_ctrl_c_with_a_lease_out():
    status, said = program(WAITER + "os.kill(os.getpid(), 2)\npool.take()")
    assert status == -signal.SIGINT and said.rstrip().endswith("KeyboardInterrupt")


def test_a_lent_manager_that_is_collected_frees_its_place():
    pool = filled(2, capacity=2)
    lent = [pool.take(), pool.take()]
    gone = weakref.ref(lent[0])
    del lent[0]
    gc.collect()
    assert gone() is None and pool.stats()["members"] == 1
    pool.put(Manager("fresh"))
    pool.put(lent.pop())
    assert lent_again(pool, 2)


def test_a_waiter_is_served_by_the_fresh_one_after_a_collection():
    pool = filled(1)
    lent = [pool.take()]
    waiter = Run(pool.take)
    waiting(pool, 1)
    lent.clear()
    gc.collect()
    pool.put(Manager("fresh"))
    assert str(waiter.outcome()) == "fresh"


def test_a_pool_and_its_managers_are_collected_together():
    pool = filled(3)
    with pool.take():
        pass
    lent = pool.take()
    lent.itself = lent
    seen = [weakref.ref(pool), weakref.ref(lent), weakref.ref(pool._queue)]
    log = pool.log
    log.clear()
    del pool, lent
    gc.collect()
    assert [ref() for ref in seen] == [None] * 3
    assert log == []  # no hook: nobody is there to hear of it


def test_collections_at_any_moment():
    """Managers are dropped by their holders while each allocation may collect."""
    pool = filled(4, capacity=0)
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for i in range(300):
            manager = pool.take(timeout=0)
            if i % 3 == 0:
                manager.ring = [manager]
                pool.put(Manager(f"fresh-{i}"))
            else:
                pool.put(manager)
            del manager
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert pool.stats()["members"] == pool.stats()["in_line"] and lent_again(pool, 4)


def test_a_slow_hook_holds_up_nobody_else():
    gate, inside = threading.Event(), threading.Event()

    class Slow(Manager):
        def takeRepair(self):
            super().takeRepair()
            if self.name == "m0":
                inside.set()
                assert gate.wait(PATIENCE)

    pool = filled(2, kind=Slow)
    other = pool.take()
    slow = Run(pool.take)
    assert inside.wait(PATIENCE)
    pool.put(other)
    assert pool.take(timeout=0) is other
    gate.set()
    assert str(slow.outcome()) == "m0"


@pytest.mark.parametrize("hook, is_open", [("takeRepair", False), ("open", False), ("takeRepair", True)])
def test_a_manager_whose_hook_runs_is_not_in_line(hook, is_open):
    """Another one has its room there meanwhile."""
    seen = []

    class Looks(Manager):
        def _hook(self, name):
            super()._hook(name)
            if name == hook and self.name == "m0" and looks:
                stats = pool.stats()
                seen.append((pool._queue.qsize(), stats["in_line"], stats["vacant"], stats["idle"]))
                pool.put(Manager("fresh"))

    looks = False
    pool = filled(1, kind=Looks)
    if is_open:
        pool.put(pool.take())
    looks = True
    manager = pool.take()
    assert str(manager) == "m0" and seen == [(0, 0, 0, 0)] and pool.stats()["in_line"] == 1
    with pytest.raises(PoolTimeout):
        [pool.take(timeout=0), pool.take(timeout=0)]


def test_hooks_may_call_the_pool():
    class Curious(Manager):
        def takeRepair(self):
            super().takeRepair()
            assert self.asks.stats()["leased"] >= 0
            self.asks.recycle()
            with pytest.raises(PoolError):
                self.asks.put(self)
            with pytest.raises(PoolError):
                self.asks.take(timeout=0)

    pool = filled(0, capacity=1)
    manager = Curious("m")
    manager.asks = pool
    pool.put(manager)
    for _ in range(3):
        pool.put(pool.take())
    assert lent_again(pool, 1)


def test_a_hook_may_take_an_idle_manager_that_closes_itself():
    """It is opened anew; where there is none, who does not wait is told as anywhere."""

    class Shuts(Manager):
        def takeRepair(self):
            super().takeRepair()
            if self._isOpen:
                self.close()

    class Asks(Manager):
        asks = got = None

        def takeRepair(self):
            super().takeRepair()
            if self.asks is not None:
                self.got = self.asks.take(timeout=0)
                with pytest.raises(PoolTimeout):
                    self.asks.take(timeout=0)

    pool = filled(0, capacity=2)
    shuts, asks = Shuts("shuts", pool.log), Asks("asks", pool.log)
    pool.put(shuts)
    pool.put(asks)
    both = [pool.take(), pool.take()]
    for manager in sorted(both, key=str, reverse=True):
        pool.put(manager)
    asks.asks = pool
    hooks(pool)
    assert pool.take() is asks and asks.got is shuts and shuts._isOpen
    assert hooks(pool) == [("asks", "takeRepair"), ("shuts", "takeRepair"), ("shuts", "close"), ("shuts", "open")]


class Slow(Manager):
    """Its takeRepair, on a thread of its own, waits at `gate`."""

    gate = None

    def takeRepair(self):
        super().takeRepair()
        if self.gate is not None and threading.current_thread() is not threading.main_thread():
            self.inside.set()
            assert self.gate.wait(PATIENCE)


def one_in_a_hook(members):
    """A pool, its managers, all lent but the first, in whose hook is a thread that had to wait; `end` ends that."""
    pool = filled(members, kind=Slow)
    lent = [pool.take() for _ in range(members)]
    waiter = Run(pool.take)
    waiting(pool, 1)
    lent[0].gate, lent[0].inside = threading.Event(), threading.Event()
    pool.put(lent[0])
    assert lent[0].inside.wait(PATIENCE)

    def end():
        lent[0].gate.set()
        pool.put(waiter.outcome())
        assert lent_again(pool, members)

    return pool, lent, end


def test_a_stamp_is_set_while_another_thread_is_on_its_way():
    pool, managers, end = one_in_a_hook(2)
    pool.put(managers[1])
    managers[1]._usageCount = 5
    assert managers[1]._usageCount == 5
    pool.recycle()
    end()


def test_a_close_raises_in_take_while_another_thread_is_on_its_way():
    pool, managers, end = one_in_a_hook(3)
    managers[2]._usageCount = 2
    pool.put(managers[1])
    pool.put(managers[2])
    pool.max_uses = 2
    managers[2].fail.add("close")
    with pytest.raises(Trouble, match="close"):
        pool.take(timeout=0)
    assert ctypes.pythonapi.PyGILState_Check()
    assert managers[1]._isOpen and managers[1]._usageCount == 1  # it was not lent
    pool.max_uses = None
    end()


def interrupting(after):
    """A function that gets Ctrl-C, once, and goes on as `after`."""
    armed = [True]

    def function(*args):
        if armed.pop() if armed else False:
            signal.raise_signal(signal.SIGINT)
        return after(*args)

    return function


def test_ctrl_c_before_the_first_sleep_is_not_lost(monkeypatch):
    pool = filled(1)
    lent = pool.take()
    monkeypatch.setattr(threading, "main_thread", interrupting(threading.main_thread))
    with pytest.raises((KeyboardInterrupt, PoolTimeout)) as caught:
        pool.take(timeout=0.05)
    assert chosen == "py" or caught.type is KeyboardInterrupt
    pool.put(lent)
    assert lent_again(pool, 1)


@pytest.mark.parametrize("name", ["__str__", "_isOpen"])
def test_ctrl_c_while_a_manager_is_looked_at_is_not_lost(name):
    class Looked(Manager):
        is_open = False
        __str__ = interrupting(Manager.__str__)
        _isOpen = property(lambda self: self.is_open, lambda self, is_open: setattr(self, "is_open", is_open))

    pool = filled(0, capacity=1)
    pool.put(manager := Looked("m"))
    if name == "_isOpen":
        with pytest.raises(KeyboardInterrupt):
            str(manager)
        pool.put(pool.take())
        look = interrupting(lambda self: self.is_open)
        Looked._isOpen = property(look, lambda self, is_open: setattr(self, "is_open", is_open))
    try:
        manager = pool.take(timeout=0)
    except KeyboardInterrupt:
        pass
    else:
        assert chosen == "py" and name == "__str__"
        pool.put(manager)
    assert lent_again(pool, 1)


def test_ctrl_c_while_room_is_told_of_is_not_lost():
    pool = filled(1)
    putter = Run(pool.put, Manager("second", pool.log))
    until(lambda: pool._queue.full())
    until(lambda: pool._room._waiters)
    pool._roomCame = interrupting(pool._roomCame)
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    pool.put(pool.take())
    putter.join(0)
    pool.resize(2)
    putter.outcome()
    assert lent_again(pool, 2)
