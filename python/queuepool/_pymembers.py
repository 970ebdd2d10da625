# SPDX-License-Identifier: BSD-3-Clause
"""The books of a `Line` in Python: its members, who waits for one, what is counted.

`_pyline` comes in here, nobody else.  Each method is one step under the one lock of the books, and so are the
things that it returns true at one instant.  No hook, no event and no other foreign code ever runs in here.

What a visit has been given is noted in the visit in the same step, so that a Ctrl-C at any later moment finds it
there and can give it back: a member is never in nobody's hands.
"""
import sys
import threading
import time
import weakref
from collections import deque

from queuepool._errors import PoolBusy, PoolClosed, PoolError, PoolTimeout
from queuepool._pylimits import at_a_stretch

VACANT, IDLE, HELD, IN_HAND = "vacant", "idle", "held", "in hand"
FULL, UNKNOWN, TAKEN = "full", "unknown", "taken"
now_ns = time.monotonic_ns


class _Ref(weakref.ref):
    """A weak reference that knows under which key the books have its manager."""

    __slots__ = ("key",)


class Member:
    """A manager, as the books know it.  Ages and uses are those of what it has open now."""

    __slots__ = (
        "manager", "ref", "key", "state", "opened", "used", "uses", "opened_token", "used_token",
        "depth", "thread", "inherited", "leaving", "doing",
    )  # fmt: skip

    def __init__(self, manager, lost):
        self.manager = manager  # None while it is lent: then only its holder keeps it
        self.key = id(manager)
        try:
            self.ref = _Ref(manager, lost)
            self.ref.key = self.key
        except TypeError:
            self.ref = None  # of a class with slots and no __weakref__: kept while it is lent, too
        self.state = IN_HAND
        self.opened = None  # None: the stamps begin when it is open
        self.used = self.uses = self.opened_token = self.used_token = self.depth = 0
        self.thread = None  # whose hand it is in, or its holder's
        self.inherited = False  # lent, or in hand, since before the fork that made this process
        self.leaving = False  # to be let go by whoever has it in hand
        self.doing = "checking"  # while it is in hand: what its hook is for

    def whose(self):
        return self.manager if self.manager is not None or self.ref is None else self.ref()


class Visit:
    """One call of a verb: what it has in hand, and how it is woken if it waits."""

    __slots__ = ("member", "bell", "refused", "deadline", "began", "thread")

    def __init__(self, timeout=None):
        self.member = None
        self.bell = None
        self.refused = False
        self.thread = threading.get_ident()
        self.began = now_ns()
        self.deadline = None if timeout is None else self.began + timeout * 1e9

    def left(self):
        """Seconds, -1 for ever; what a lock's acquire wants."""
        if self.deadline is None:
            return -1
        return min(max(0.0, (self.deadline - now_ns()) / 1e9), threading.TIMEOUT_MAX)

    def wait(self):
        """Until it is woken; False: not in time."""
        while not self.bell.acquire(timeout=at_a_stretch(self.left())):
            if self.left() == 0:
                return False
        return True


def silent_bell():
    bell = threading.Lock()
    bell.acquire()
    return bell


def ring(bell):
    """Twice is as good as once."""
    if bell.locked():
        bell.release()


def reads_open(manager):
    """Whatever its class has made of the attribute; who cannot say may be."""
    try:
        return bool(manager._isOpen)
    except Exception:
        return True


class Books:
    """See the top of this file."""

    def __init__(self, name, bound, max_waiters):
        self.name = name
        self.bound = bound
        self.max_waiters = max_waiters
        self.lock = threading.RLock()  # see inside()
        self.deferred = deque()
        self.table = {}  # key -> member
        self.vacant = {}  # key -> member, newest last; so is idle
        self.idle = {}
        self.waiters = {}  # visit -> None, in the order of arrival
        self.closers = {}
        self.lost_keys = deque()
        self.closed = False
        self.leased = 0
        self.surplus = 0  # members to be let go since a resize
        self.putters = 0
        self.token = 0
        self.counts = dict.fromkeys(
            "acquires acquires_waited timeouts refusals cancels opens open_failures checks_failed resets_failed "
            "misuses wait_ns wait_ns_max open_ns open_ns_max leased_peak waiting_peak".split(), 0
        )  # fmt: skip
        self.closes = {}

    # ---- finalisers ----

    def inside(self):
        """Whether this thread holds the lock: then what calls is a finaliser, or a signal's handler, amid a step.

        It may look (that is why the lock can be taken twice), but must not change who has what.
        """
        return self.lock._is_owned()

    def outside(self, verb):
        if self.inside():
            raise PoolError(f"pool {self.name!r}: a finaliser, or a signal's handler, called {verb} amid another call")

    # ---- members ----

    def find(self, manager):
        """The member of a manager, or None.  With the lock held."""
        member = self.table.get(id(manager))
        return member if member is not None and member.whose() is manager else None

    def lost(self, ref):
        """A lent manager was collected."""
        self.lost_keys.append(ref.key)
        if not self.inside() and self.lock.acquire(False):
            try:
                self.sweep()
            finally:
                self.lock.release()

    def sweep(self):
        """Strike those out that were collected.  With the lock held."""
        while self.lost_keys:
            member = self.table.get(self.lost_keys.popleft())
            if member is not None and member.whose() is None:
                self.strike(member)

    def turn(self, member, state):
        self.leased += (state is HELD) - (member.state is HELD)
        member.state = state

    def strike(self, member):
        self.turn(member, IN_HAND)
        self.vacant.pop(member.key, None)
        self.idle.pop(member.key, None)
        if self.table.pop(member.key, None) is not None and self.surplus > 0 and not member.leaving:
            self.surplus -= 1
        if not self.table:
            self.wake(self.closers)

    @staticmethod
    def wake(visits):
        while visits:
            visit = next(iter(visits))
            ring(visit.bell)
            visits.pop(visit, None)

    def next_token(self):
        self.token += 1
        return self.token

    def begin_stamps(self, member, uses=0, opened=None):
        member.used = now_ns()
        member.opened = member.used if opened is None else opened
        member.uses = uses
        member.opened_token = self.next_token()
        member.used_token = self.next_token()

    def stamps(self, manager):
        """Those of one that is idle or held.  With the lock held; so are the next two."""
        member, now = self.find(manager), now_ns()
        if member is None or member.state not in (IDLE, HELD):
            return None
        return member.opened_token, member.used_token, now - member.opened, now - member.used, member.uses

    def override(self, manager, name, plain):
        member = self.find(manager)
        if member is None or member.state is VACANT:
            return
        if name == "_lastOpened":
            member.opened, member.opened_token = now_ns() - plain, self.next_token()
        elif name == "_lastUsed":
            member.used, member.used_token = now_ns() - plain, self.next_token()
        else:
            member.uses, member.used_token = plain, self.next_token()

    def enter(self, manager):
        member = self.find(manager)
        if member is not None and member.state is HELD:
            member.depth += 1

    def exit(self, manager):
        """Which `with` block ends: 0 an inner one, 1 the outermost of its lease, 2 that of a lease from before a fork."""
        member = self.find(manager)
        if member is None or member.state is not HELD:
            return 1
        member.depth = max(member.depth - 1, 0)
        return 0 if member.depth else 1 + member.inherited

    def in_line(self):
        return len(self.idle) + len(self.vacant)

    def has_room(self):
        return not 0 < self.bound <= self.in_line()

    # ---- taking ----

    def claim(self, visit, idle_only=False):
        """The newest idle member, else the newest vacant one, is the visit's; False: none.  With the lock held."""
        shelf = self.idle or (None if idle_only else self.vacant)
        if not shelf:
            return False
        key = next(reversed(shelf))
        self.take_up(shelf[key], visit)
        return True

    def take_up(self, member, visit):
        visit.member = member
        member.thread = visit.thread
        self.turn(member, IN_HAND)
        self.idle.pop(member.key, None)
        self.vacant.pop(member.key, None)

    def serve(self):
        """Give what is in line to those who have waited longest.  With the lock held."""
        while self.waiters and (self.idle or self.vacant):
            visit = next(iter(self.waiters))
            if visit.member is None:  # else a Ctrl-C came between this and what follows, last time
                self.claim(visit)
            ring(visit.bell)
            self.waiters.pop(visit, None)

    def arrive(self, visit, in_hook):
        """The visit has a member (True), or stands in line (False)."""
        with self.lock:
            self.sweep()
            if self.closed:
                raise self.closed_error()
            if self.claim(visit, in_hook):
                return True
            at_once = visit.deadline is not None and visit.deadline <= visit.began
            if in_hook and (self.vacant or not at_once):
                raise self.hook_error("would wait, or open another")
            if at_once:
                visit.began = None  # it has not waited: nothing to count, nothing to tell
                raise self.late_error(visit)
            if self.max_waiters is not None and len(self.waiters) >= self.max_waiters:
                self.counts["refusals"] += 1
                raise PoolBusy(
                    f"pool {self.name!r}: {len(self.waiters)} wait for a manager already, and max_waiters is "
                    f"{self.max_waiters}; try later, or raise max_waiters"
                )
            visit.bell = silent_bell()
            self.waiters[visit] = None
            self.counts["waiting_peak"] = max(self.counts["waiting_peak"], len(self.waiters))
            return False

    def waited(self, visit):
        """Its wait has ended: a member may have come at the last moment."""
        with self.lock:
            self.waiters.pop(visit, None)
            if visit.member is None:
                if visit.refused:
                    raise self.closed_error()
                self.counts["timeouts"] += 1
                raise self.late_error(visit)
            took = now_ns() - visit.began
            self.counts["acquires_waited"] += 1
            self.counts["wait_ns"] += took
            self.counts["wait_ns_max"] = max(self.counts["wait_ns_max"], took)
            return took

    def late_error(self, visit):
        allowed = 0 if visit.began is None else (visit.deadline - visit.began) / 1e9
        return PoolTimeout(
            f"pool {self.name!r}: no manager came free in {allowed:.3f} s: of its {len(self.table)} managers "
            f"{self.leased} are lent, and {len(self.waiters)} others wait; put them sooner, or put more of them"
        )

    def closed_error(self):
        return PoolClosed(f"pool {self.name!r} is closed: nothing is lent or taken in any more")

    def hook_error(self, what):
        return PoolError(f"pool {self.name!r}: take() in a hook of one of its managers {what}; use another pool there")

    def trade(self, visit, in_hook):
        """The visit's member has been closed and is vacant; the visit has the next in line, or None if none is."""
        with self.lock:
            self.lay_down(visit, idle=False)
            if self.closed:
                raise self.closed_error()
            self.claim(visit, in_hook)
            self.serve()
            if visit.member is None:
                raise self.hook_error("found only what had expired, and would open another")

    def lend(self, visit):
        """The member is its holder's now.  The visit still knows it, in case that it ends otherwise."""
        with self.lock:
            member = visit.member
            member.uses += 1
            member.used = now_ns()
            member.used_token = self.next_token()
            member.depth = 0
            self.turn(member, HELD)
            self.counts["acquires"] += 1
            self.counts["leased_peak"] = max(self.counts["leased_peak"], self.leased)
            if member.ref is not None:
                member.manager = None

    # ---- giving back ----

    def reclaim(self, manager, visit):
        """What is put is in the visit's hand (TAKEN), or FULL, or UNKNOWN; True beside it: it is to be let go."""
        with self.lock:
            member = self.find(manager)
            if member is None:
                if self.closed:
                    raise self.closed_error()
                return UNKNOWN, False
            if member.state is not HELD:
                self.counts["misuses"] += 1
                return member.state, False
            leaving = self.closed or self.surplus > 0
            if not (leaving or member.inherited or self.has_room()):
                return FULL, False
            member.manager = manager
            self.take_up(member, visit)
            if leaving:
                self.let_go(member)
            return TAKEN, leaving

    def let_go(self, member):
        """Counted now, not when its close() has returned: two at once must not both be let go for one surplus."""
        member.leaving = True
        member.doing = "closing"
        self.surplus -= self.surplus > 0

    def lay_down(self, visit, idle):
        """The visit's member is in line again.  With the lock held."""
        member = visit.member
        if member.state is HELD:
            member.manager = member.whose()
        shelf = self.idle if idle else self.vacant
        if not idle:
            member.opened = None
        elif member.opened is None:
            self.begin_stamps(member)
        self.turn(member, IDLE if idle else VACANT)
        member.inherited = False
        shelf[member.key] = member
        visit.member = None

    def settle(self, visit, idle, used):
        """As lay_down, and the next is served.  False: the pool has closed meanwhile, and the member must go."""
        with self.lock:
            member = visit.member
            if self.closed or member.leaving:
                return False
            if used:
                member.used = now_ns()
                member.used_token = self.next_token()
            self.lay_down(visit, idle)
            self.serve()
            return True

    def forget(self, visit):
        with self.lock:
            self.strike(visit.member)
            visit.member = None

    def leave(self, visit):
        """Out of the line of those who wait, whatever has come."""
        with self.lock:
            if visit in self.waiters:
                del self.waiters[visit]
                self.counts["cancels"] += 1
            self.closers.pop(visit, None)
            self.serve()

    # ---- in and out of the table ----

    def admit(self, manager, is_open, opened, uses):
        """A new member in line; False: there is no room."""
        with self.lock:
            if self.closed:
                raise self.closed_error()
            self.sweep()
            member = self.find(manager)
            if member is not None:
                return member.state
            if not self.has_room():
                return FULL
            visit = Visit()
            visit.member = member = Member(manager, self.lost)
            if is_open:
                self.begin_stamps(member, uses, opened)
            self.table[member.key] = member
            self.lay_down(visit, is_open)
            self.serve()
            return TAKEN

    def next_expired(self, keys, expired, visit):
        """Of those keys, the first that is still idle and has expired; None: there is none left."""
        with self.lock:
            while keys:
                member = self.idle.get(keys.popleft())
                why = expired(member) if member is not None else None
                if why:
                    self.take_up(member, visit)
                    return why
            return None

    def next_leaver(self, visit, all_of_them):
        """The oldest vacant, else the oldest idle member, to be let go; False: enough."""
        with self.lock:
            self.sweep()
            shelf = self.vacant or self.idle
            if not shelf or not (all_of_them or self.surplus > 0):
                return False
            self.take_up(shelf[next(iter(shelf))], visit)
            self.let_go(visit.member)
            return True

    def rebound(self, bound, retire):
        with self.lock:
            self.sweep()
            self.bound = bound
            self.surplus = max(0, len(self.table) - bound) if retire else 0

    # ---- the end ----

    def shut(self):
        with self.lock:
            self.closed = True
            for visit in list(self.waiters):
                visit.refused = True
            self.wake(self.waiters)

    def await_empty(self, visit, drain):
        """Until all members are gone; how many are not."""
        while True:
            drain()
            with self.lock:
                self.sweep()
                if not self.table or visit.left() == 0:
                    return len(self.table)
                visit.bell = silent_bell()
                self.closers[visit] = None
            # One that is collected while the lock is held wakes nobody: so it looks for itself now and then.
            visit.bell.acquire(timeout=at_a_stretch(1.0 if visit.deadline is None else min(1.0, visit.left())))

    def forked(self):
        """In a child only this thread is left.  All but its own become vacant: those, and its own, are returned."""
        self.lock = threading.RLock()
        me = threading.get_ident()
        # Its own visits, if a signal's handler forked while it waited, go on.
        self.waiters = {visit: None for visit in self.waiters if visit.thread == me}
        self.closers = {visit: None for visit in self.closers if visit.thread == me}
        self.putters = 0
        self.sweep()
        strangers, own = [], []
        for member in sorted(list(self.table.values()), key=lambda each: (each.key not in self.vacant, each.used)):
            manager = member.whose()
            if member.state in (HELD, IN_HAND) and member.thread == me:
                member.inherited = True
                own.append(manager)
                continue
            if member.state is not VACANT or reads_open(manager):
                strangers.append(manager)
            self.turn(member, VACANT)
            member.manager, member.opened = manager, None
            self.idle.pop(member.key, None)
            self.vacant[member.key] = member
        self.serve()
        return [each for each in strangers if each is not None], own

    # ---- looking ----

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def count_open(self, took):
        with self.lock:
            self.counts["opens"] += 1
            self.counts["open_ns"] += took
            self.counts["open_ns_max"] = max(self.counts["open_ns_max"], took)

    def count_close(self, why):
        with self.lock:
            self.closes[why] = self.closes.get(why, 0) + 1

    def report(self):
        if not self.inside():
            with self.lock:
                self.sweep()
        with self.lock:
            states = [each.doing if each.state is IN_HAND else each.state for each in self.table.values()]
            return dict(
                name=self.name, max_size=len(states), members=len(states), vacant=len(self.vacant),
                in_line=self.in_line(), idle=len(self.idle), leased=self.leased,
                **{doing: states.count(doing) for doing in ("opening", "checking", "resetting", "closing")},
                waiting=len(self.waiters), **self.counts, closes=dict(self.closes),
            )  # fmt: skip


def call_site():
    """file:line of whoever called into this package."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "queuepool":
        frame = frame.f_back
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
