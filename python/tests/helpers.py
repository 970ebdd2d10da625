# SPDX-License-Identifier: BSD-3-Clause
"""What several tests share: a manager that writes down its hooks, threads whose outcome is looked at, gates.

It never stands for a feature of the package: managers are the user's part.
"""
import os
import threading

import pytest

from queuepool import PoolClosed, PoolTimeout
from queuepool.pool import Pool, ResourceManager

PATIENCE = 20  # seconds, after which a test has failed: nothing takes so long

# Its allocator does not survive a fork that meets another thread inside it, be it one that has been joined and is on its
# way out: the child then hangs, in the first thing that it allocates.
FORKS_HANG = "asan" in os.environ.get("LD_PRELOAD", "")
WHY_NO_FORK = "AddressSanitizer hangs in children"


def fork():
    """os.fork, or the end of the test where a child may hang through no fault of ours."""
    if FORKS_HANG:
        pytest.skip(WHY_NO_FORK)
    return os.fork()


class Trouble(Exception):
    """What hooks raise here."""


class Manager(ResourceManager):
    """Writes its hooks down in `log`; `fail` names those that raise, once each."""

    def __init__(self, name, log=None):
        super().__init__(name)
        self.log = [] if log is None else log
        self.fail = set()

    def _hook(self, hook):
        self.log.append((self.name, hook))
        if hook in self.fail:
            self.fail.discard(hook)
            raise Trouble(f"{self.name} {hook}")

    def open(self):
        self._hook("open")
        super().open()
        self.resource = object()

    def close(self):
        self._hook("close")
        super().close()
        self.resource = None

    def takeRepair(self):
        self._hook("takeRepair")
        super().takeRepair()

    def putRepair(self):
        self._hook("putRepair")
        super().putRepair()


class Counted(Pool):
    """Says how many wait for room: `putters`."""

    putters = 0

    def _putting(self, change):
        super()._putting(change)
        self.putters += change


def slow_to_close():
    """A kind of manager whose close() says that it is inside, and waits at the gate."""
    gate, inside = threading.Event(), threading.Event()

    class Slow(Manager):
        def close(self):
            inside.set()
            assert gate.wait(PATIENCE)
            super().close()

    return gate, inside, Slow


def filled(members, capacity=None, kind=Manager, **options):
    """A pool with so many managers m0, m1...; their common log is `pool.log`."""
    pool = Pool("bank", members if capacity is None else capacity, **options)
    pool.log = []
    for i in range(members):
        pool.put(kind(f"m{i}", pool.log))
    pool.log.clear()
    return pool


def hooks(pool):
    """The log since the last look."""
    seen = list(pool.log)
    pool.log.clear()
    return seen


def lent_again(pool, number):
    """So many managers can be taken: no slot is lost."""
    taken = [pool.take(timeout=0) for _ in range(number)]
    for each in taken:
        pool.put(each)
    return True


class Run(threading.Thread):
    """A thread; `join` or `outcome` raises what it raised, or fails if it does not end."""

    def __init__(self, target, *args):
        super().__init__(daemon=True)
        self._call = lambda: target(*args)
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self._call()
        except BaseException as error:
            self.error = error

    def outcome(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "the thread has not ended"
        if self.error is not None:
            raise self.error
        return self.value


def until(condition):
    """Wait for what another thread does, by looking."""
    patience = threading.Event()
    for _ in range(PATIENCE * 1000):
        if condition():
            return
        patience.wait(0.001)
    raise AssertionError("it has not come")


def is_closed(pool):
    """Does it refuse to lend for good?"""
    try:
        pool.take(timeout=0)
    except PoolClosed:
        return True
    except PoolTimeout:
        return False


def waiting(pool, number):
    until(lambda: pool.stats()["waiting"] == number)
