# SPDX-License-Identifier: BSD-3-Clause
"""The engine in Python: `Line`, of which `Pool` is made, and `pin`.

`pool.py` comes in here, through `_engine`.  The books are `_pymembers`'; here are the hooks, the limits, the events
and the promises.  It uses locks of `threading` and nothing else to wait, so that gevent's patches make it
cooperative.  It never calls a hook, an event's receiver or any other foreign code while a lock is held.

What both engines promise
=========================

**Members.**  A manager that was put is a member of the line.  It is *vacant* (in line, not open), *idle* (in line,
open), *held* (lent), or in the hands of a thread that runs a hook of it.  A held one is kept by its holder alone: if
it is collected, it is a member no more.  `_owns` tells members from others.  Whatever a hook raises, the manager
stays a member: it is closed, vacant, and can be taken again.

**`take(*, timeout=None)`**, also `acquire`.  The newest idle member; else the newest vacant one; else a place in one
line in which nobody overtakes (the C engine lets newcomers overtake those who wait for less than its
`max_overtake`).  `timeout` is in seconds, 0 does not wait, None waits for ever; what is negative or no number is
refused.  A wait ends in `PoolTimeout`, or in `PoolClosed` when the pool closes; `PoolBusy` is raised instead of
waiting as one more than `max_waiters`.

* An idle member that has expired (idle longer than `maxIdleTime`, open for `maxOpenTime`, lent `maxUsageCount`
  times, by the monotonic clock) is closed if its `_isOpen` says that it is open, becomes the newest vacant one, and
  the next in line is tried, without waiting again.  If its `close()` raises, that is raised, and nothing is lent.
* Any other idle member: `takeRepair()`, and `open()` if it is not open by then.
* A vacant member: `takeRepair()`, and `open()` if it is not open by then.
* When `open()` has returned, the manager is open: `_isOpen` is set if the hook did not.  Its age, its idle time and
  its uses begin anew.
* If `takeRepair()` or `open()` raises, the manager is closed if it is open, the next waiter is served, and the
  exception is raised: no other manager is tried.  What such a `close()` raises is the last of the contexts of the
  first exception.

**`put(manager)`.**  A held member waits until fewer than `_bound` members are in line.  If its age or its uses have
come to their limit, or any limit is 0 or less, it is closed if it is open, repaired by `putRepair()`, and vacant.
Else it is repaired, and idle if it is open then, from now on; else vacant.  What a hook raises is raised in the end.
A member that is in line already: `PoolError`.  A stranger: `_populate`, which is `pool.py`'s.  After the end of the
pool a held member is closed and forgotten, and a stranger gets `PoolClosed`.

**Limits** are properties: `_maxIdleTime`, `_maxOpenTime`, `_maxUsageCount`.  None is no limit; what is set is
what is got.  NaN is a ValueError, what is no number a TypeError.

**Hooks.**  One that is `ResourceManager`'s own is not called if it would do nothing that the engine does not do
itself: the class is told by `_know`.  A hook may use the pool; `take` in a hook gets what is idle, and raises `PoolError` where it would wait or
open a vacant one.  Exceptions that are no errors (Ctrl-C) leave every verb and every wait with nothing lost.

**For pool.py.**  `_begin` first: any verb before it raises `PoolError`.  `_push` and `_pull` are a queue's put and
get: no hooks, `queue.Full`, `queue.Empty`; what is pulled is a member no more, what is pushed has the stamps that
its own `__dict__` says.  `_inline`, `_bound`, `_putting` and the call of `_roomCame`, which comes whenever the number
in line has fallen or the bound has grown and somebody waits for room.  `_enter` and `_leave` count the `with`
blocks of one lease: 0 is the end of an inner one, 1 of the outermost one, 2 of that if the lease is from before the
fork.  `_stamps` are (token of the opening, token of the use, ns since opened, ns since used, uses) of
an idle or held member, else None; used is the hand-over of a held one, the put of an idle one; a token changes with
what it stands for.  `_override` sets one of them, and the limits go by it.

**Upkeep.**  `_recycleAll` closes the idle members that have expired, one at a time and in any order, all the others
can be taken meanwhile; each is tried, then the first exception is raised, with the others as its contexts.
`_resize(bound, retire)`: with `retire`, members beyond the bound are let go: vacant ones first, then idle ones,
the oldest first, and the rest when they are put.  `_close(timeout)` refuses takers, wakes those who wait, closes
what is idle and waits for the rest: `PoolTimeout`, and it can be called again.

**Fork.**  In the child `_forked` makes vacant all but what the forking thread holds; it returns two lists of managers
whose resources are the parent's: what it made vacant, and what that thread holds.  That stays open and usable until it
is put: then no hook runs, what it manages is pinned, and it is vacant.  If a hook forks, it returns in the child, too:
its verb raises `PoolError` there, behind what the hook raised; no other hook of that manager runs, what it manages is
pinned, and it is vacant.

**Events** are told after the fact on the thread that caused them; what a receiver raises goes to
`sys.unraisablehook`.
"""
import ctypes
import queue
import select
import sys
import threading
import types
from collections import deque
from datetime import datetime

from queuepool import _pymembers
from queuepool._errors import PoolError, PoolTimeout
from queuepool._pylimits import Limit, timeout_of
from queuepool._pymembers import IDLE, TAKEN, UNKNOWN, VACANT, Books, Visit, now_ns

__all__ = ["Line", "pin"]

EXPIRED_IDLE, EXPIRED_AGE, EXPIRED_USES = "max idle", "max age", "max uses"


def pin(thing):
    """Keep a thing for the rest of the process, also from the interpreter's end: nobody gives the reference back."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def wire(socket):
    """0: nothing is to be read; 1: something is; 2: the other side is gone.  Nothing is sent or read."""
    if not hasattr(select, "poll"):  # gevent takes it away
        return int(bool(select.select([socket], [], [], 0)[0]))
    hung_up = getattr(select, "POLLRDHUP", 0)
    look = select.poll()
    look.register(socket, select.POLLIN | select.POLLPRI | hung_up)
    events = sum(seen for _, seen in look.poll(0))
    if events & (hung_up | select.POLLHUP | select.POLLERR | select.POLLNVAL):
        return 2
    return int(events != 0)


def face():
    """The module that comes in here, and so cannot be imported before."""
    from queuepool import pool

    return pool


class _NotBegun:
    """What a Line has for books until `_begin`."""

    def __get__(self, line, owner=None):
        if line is None:
            return self
        raise PoolError(
            f"this {type(line).__name__} has not been set up: call super().__init__() in its __init__(), "
            "before anything else"
        )


class Line:
    """See the top of this file."""

    _books = _NotBegun()
    _maxIdleTime = Limit("_maxIdleTime", 1e9)
    _maxOpenTime = Limit("_maxOpenTime", 1e9)
    _maxUsageCount = Limit("_maxUsageCount", 1)
    __base = object  # the class whose hooks do nothing

    @staticmethod
    def _know(base):
        Line.__base = base

    def _begin(self, name, bound, max_waiters, max_overtake, on_event):
        del max_overtake  # here nobody overtakes
        self.__on_event = on_event
        self.__hooks = threading.local()
        self._books = Books(name, bound, max_waiters)

    # ---- take ----

    def take(self, *, timeout=None):
        """Lend a manager: the open one that came back last, else a closed one, which is opened; else wait for one."""
        books = self._books
        books.outside("take()")
        visit = Visit(timeout_of(timeout))
        try:
            self.__arrive(visit)
            self.__make_ready(visit)
            manager = visit.member.manager
            books.lend(visit)
            return manager
        except BaseException:
            self.__give_up(visit)
            raise
        finally:
            if books.deferred:
                self.__drain()

    def acquire(self, *, timeout=None):
        """The same as take."""
        return self.take(timeout=timeout)

    def __arrive(self, visit):
        books = self._books
        try:
            if not books.arrive(visit, self.__in_hook()):
                if books.deferred:
                    self.__drain()
                visit.wait()
                took = books.waited(visit)
                self.__tell("waited", took=took, site=True)
        except PoolError as trouble:
            if not (visit.began is None or self._books.closed or self.__in_hook()):
                kind = "timed_out" if isinstance(trouble, PoolTimeout) else "refused"
                self.__tell(kind, took=now_ns() - visit.began, message=str(trouble), site=True)
            raise
        self.__room_came()

    def __make_ready(self, visit):
        """What the visit has in hand may be lent then; it may be another than before."""
        first = None  # raised when all that have expired are closed
        while visit.member.opened is not None:
            why = self.__expired(visit.member)
            if why is None:
                break
            trouble = self.__close_one(visit.member, why) if visit.member.manager._isOpen else None
            if first is None:
                first = trouble
            elif trouble is not None:
                face()._chain(first, trouble)
            self._books.trade(visit, self.__in_hook())
        if first is not None:
            raise_it(first)
        member = visit.member
        manager = member.manager
        trouble = self.__repair_and_open(member) or self.__not_ours(member)
        if trouble is not None:
            if manager._isOpen:
                second = self.__close_one(member, "check failed")
                if second is not None:
                    face()._chain(trouble, second)
            manager._isOpen = False
            raise_it(trouble)

    def __repair_and_open(self, member):
        """What went wrong, or None."""
        manager = member.manager
        member.doing = "checking"
        trouble = self.__call(member, "takeRepair")
        if trouble is not None:
            self._books.count("checks_failed")
            return trouble
        if manager._isOpen:
            if member.opened is None:
                self._books.begin_stamps(member)
            return None
        member.doing = "opening"
        began = now_ns()
        trouble = self.__call(member, "open")
        took = now_ns() - began
        if trouble is not None:
            self._books.count("open_failures")
            self.__tell("open_failed", took=took, message=str(trouble))
            return trouble
        if not manager._isOpen:
            manager._isOpen = True
        self._books.begin_stamps(member)
        self._books.count_open(took)
        self.__tell("opened", took=took)
        return None

    def __give_up(self, visit):
        """Whatever the visit has, or waits for, goes back as it is; without hooks, unless the pool has closed."""
        books = self._books
        books.leave(visit)
        if visit.member is not None:
            self.__settle(visit, used=False)

    # ---- put ----

    def put(self, r):
        """Give a manager back; or, if it is none of this pool's yet, make it one."""
        books = self._books
        if books.inside():
            books.deferred.append(r)  # whoever holds the lock puts it as soon as he has let go of it
            return
        visit = Visit()
        try:
            found, leaving = books.reclaim(r, visit)
            while found is _pymembers.FULL:
                self._awaitRoom(None)
                found, leaving = books.reclaim(r, visit)
            if found is UNKNOWN:
                self._populate(r)
            elif found is not TAKEN:
                raise self.__double_put(r, found)
            else:
                self.__put_back(visit, leaving)
        except BaseException:
            self.__give_up(visit)
            raise
        finally:
            if books.deferred:
                self.__drain()

    def __double_put(self, manager, state):
        where = "in line already" if state in (VACANT, IDLE) else "in the hands of another thread, or of a hook"
        return PoolError(
            f"manager {str(manager)!r} was put to pool {self._books.name!r}, but it is {where}: put each manager "
            "once for each time that it was taken"
        )

    def __put_back(self, visit, leaving):
        member = visit.member
        manager = member.manager
        if member.inherited:
            self.__settle(visit, used=True)
            return
        if leaving:
            self.__dismiss(visit, "pool closed" if self._books.closed else "shrunk")
            return
        worn = self.__worn(member)
        trouble = self.__close_one(member, worn) if worn and manager._isOpen else None
        if trouble is None:
            member.doing = "resetting"
            trouble = self.__call(member, "putRepair")
            if trouble is not None:
                self._books.count("resets_failed")
                if manager._isOpen:
                    second = self.__close_one(member, "reset failed")
                    if second is not None:
                        face()._chain(trouble, second)
                manager._isOpen = False
        if trouble is not None:
            raise_it(trouble)
        self.__settle(visit, used=True, idle=not worn)

    def __settle(self, visit, used, idle=True):
        """Back into line: idle if it is open, else vacant.  If the pool has closed meanwhile, closed and gone."""
        manager = visit.member.whose()
        if visit.member.inherited:
            face()._abandon(manager)
        if not self._books.settle(visit, idle and bool(manager._isOpen), used):
            self.__dismiss(visit, "pool closed" if self._books.closed else "shrunk")

    def __dismiss(self, visit, why):
        """Closed if it is open, and forgotten whatever that raises."""
        member = visit.member
        member.manager = member.whose()
        trouble = self.__close_one(member, why) if member.manager._isOpen else None
        self._books.forget(visit)
        self.__room_came()
        if trouble is not None:
            raise_it(trouble)

    # ---- limits ----

    def __expired(self, member):
        """Why an idle member is to be closed, or None."""
        now = now_ns()
        idle = Line._maxIdleTime.of(self)
        if idle is not None and (idle <= 0 or now - member.used > idle):
            return EXPIRED_IDLE
        return self.__spent(member, now)

    def __spent(self, member, now):
        age, uses = Line._maxOpenTime.of(self), Line._maxUsageCount.of(self)
        if age is not None and (age <= 0 or now - member.opened >= age):
            return EXPIRED_AGE
        if uses is not None and (uses <= 0 or member.uses >= uses):
            return EXPIRED_USES
        return None

    def __worn(self, member):
        """Why a member that is put is to be closed, or None."""
        idle = Line._maxIdleTime.of(self)
        if idle is not None and idle <= 0:
            return EXPIRED_IDLE
        return self.__spent(member, now_ns())

    # ---- hooks and events ----

    def __in_hook(self):
        return getattr(self.__hooks, "depth", 0) > 0

    def __call(self, member, hook):
        """Run it, if anybody has overridden it, or it is open().  What it raised, or None."""
        manager = member.manager
        if member.inherited:
            return self.__not_ours(member)
        if hook != "open" and hook not in getattr(manager, "__dict__", ()):
            own, base = getattr(type(manager), hook, None), getattr(Line.__base, hook, None)
            if own is not None and own is base:
                return None
        hooks = self.__hooks
        hooks.depth = getattr(hooks, "depth", 0) + 1
        try:
            getattr(manager, hook)()
        except BaseException as trouble:
            return self.__not_ours(member, trouble)
        finally:
            hooks.depth -= 1
        return self.__not_ours(member) if member.inherited else None

    def __not_ours(self, member, trouble=None):
        """A hook that forked returns in the child, too: there what it worked on is the parent's.  What to raise."""
        if not member.inherited:
            return trouble
        member.inherited = False
        face()._abandon(member.manager)
        error = PoolError(
            f"the process forked inside a hook of {member.manager}: this is the child, and what the hook worked on is "
            "its parent's"
        )
        if trouble is None:
            return error
        face()._chain(trouble, error)
        return trouble

    def __close_one(self, member, why):
        """It is not open then, whatever its close() says: what that raised, or None."""
        manager = member.manager
        member.doing = "closing"
        took = 0 if member.opened is None else now_ns() - member.opened
        try:
            trouble = self.__call(member, "close") if manager._isOpen else None
        finally:
            manager._isOpen = False
        self._books.count_close(why)
        self.__tell("closed", why, took, None if trouble is None else str(trouble))
        return trouble

    def __tell(self, kind, why=None, took=0, message=None, site=False):
        if self.__on_event is None:
            return
        try:
            self.__on_event(face().Event(kind, why, took / 1e9, message, _pymembers.call_site() if site else None))
        except BaseException as trouble:
            unraisable(trouble, f"pool {self._books.name!r}: on_event raised", self.__on_event)

    # ---- what finalisers put ----

    def __drain(self):
        """Put what a finaliser put while this thread held the lock: it could not be done there and then."""
        deferred = self._books.deferred
        while deferred and not self._books.inside():
            manager = deferred.popleft()
            try:
                self.put(manager)
            except BaseException as trouble:
                unraisable(trouble, f"pool {self._books.name!r}: what a finaliser put raised", manager)

    # ---- the queue ----

    @property
    def _bound(self):
        return self._books.bound

    def _inline(self):
        return self._books.in_line()

    def _putting(self, change):
        books = self._books
        with books.lock:
            books.putters = max(0, books.putters + change)  # a fork amid the wait has forgotten it
        self.__drain()

    def __room_came(self):
        if self._books.putters > 0:
            self._roomCame()

    def _push(self, manager, timeout):
        """A new member, without hooks; queue.Full if there is no room in time."""
        self._books.outside("put()")
        visit = Visit(timeout)
        own = getattr(manager, "__dict__", {})
        while True:
            opened, uses = own.get("_lastOpened"), own.get("_usageCount")
            if opened is not None:
                opened = now_ns() - int((datetime.now() - opened).total_seconds() * 1e9)
            found = self._books.admit(manager, bool(manager._isOpen), opened, uses or 0)
            self.__drain()
            if found is TAKEN:
                return
            if found is not _pymembers.FULL:
                raise self.__double_put(manager, found)
            if not self._awaitRoom(None if timeout is None else visit.left()):
                raise queue.Full

    def _pull(self, timeout):
        """The newest in line, a member no more, without hooks; queue.Empty if there is none in time."""
        books = self._books
        books.outside("get()")
        visit = Visit(timeout)
        try:
            if not books.arrive(visit, False):
                self.__drain()
                visit.wait()
                books.waited(visit)
            manager = visit.member.manager
            books.forget(visit)
        except PoolTimeout:
            manager = None
        except BaseException:
            self.__give_up(visit)
            raise
        finally:
            self.__drain()
        if manager is None:
            raise queue.Empty
        self.__room_came()
        return manager

    # ---- one member ----

    def _owns(self, manager):
        return self.__step(lambda books: books.find(manager) is not None)

    def _enter(self, manager):
        self.__step(lambda books: books.enter(manager))

    def _leave(self, manager):
        return self.__step(lambda books: books.exit(manager))

    def _stamps(self, manager):
        return self.__step(lambda books: books.stamps(manager))

    def _override(self, manager, name, plain):
        self.__step(lambda books: books.override(manager, name, plain))

    def __step(self, look):
        """What `look` returns of the books, at one instant."""
        books = self._books
        with books.lock:
            seen = look(books)
        self.__drain()
        return seen

    # ---- all of them ----

    def _recycleAll(self):
        books = self._books
        books.outside("recycle()")
        keys = deque(list(books.idle))
        self.__close_each(lambda visit: books.next_expired(keys, self.__expired, visit), self.__expire)

    def __expire(self, visit, why):
        trouble = self.__close_one(visit.member, why) if visit.member.manager._isOpen else None
        self.__settle(visit, used=False)
        if trouble is not None:
            raise_it(trouble)

    def __close_each(self, find, end):
        """Whatever one of them raises, each has its turn; the first exception is raised, and shows the others."""
        first = None
        visit = Visit()
        while True:
            self.__drain()
            try:
                why = find(visit)
                if not why:
                    break
                self.__room_came()
                end(visit, why)
            except BaseException as trouble:
                if visit.member is not None:
                    self.__settle(visit, used=False)
                if first is None:
                    first = trouble
                else:
                    face()._chain(first, trouble)
        if first is not None:
            raise_it(first)

    def _stats(self):
        report = self._books.report()
        self.__drain()
        return report

    def _resize(self, bound, retire):
        books = self._books
        books.outside("resize()")
        books.rebound(bound, retire)
        self.__room_came()
        try:
            self.__close_each(lambda visit: books.next_leaver(visit, False) and "shrunk", self.__dismiss)
        finally:
            self.__tell("configured")

    def _close(self, timeout):
        books = self._books
        books.outside("close()")
        visit = Visit(timeout_of(timeout))
        if self.__in_hook():
            raise PoolError(f"pool {books.name!r}: close() in a hook of one of its managers would wait for itself")
        books.shut()
        trouble = None
        try:
            self.__close_each(lambda visit: books.next_leaver(visit, True) and "pool closed", self.__dismiss)
        except Exception as error:
            trouble = error
        self.__room_came()
        try:
            left = books.await_empty(visit, self.__drain)
        finally:
            books.leave(visit)
        if trouble is not None:
            raise_it(trouble)
        if left:
            raise PoolTimeout(
                f"pool {books.name!r} is closed, but {left} of its managers are still lent, or in a hook: they are "
                "closed when they are put"
            )

    def _forked(self):
        return self._books.forked()


def unraisable(trouble, text, thing):
    """Told to sys.unraisablehook: there is nobody whom it could be raised to."""
    sys.unraisablehook(
        types.SimpleNamespace(
            exc_type=type(trouble), exc_value=trouble, exc_traceback=trouble.__traceback__, err_msg=text, object=thing
        )
    )


def raise_it(trouble):
    """Raise what was kept; keep no frame alive by it."""
    try:
        raise trouble
    finally:
        del trouble
