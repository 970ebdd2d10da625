# SPDX-License-Identifier: BSD-3-Clause
"""pool: `Pool` and `ResourceManager`.

A manager knows how to open and close one costly thing; a pool lends managers to threads.  The pool itself is a
`Line` (`_engine` says of which engine), which keeps members, waits, limits and counters; this file gives it the
face that programs know.  It never touches what a manager manages.
"""
import datetime as _datetime
import operator
import os
import queue
import sys
import threading
import time
import weakref
from datetime import datetime
from typing import NamedTuple, Optional

from queuepool._engine import Line, pin
from queuepool._errors import PoolBusy, PoolClosed, PoolError, PoolTimeout
from queuepool._pylimits import at_a_stretch, number_of

__all__ = ["Event", "Pool", "PoolBusy", "PoolClosed", "PoolError", "PoolTimeout", "ResourceManager", "logg"]

MOST_MANAGERS = 65535
# The whole life of all pools of this process, for the fork hook alone.
_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()


def logg(*args, **kwargs):
    """Print to stderr; to be replaced by programs that log otherwise."""
    print(*args, file=sys.stderr, **kwargs)


class Event(NamedTuple):
    """What `on_event` is told."""

    type: str  # "opened", "open_failed", "closed", "waited", "timed_out", "refused"...
    why: Optional[str]  # of "closed": "max idle", "max age", "max uses"...
    took: float  # seconds, by type: to open, in line, lent
    message: Optional[str]  # of a failure
    site: Optional[str]  # file:line of the caller


def _chain(first, second):
    """`first` goes on; `second` happened on its way and is shown with it, as the last of its contexts."""
    seen = {id(first)}
    last = _last_context(first, seen)
    if id(second) in seen:
        return
    # Raised while the first was handled, it has the first among its own contexts: cut there, or it were a ring.
    seen.add(id(second))
    _last_context(second, seen).__context__ = None
    last.__context__ = second


def _last_context(error, seen):
    """The end of its chain of contexts, or the last before one that was seen."""
    while error.__context__ is not None and id(error.__context__) not in seen:
        error = error.__context__
        seen.add(id(error))
    return error


# ---- managers ---------------------------------------------------------------------------------------------------


def _ago(now, ago_ns):
    return now - _datetime.timedelta(microseconds=ago_ns // 1000)


_MOST = 2**62  # of nanoseconds, 146 years, or of uses: no limit is as long


def _shown(thing, *names):
    """The text of a dict of these attributes, as every repr here is."""
    return str({name: getattr(thing, name) for name in names})


def _plain_time(value):
    """Nanoseconds ago."""
    return min(max(0, int((datetime.now() - value).total_seconds() * 1e9)), _MOST)


def _plain_count(value):
    return min(max(0, operator.index(value)), _MOST)


class _Stamp:
    """`_lastOpened`, `_lastUsed` or `_usageCount`: the pool's while the manager is open in one, else the manager's own.

    What the pool says is turned into datetimes once for each change, all three together: so two looks at one are
    equal, and a use is never before the open.
    """

    def __init__(self, plain):
        self.plain = plain

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, manager, owner=None):
        if manager is None:
            return self
        own = manager.__dict__
        pool = own.get("_pool")
        stamps = pool._stamps(manager) if isinstance(pool, Line) else None
        if stamps is not None:
            self.see(own, *stamps)
        return own.get(self.name)

    @staticmethod
    def see(own, opened_token, used_token, opened_ago, used_ago, uses):
        seen = own.get("_seen", (None, None))
        if seen == (opened_token, used_token):
            return
        now = datetime.now()
        if seen[0] != opened_token:
            own["_lastOpened"] = _ago(now, opened_ago)
        own["_lastUsed"] = max(_ago(now, used_ago), own["_lastOpened"])
        own["_usageCount"] = uses
        own["_seen"] = opened_token, used_token

    def __set__(self, manager, value):
        own = manager.__dict__
        own[self.name] = value
        pool = own.get("_pool")
        if isinstance(pool, Line) and value is not None:
            pool._override(manager, self.name, self.plain(value))


class ResourceManager:
    """How to open, close and keep in repair one resource.  Subclass it, and call `super()` in each hook.

    The hooks run on the thread that takes or puts: `takeRepair` before each lease, `open` if the manager is not open
    by then, `putRepair` after each lease, `close` when a limit is reached or an exception left the `with` block.
    What they raise reaches that thread, and the manager stays in its pool, closed.
    """

    _lastOpened = _Stamp(_plain_time)
    _lastUsed = _Stamp(_plain_time)
    _usageCount = _Stamp(_plain_count)

    def __init__(self, name):
        self.name = name
        self.resource = None
        self._pool = None
        self._isOpen = False
        self._lastOpened = None
        self._lastUsed = None
        self._usageCount = None

    def __str__(self):
        return self.name

    def __repr__(self):
        return _shown(self, "name", "_isOpen", "_lastOpened", "_lastUsed", "_usageCount")

    def open(self):
        now = datetime.now()
        self._isOpen = True
        self._lastOpened = now
        self._lastUsed = now
        self._usageCount = 0

    def close(self):
        self._isOpen = False

    def takeRepair(self):
        pass

    def putRepair(self):
        pass

    def __enter__(self):
        pool = self._pool
        if pool is not None:
            pool._enter(self)
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        pool = self._pool
        if pool is None:
            raise PoolError(f"manager {self.name!r} is of no pool: `with` gives a manager back that a pool lent")
        ends = pool._leave(self)
        if not ends:
            return False  # an inner `with` of the same lease
        # What a parent process opened is not closed here: put() lets go of it.
        is_ours = ends == 1
        troubles = []
        # These two leave a block as return does: what is managed is sound.
        spoils = exc_type is not None and not issubclass(exc_type, (GeneratorExit, SystemExit))
        if spoils and is_ours and pool.closeOnException:
            try:
                self.close()
            except BaseException as trouble:
                self._isOpen = False
                troubles.append(trouble)
        try:
            pool.put(self)
        except BaseException as trouble:
            troubles.append(trouble)
        if exc_value is not None:
            troubles.insert(0, exc_value)
        for second in troubles[1:]:
            _chain(troubles[0], second)
        if troubles and exc_value is None:
            raise troubles[0]
        return False


# Engines skip a hook that nobody has overridden.
Line._know(ResourceManager)


# ---- the pool ---------------------------------------------------------------------------------------------------


class _Managers:
    """`Pool._queue`: the managers in line, as the queue that they once were.  What is got is a member no more."""

    def __init__(self, pool):
        self._pool = weakref.ref(pool)

    def _line(self):
        pool = self._pool()
        if pool is None:
            raise PoolError("the pool of this queue is gone")
        return pool

    @property
    def maxsize(self):
        return self._line()._bound

    def qsize(self):
        return self._line()._inline()

    def empty(self):
        return self.qsize() == 0

    def full(self):
        return 0 < self.maxsize <= self.qsize()

    def get(self, block=True, timeout=None):
        return self._line()._pull(_patience(block, timeout))

    def put(self, item, block=True, timeout=None):
        line = self._line()
        line._admissible(item)
        item._pool = line
        line._join(item, _patience(block, timeout))

    def get_nowait(self):
        return self.get(block=False)

    def put_nowait(self, item):
        self.put(item, block=False)


def _patience(block, timeout):
    """Seconds, or None for ever, as queue.Queue's arguments say it."""
    if not block:
        return 0.0
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return timeout


def _counted(what, value, least):
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is {value!r}; it must be a whole number") from None
    if number < least:
        raise ValueError(f"{what} is {number}; it must be at least {least}")
    return number


class Pool(Line):
    """Lends managers to threads: the open one that came back last, else a closed one, which it opens; else it waits.

    `capacity` bounds the managers in line (0 or less: no bound).  The limits are in seconds and in leases; None is no
    limit, 0 means after each lease.  `factory(name)` makes `capacity` managers at once; without it, `put` them.
    """

    def __init__(
        self,
        name,
        capacity,
        maxIdleTime=300.0,
        maxOpenTime=300.0,
        maxUsageCount=1000,
        closeOnException=True,
        *,
        factory=None,
        max_waiters=None,
        max_overtake=0.003,
        on_event=None,
    ):
        bound = _counted("capacity", capacity, -sys.maxsize)
        if bound > MOST_MANAGERS:
            raise ValueError(f"capacity is {bound}; it must be at most {MOST_MANAGERS}")
        if factory is not None and bound < 1:
            raise ValueError(f"capacity is {bound}; with a factory it must be at least 1: so many managers are made")
        if max_waiters is not None:
            max_waiters = _counted("max_waiters", max_waiters, 0)
        if max_overtake is not None and number_of("max_overtake", max_overtake) < 0:
            raise ValueError(f"max_overtake is {max_overtake!r}; it must be 0 or more seconds, or None for no bound")
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event is {on_event!r}; it must be callable")
        self.name = name
        self.capacity = capacity
        self.closeOnException = closeOnException
        self._factory = factory
        self._made = 0
        self._recyclerThread = None
        self._recyclerGuard = threading.Lock()
        self._recyclerEnd = None
        self._room = threading.Condition(threading.Lock())
        self._begin(str(name), max(bound, 0), max_waiters, max_overtake, on_event)
        self._maxIdleTime = maxIdleTime
        self._maxOpenTime = maxOpenTime
        self._maxUsageCount = maxUsageCount
        self._queue = _Managers(self)
        _pools.add(self)
        if factory is not None:
            self._make(bound)

    def __str__(self):
        return self.name

    def __repr__(self):
        limits = ("_maxIdleTime", "_maxOpenTime", "_maxUsageCount")
        return _shown(self, "name", "capacity", *limits, "closeOnException")

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        try:
            self.close(timeout=0)
        except PoolTimeout:
            pass  # those still lent are closed when they are put
        return False

    # ---- one that is put for the first time, or to no avail ----

    def _admissible(self, manager):
        """Raise if the manager cannot become a member of this pool."""
        for hook in ("open", "close", "takeRepair", "putRepair"):
            if not callable(getattr(manager, hook, None)):
                raise TypeError(f"pool {self.name!r}: {manager!r} is no ResourceManager: it has no {hook}()")
        if not hasattr(manager, "_isOpen"):
            raise TypeError(
                f"pool {self.name!r}: {manager!r} has no _isOpen: call super().__init__() in its __init__()"
            )
        other = getattr(manager, "_pool", None)
        if other is not None and other is not self and isinstance(other, Line) and other._owns(manager):
            raise PoolError(f"manager {str(manager)!r} is of pool {str(other)!r}; it was put to pool {self.name!r}")

    def _populate(self, manager):
        """What `put` does with a manager that is no member yet."""
        self._admissible(manager)
        manager._pool = self
        manager._lastUsed = datetime.now()
        if manager._isOpen and self._expired(manager):
            manager.close()
        manager.putRepair()
        self._join(manager, None)

    def _join(self, manager, timeout):
        """One that is open already brings its age and its uses with it."""
        opened, uses = getattr(manager, "_lastOpened", None), getattr(manager, "_usageCount", None)
        if hasattr(manager, "__dict__"):
            manager.__dict__.pop("_seen", None)  # of the pool that it was of before
        self._push(manager, timeout)
        if manager._isOpen and opened is not None:
            manager._lastOpened = opened
        if manager._isOpen and uses is not None:
            manager._usageCount = uses

    def _expired(self, manager):
        """By the manager's own stamps and the pool's limits."""
        now = datetime.now()

        def passed(since, limit):
            return limit is not None and since is not None and (limit <= 0 or (now - since).total_seconds() > limit)

        uses, most = manager._usageCount, self._maxUsageCount
        return (
            passed(manager._lastUsed, self._maxIdleTime)
            or passed(manager._lastOpened, self._maxOpenTime)
            or (most is not None and uses is not None and uses >= most)
        )

    def _recycle(self, r):
        if r._isOpen and self._expired(r):
            r.close()

    def _awaitRoom(self, timeout):
        """Until fewer than `capacity` managers are in line; False: not in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        left = timeout
        self._putting(1)
        try:
            while True:
                with self._room:
                    if self._room.wait_for(lambda: not 0 < self._bound <= self._inline(), at_a_stretch(left)):
                        return True
                if deadline is not None:
                    left = max(0.0, deadline - time.monotonic())
                    if left == 0:
                        return False
        finally:
            self._putting(-1)

    def _roomCame(self):
        with self._room:
            self._room.notify_all()

    # ---- upkeep ----

    def recycle(self):
        """Close the idle managers whose limits have passed.  All of them are looked at, whatever a hook raises."""
        self._recycleAll()

    def startRecycler(self, interval=60):
        """Call `recycle` every so many seconds on a daemon thread.  A second call changes nothing."""
        if isinstance(interval, bool) or not isinstance(interval, (int, float)):
            raise TypeError(f"interval is {interval!r}; it must be a number of seconds")
        if not 0 < interval <= threading.TIMEOUT_MAX:
            raise ValueError(f"interval is {interval!r}; it must be more than 0 and at most {threading.TIMEOUT_MAX}")
        with self._recyclerGuard:
            if self._recyclerThread is not None:
                return
            self._recyclerInterval = interval
            self._recyclerEnd = threading.Event()
            if type(self)._recyclerLoop is Pool._recyclerLoop:
                # The thread alone does not keep the pool.
                target, args = _recycle_on, (weakref.ref(self), self._recyclerEnd)
            else:
                target, args = self._recyclerLoop, ()
            self._recyclerThread = threading.Thread(
                target=target, args=args, name="queuepool recycler", daemon=True
            )
            self._recyclerThread.start()

    def stopRecycler(self):
        """End the thread; waits for the pass that it is in, unless that pass calls this."""
        with self._recyclerGuard:
            thread, self._recyclerThread = self._recyclerThread, None
            if thread is None:
                return
            self._recyclerEnd.set()
        if thread is not threading.current_thread():
            thread.join()

    def _recyclerLoop(self):
        _recycle_on(weakref.ref(self), self._recyclerEnd)

    # ---- looking, changing, ending ----

    def stats(self):
        """The counters, as a dict; names as in the C library's qpool_stats, and `members`, `vacant`, `in_line`."""
        return dict(self._stats(), name=str(self.name))

    def resize(self, capacity):
        """A new bound.  With a factory, managers are made or let go until there are so many; none is taken from
        its holder."""
        bound = _counted("capacity", capacity, 1 if self._factory is not None else -sys.maxsize)
        if bound > MOST_MANAGERS:
            raise ValueError(f"capacity is {bound}; it must be at most {MOST_MANAGERS}")
        self._resize(max(bound, 0), self._factory is not None)
        self.capacity = capacity
        if self._factory is not None:
            self._make(bound)

    def _make(self, members):
        while self._stats()["members"] < members:
            manager = self._factory(f"{self.name}-{self._made}")
            self._made += 1
            self.put(manager)

    def close(self, *, timeout=None):
        """Refuse takers from now on, close what is idle, and wait for the rest to be put: PoolTimeout if that takes
        longer than `timeout` seconds.  What is put later is closed."""
        self.stopRecycler()
        self._close(timeout)

    # ---- the field's names ----

    def release(self, manager):
        self.put(manager)

    @property
    def max_size(self):
        return self.capacity

    @property
    def max_idle(self):
        return self._maxIdleTime

    @max_idle.setter
    def max_idle(self, seconds):
        self._maxIdleTime = seconds

    @property
    def max_age(self):
        return self._maxOpenTime

    @max_age.setter
    def max_age(self, seconds):
        self._maxOpenTime = seconds

    @property
    def max_uses(self):
        return self._maxUsageCount

    @max_uses.setter
    def max_uses(self, count):
        self._maxUsageCount = count


def _recycle_on(ref, end):
    """The recycler's thread.  A hook that raises is logged, and the next pass comes all the same."""
    while True:
        pool = ref()
        if pool is None:
            return
        interval = pool._recyclerInterval
        del pool
        if end.wait(interval):
            return
        pool = ref()
        if pool is None:
            return
        try:
            pool.recycle()
        except Exception as trouble:
            logg(f"queuepool: pool {pool.name!r}: recycle: {type(trouble).__name__}: {trouble}")


# ---- fork -------------------------------------------------------------------------------------------------------


def _in_child():
    """The parent's resources are the parent's: they are kept from every finaliser, and read as not open, except what
    the forking thread itself holds, until that is put."""
    for pool in list(_pools):
        pool._recyclerThread = None
        pool._recyclerGuard = threading.Lock()
        pool._room = threading.Condition(threading.Lock())
        strangers, own = pool._forked()
        for manager in own:
            _keep(manager)
        for manager in strangers:
            _abandon(manager)


def _keep(manager):
    """What it manages is the parent's: no finaliser may end it."""
    pin(dict(vars(manager)) if hasattr(manager, "__dict__") else manager)


def _abandon(manager):
    _keep(manager)
    manager._isOpen = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
