# SPDX-License-Identifier: BSD-3-Clause
"""test_fork: the child of a fork, and forks inside hooks, receivers of events and handlers of signals.

Either engine.  Not under AddressSanitizer.
"""
import gc
import os
import signal
import sys
import threading

import pytest
from helpers import (
    FORKS_HANG,
    PATIENCE,
    WHY_NO_FORK,
    Counted,
    Manager,
    Run,
    Trouble,
    filled,
    hooks,
    lent_again,
    until,
    waiting,
)

from queuepool import PoolError, PoolTimeout

pytestmark = pytest.mark.skipif(FORKS_HANG, reason=WHY_NO_FORK)


def in_child(body):
    """Fork; 0 if body said so."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            body()
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_touches_nothing_of_its_parents():
    pool = filled(3)
    mine, idle = pool.take(), pool.take()
    pool.put(idle)
    hooks(pool)

    def child():
        assert mine._isOpen and not idle._isOpen
        assert hooks(pool) == []
        taken = [pool.take(timeout=0), pool.take(timeout=0)]
        assert all(manager._isOpen for manager in taken) and mine not in taken
        with pytest.raises(PoolTimeout):
            pool.take(timeout=0)
        hooks(pool)
        pool.put(mine)
        assert not mine._isOpen and hooks(pool) == []  # no hook of what is the parent's
        assert pool.take(timeout=0) is mine and mine._isOpen
        for manager in [mine, *taken]:
            pool.put(manager)
        assert lent_again(pool, 3)

    assert in_child(child) == 0
    assert idle._isOpen
    pool.put(mine)
    assert lent_again(pool, 3)


@pytest.mark.parametrize("before", [False, True])
def test_an_exception_in_a_child_closes_nothing_of_its_parents(before):
    """Whether its `with` was entered in the parent, or in the child."""
    pool = filled(1)
    mine = pool.take()
    if before:
        mine.__enter__()
    hooks(pool)

    def child():
        if not before:
            mine.__enter__()
        assert mine.__exit__(Trouble, Trouble(), None) is False
        assert hooks(pool) == [] and not mine._isOpen
        with pytest.raises(Trouble):
            with pool.take(timeout=0):  # the child's own is closed
                raise Trouble
        assert ("m0", "close") in hooks(pool)

    assert in_child(child) == 0
    assert mine._isOpen
    pool.put(mine)
    assert lent_again(pool, 1)


def test_a_child_that_forgets_its_lease_leaves_its_parents_resource_alone():
    class Farewell:
        said = []

        def __del__(self):
            self.said.append(os.getpid())

    class Polite(Manager):
        def open(self):
            super().open()
            self.resource = Farewell()

    pool = filled(1, kind=Polite)
    held = [pool.take()]

    def child():
        held.clear()
        gc.collect()
        assert Farewell.said == []
        assert lent_again(pool, 0)

    assert in_child(child) == 0
    assert held[0]._isOpen and Farewell.said == []
    pool.put(held.pop())
    assert lent_again(pool, 1)


def test_a_child_gets_the_managers_that_threads_of_its_parent_hold():
    pool = filled(2)
    ends, has = threading.Event(), threading.Event()

    def hold():
        with pool.take():
            has.set()
            assert ends.wait(PATIENCE)

    holder = Run(hold)
    assert has.wait(PATIENCE)
    assert in_child(lambda: lent_again(pool, 2)) == 0
    ends.set()
    holder.outcome()
    assert lent_again(pool, 2)


class Forks(Manager):
    """Forks once, in the hook that `at` names."""

    at = child = None

    def _hook(self, hook):
        super()._hook(hook)
        if hook == Forks.at:
            Forks.at = None
            Forks.child = os.fork()


def worn_out(pool, verb):
    pool._maxUsageCount = 1
    verb()


# Where it forks; what has been lent, or has come back, by then; the verb.
FORKS = {
    "takeRepair of a closed one": ("takeRepair", "closed", lambda pool, both: pool.take(timeout=0)),
    "open": ("open", "closed", lambda pool, both: pool.take(timeout=0)),
    "takeRepair of an open one": ("takeRepair", "open", lambda pool, both: pool.take(timeout=0)),
    "close in take": ("close", "open", lambda pool, both: worn_out(pool, pool.take)),
    "putRepair": ("putRepair", "lent", lambda pool, both: pool.put(both[0])),
    "close in put": ("close", "lent", lambda pool, both: worn_out(pool, lambda: pool.put(both[0]))),
    "putRepair after close": ("putRepair", "lent", lambda pool, both: worn_out(pool, lambda: pool.put(both[0]))),
    "recycle": ("close", "open", lambda pool, both: worn_out(pool, pool.recycle)),
}


def after_the_fork(pool, error, at):
    """In the child: nothing was done after the hook, nothing reads as open but what is lent, nothing is lost."""
    assert "the process forked inside a hook" in str(error)
    assert hooks(pool)[-1][1] == at
    stats = pool.stats()
    assert stats["members"] == 2 and stats["idle"] == 0 and stats["in_line"] + stats["leased"] == 2
    return stats["leased"]


@pytest.mark.parametrize("where", FORKS)
def test_a_fork_inside_a_hook(where):
    at, state, verb = FORKS[where]
    pool = filled(2, kind=Forks)
    both = [pool.take(), pool.take()] if state != "closed" else []
    for manager in both if state == "open" else []:
        pool.put(manager)
    hooks(pool)
    Forks.at, Forks.child = at, None
    error = status = None
    try:
        verb(pool, both)
    except BaseException as trouble:
        error = trouble
    if Forks.child == 0:
        try:
            status = 1
            assert isinstance(error, PoolError)
            leased = after_the_fork(pool, error, at)
            assert leased == (state == "lent")
            for manager in both[1:] if leased else []:
                pool.put(manager)
            assert not any(manager._isOpen for manager in both)
            assert lent_again(pool, 2)
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    assert error is None and os.waitstatus_to_exitcode(os.waitpid(Forks.child, 0)[1]) == 0


def test_a_fork_inside_a_hook_that_raises():
    class Raises(Forks):
        def open(self):
            super().open()
            raise Trouble("open")

    pool = filled(1, kind=Raises)
    Forks.at, Forks.child = "open", None
    error = None
    try:
        pool.take(timeout=0)
    except BaseException as trouble:
        error = trouble
    if Forks.child == 0:
        seen = [type(error), type(error.__context__), "fork" in str(error.__context__), hooks(pool)[-1][1]]
        os._exit(seen != [Trouble, PoolError, True, "open"])
    assert isinstance(error, Trouble) and os.waitstatus_to_exitcode(os.waitpid(Forks.child, 0)[1]) == 0


def test_a_fork_in_a_receiver_of_events():
    """What was opened is not lent to both of them."""
    children = []

    def fork(event):
        if event.type == "opened" and not children:
            children.append(os.fork())

    pool = filled(1, on_event=fork)
    error = None
    try:
        manager = pool.take(timeout=0)
    except BaseException as trouble:
        error = trouble
    if children[-1] == 0:
        os._exit(0 if isinstance(error, PoolError) and lent_again(pool, 1) else 1)
    assert error is None and os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1]) == 0
    pool.put(manager)


def test_a_fork_in_a_signals_handler_amid_a_wait():
    """The child's wait goes on: what the others held is free there."""
    pool = filled(1)
    ends, has, children = threading.Event(), threading.Event(), []

    def hold():
        with pool.take():
            has.set()
            assert ends.wait(PATIENCE)

    holder = Run(hold)
    assert has.wait(PATIENCE)
    before = signal.signal(signal.SIGUSR1, lambda *_: children.append(os.fork()))
    main = threading.get_ident()

    def send():
        waiting(pool, 1)
        signal.pthread_kill(main, signal.SIGUSR1)
        until(lambda: children)
        ends.set()

    sender = Run(send)
    try:
        manager = pool.take(timeout=PATIENCE)
    except BaseException:
        if children and children[-1] == 0:
            os._exit(1)
        raise
    finally:
        signal.signal(signal.SIGUSR1, before)
    if children[-1] == 0:
        os._exit(0 if manager._isOpen else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1]) == 0
    pool.put(manager)
    holder.outcome()
    sender.outcome()


def test_a_fork_in_a_signals_handler_amid_a_put():
    """The child's put gets the room that comes there, and those after it, too."""
    pool = Counted("bank", 1)
    pool.put(Manager("first"))
    lent = pool.take()
    pool.put(Manager("second"))
    children = []

    def fork(*_):
        children.append(os.fork())
        pool._queue.get_nowait()

    def again():
        pool.put(other := pool.take())
        putter = Run(pool.put, Manager("third"))
        until(lambda: pool.putters > 0)
        assert pool.take(timeout=0) is other
        putter.outcome()

    before = signal.signal(signal.SIGUSR1, fork)
    main = threading.get_ident()
    sender = Run(lambda: (until(lambda: pool.putters > 0), signal.pthread_kill(main, signal.SIGUSR1)))
    error = None
    try:
        pool.put(lent)
        if children[-1] == 0:
            again()
    except BaseException as trouble:
        error = trouble
    finally:
        signal.signal(signal.SIGUSR1, before)
    if children[-1] == 0:
        os._exit(error is not None)
    assert error is None and os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1]) == 0
    sender.outcome()


@pytest.mark.parametrize(
    "hook, most", [("takeRepair", None), ("open", None), ("close", 1), ("close", 2), ("putRepair", None)]
)
def test_a_fork_inside_a_hook_of_what_was_open(hook, most):
    children = []

    class Forks(Manager):
        armed = None

        def _hook(self, name):
            super()._hook(name)
            if name == self.armed:
                self.armed = None
                children.append(os.fork())

    pool = filled(2, kind=Forks)
    managers = [pool.take(), pool.take()]
    for manager in managers:
        pool.put(manager)
    manager.armed = hook
    if hook == "open":  # its check opens it anew
        manager._isOpen = False
    pool.max_uses = most  # 1: it is closed by take; 2: by put
    status = 0
    try:
        pool.put(pool.take(timeout=0))
    except PoolError as error:
        status = 0 if "fork" in str(error) else 3
    pool.max_uses = None
    if children[-1] == 0:
        try:
            signal.alarm(PATIENCE)
            assert status == 0 and pool.stats()["members"] == 2 and not manager._isOpen
            assert {pool.take(timeout=0), pool.take(timeout=0)} == set(managers)
        except BaseException:
            status = 4
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1]) == 0
    assert lent_again(pool, 2)


def test_a_child_counts_from_the_fork_on():
    pool = filled(1)
    manager = pool._queue.get()
    pool._queue.put(manager)
    manager.fail.add("takeRepair")
    with pytest.raises(Trouble):
        pool.take()
    for _ in range(2):
        pool.put(pool.take())
        manager._usageCount = 1

    def child():
        assert all(number < 2**63 for number in pool.stats().values() if isinstance(number, int))

    assert in_child(child) == 0


def test_a_child_goes_on_when_a_manager_cannot_say_whether_it_is_open(monkeypatch):
    class Silent(Manager):
        is_silent = is_open = False

        @property
        def _isOpen(self):
            if Silent.is_silent:
                raise Trouble("_isOpen")
            return self.is_open

        @_isOpen.setter
        def _isOpen(self, is_open):
            self.is_open = is_open

    pool = filled(2, kind=Silent)
    pool.put(pool.take())
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: lost.append(args.exc_value))
    Silent.is_silent = True

    def child():
        Silent.is_silent = False
        assert lost == []
        assert hooks(pool)[-1][1] == "putRepair" and lent_again(pool, 2)
        assert [hook for _, hook in hooks(pool)].count("open") == 2

    assert in_child(child) == 0


def test_a_child_that_drops_its_parents_lease_has_the_place():
    pool = filled(2)
    mine = [pool.take()]

    def child():
        mine.clear()
        gc.collect()
        assert pool.stats()["members"] == 1
        pool.put(Manager("fresh", pool.log))
        assert lent_again(pool, 2)

    assert in_child(child) == 0


def test_no_finaliser_of_what_is_the_parents_runs_in_a_child():
    ended = []

    class Costly:
        def __del__(self):
            ended.append(1)

    pool = filled(2)
    mine, idle = pool.take(), pool.take()
    mine.resource, idle.resource = Costly(), Costly()
    pool.put(idle)

    def child():
        pool.put(mine)
        mine.resource = idle.resource = None
        gc.collect()
        assert ended == []

    assert in_child(child) == 0
