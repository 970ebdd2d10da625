# SPDX-License-Identifier: BSD-3-Clause
"""The two engines beside each other: random programs, and whatever can be seen must be the same in both.

Seen are: what each call returns or raises, with its contexts; the calls of the hooks, in order; how many are in line
and in which state; each manager's `_isOpen` and `_usageCount`; which are members.  Steps of the clock are even
numbers of seconds and limits odd ones, so that what the engines' clocks differ by, milliseconds, decides nothing.

QUEUEPOOL_PROGRAMS is how many programs are tried, others each time; by default 150 that are always the same.
"""
import datetime
import gc
import os
import time
import types

import hypothesis.internal.conjecture.engine
import pytest
from engines import both, load
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

PROGRAMS = int(os.environ.get("QUEUEPOOL_PROGRAMS", "0"))
HOOKS = ("open", "close", "takeRepair", "putRepair")
FAILURES = [(hook,) for hook in HOOKS] + [(hook, "close") for hook in HOOKS if hook != "close"]
KINDS = ("full", "bare", "open only", "repairs only", "shy", "tired", "meddler")
STAMPS = [
    *(("_usageCount", number) for number in (0, 2, 1000)),
    *(("_lastOpened", ago) for ago in (0, 20, 400)),
    *(("_lastUsed", ago) for ago in (0, 20, 400)),
]
limits = strategies.sampled_from([None, 0, -1, 5, 11.0, 61, float("inf")])
counts = strategies.sampled_from([None, 0, 1, 2, 3, 1000])


class Trouble(Exception):
    pass


class Stop(BaseException):
    """No error, as Ctrl-C is none."""


def kinds_of(base):
    """Classes of managers on that engine; the world tells each which hooks are to raise."""

    def hook(name, super_too):
        def run(manager):
            manager.world.log.append((manager.name, name))
            trouble = manager.world.failing.pop((manager.name, name), None)
            if trouble is not None:
                raise trouble(f"{manager.name} {name}")
            if super_too:
                getattr(base, name)(manager)

        return run

    def kind(names, super_too=True):
        return type("Manager", (base,), {name: hook(name, super_too) for name in names})

    def shy(manager):
        """Finds at every second look that it must be opened anew."""
        manager.looks = getattr(manager, "looks", 0) + 1
        manager.world.log.append((manager.name, "takeRepair"))
        if manager._isOpen and manager.looks % 2:
            manager.close()

    kinds = {
        "full": kind(HOOKS),
        "bare": kind(HOOKS, super_too=False),
        "open only": kind(("open",)),
        "repairs only": kind(("takeRepair", "putRepair")),
    }

    def tired(manager):
        """Closes itself after each second lease."""
        kinds["full"].putRepair(manager)
        manager.leases = getattr(manager, "leases", 0) + 1
        if manager._isOpen and manager.leases % 2 == 0:
            manager.close()

    def meddle(manager):
        kinds["full"].takeRepair(manager)
        manager.world.meddle(manager)

    kinds["shy"] = type("Shy", (kinds["full"],), {"takeRepair": shy})
    kinds["tired"] = type("Tired", (kinds["full"],), {"putRepair": tired})
    kinds["meddler"] = type("Meddler", (kinds["full"],), {"takeRepair": meddle})
    return kinds


def no_room(timeout):
    """In place of `_awaitRoom`: nobody else is there to make room."""
    if timeout == 0:
        return False
    raise Trouble("it would wait for room")


class World:
    """One engine's pool, its managers by name, and the history."""

    def __init__(self, engine):
        self.module = load(engine)
        self.kinds = kinds_of(self.module.ResourceManager)
        self.log, self.failing, self.managers = [], {}, {}
        self.meddling = False
        self.pool = self.module.Pool("bank", 3)
        self.pool._awaitRoom = no_room
        self.other = self.module.Pool("other", 0)

    def make_by_factory(self):
        self.pool = self.module.Pool("bank", 3, factory=lambda name: self.fresh(name, "full", False))
        self.pool._awaitRoom = no_room

    def meddle(self, manager):
        """A hook uses the pool: it puts its own manager, takes another one, which may have such a hook, too."""
        if self.meddling:
            return
        self.meddling = True
        try:
            self.log.append(self.outcome(lambda world: world.pool.put(manager)))
            what, name = took = self.outcome(lambda world: world.pool.take(timeout=0))
            # Where it would open another one, an engine may say so, or that it has none to lend at once.
            self.log.append(str(took).replace("PoolTimeout", "PoolError"))
            if what == "returned":
                self.log.append(self.outcome(lambda world: world.pool.put(world.managers[name])))
        finally:
            self.meddling = False

    def fresh(self, name, kind, is_open):
        manager = self.kinds[kind](name)
        manager.world = self
        self.managers[name] = manager
        if is_open:
            manager.open()
        return manager

    def sort_vacant(self):
        """As if they had been closed in the order of their names.  Nothing that is idle has expired."""
        queue, stats, bound = self.pool._queue, self.pool.stats(), self.pool._bound
        if stats["in_line"] > bound:  # since a resize without a factory
            self.pool._resize(0, False)
        idle = [queue.get_nowait() for _ in range(stats["idle"])]
        vacant = [queue.get_nowait() for _ in range(stats["vacant"])]
        for manager in sorted(vacant, key=str) + idle[::-1]:
            queue.put_nowait(manager)
        if stats["in_line"] > bound:
            self.pool._resize(bound, False)

    def block(self, name, error, inner=False):
        with self.managers[name]:
            if inner:
                with self.managers[name]:
                    if error is not None:
                        raise error("in the inner block")
            elif error is not None:
                raise error("in the block")

    def outcome(self, call):
        """What a call returns, a manager by its name, or the names of what it raises; no frame is kept."""
        try:
            result = call(self)
        except BaseException as error:
            return described(error)
        return ("returned", str(result) if isinstance(result, self.module.ResourceManager) else result)

    def seen(self):
        stats = self.pool.stats()
        return dict(
            log=list(self.log),
            counts={name: stats[name] for name in ("members", "vacant", "in_line", "idle", "leased", "waiting")},
            queue=(self.pool._queue.qsize(), self.pool._queue.full(), self.pool._queue.empty()),
            managers={
                name: (each._isOpen, each._usageCount, each._lastUsed is None, self.pool._owns(each))
                for name, each in self.managers.items()
            },
            whose={name: each._pool and str(each._pool) for name, each in self.managers.items()},
        )


def described(error):
    chain = []
    while error is not None:
        chain.append((type(error).__name__, str(error) if isinstance(error, (Trouble, Stop)) else ""))
        error = error.__context__
    return ("raised", chain)


class Engines(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.worlds = [World(engine) for engine in both()]
        self.number = 0
        self.lent = []
        self.closed = self.factory = False
        self.step = lambda seconds: None

    @initialize(factory=strategies.sampled_from([False, False, True]))
    def begin(self, factory):
        self.factory = factory
        if factory:
            for world in self.worlds:
                world.make_by_factory()

    # ---- what can be done ----

    def same(self, call):
        first, second = (world.outcome(call) for world in self.worlds)
        assert first == second
        return first

    def names(self):
        return sorted(self.worlds[0].managers)

    def free(self):
        """Managers that may become the pool's.  What one with a factory, beyond its bound, does with more of them
        is an engine's own affair: so none is put there."""
        if self.factory:
            return []
        pool, managers = self.worlds[0].pool, self.worlds[0].managers
        return [name for name in self.names() if not pool._owns(managers[name])]

    @precondition(lambda self: not self.factory)
    @rule(kind=strategies.sampled_from(KINDS), is_open=strategies.booleans())
    def put_a_fresh_one(self, kind, is_open):
        self.number += 1
        name = f"m{self.number}"
        self.same(lambda world: world.pool.put(world.fresh(name, kind, is_open)))

    @rule(names=strategies.booleans())
    def take(self, names):
        self.step(2)  # so that a limit of 0 has passed on a coarse clock, too
        verb = (lambda world: world.pool.acquire(timeout=0)) if names else (lambda world: world.pool.take(timeout=0))
        what, name = self.same(verb)
        if what == "returned":
            self.lent.append(name)

    @precondition(lambda self: self.lent)
    @rule(data=strategies.data())
    def put(self, data):
        name = data.draw(strategies.sampled_from(self.lent))
        self.same(lambda world: world.pool.put(world.managers[name]))
        self.lent.remove(name)

    @precondition(lambda self: self.lent)
    @rule(
        data=strategies.data(),
        error=strategies.sampled_from([None, None, KeyError, Trouble, SystemExit, GeneratorExit, KeyboardInterrupt]),
        inner=strategies.booleans(),
    )
    def end_a_block(self, data, error, inner):
        name = data.draw(strategies.sampled_from(self.lent))
        self.same(lambda world: world.block(name, error, inner))
        self.lent.remove(name)

    @precondition(lambda self: self.lent)
    @rule(data=strategies.data())
    def inner_block(self, data):
        name = data.draw(strategies.sampled_from(self.lent))

        def nested(world):
            manager = world.managers[name]
            manager.__enter__()
            with manager:
                pass
            still = world.pool._owns(manager), world.pool._queue.qsize()
            world.pool._leave(manager)
            return still

        self.same(nested)

    @rule(data=strategies.data())
    def put_what_is_not_lent(self, data):
        """In line already, or free again; or there was no room for it."""
        owns, free = self.worlds[0].pool._owns, self.free()
        names = [name for name in self.names() if name not in self.lent]
        names = [name for name in names if name in free or owns(self.worlds[0].managers[name])]
        if names:
            name = data.draw(strategies.sampled_from(names))
            self.same(lambda world: world.pool.put(world.managers[name]))

    @rule(data=strategies.data())
    def put_to_another_pool(self, data):
        """One that is of no pool is the other's then."""
        if self.names():
            name = data.draw(strategies.sampled_from(self.names()))
            self.same(lambda world: world.other.put(world.managers[name]))

    @rule(thing=strategies.sampled_from([None, "text", 5]))
    def put_what_is_no_manager(self, thing):
        self.same(lambda world: world.pool.put(thing))

    @rule()
    def recycle(self):
        self.step(2)
        self.recycle_alike()

    def recycle_alike(self):
        """In which order it closes is an engine's own affair: afterwards the vacant ones are put into one order."""
        before, idle = len(self.worlds[0].log), self.worlds[0].pool.stats()["idle"]
        outcomes = [world.outcome(lambda world: world.pool.recycle()) for world in self.worlds]
        assert sorted(map(str, outcomes[0][1] or ())) == sorted(map(str, outcomes[1][1] or ()))
        for world in self.worlds:
            world.log[before:] = sorted(world.log[before:])
            if idle - world.pool.stats()["idle"] > 1:
                world.sort_vacant()

    @rule(data=strategies.data(), opens=strategies.booleans())
    def its_user_closes_or_opens_it(self, data, opens):
        if self.names():
            name = data.draw(strategies.sampled_from(self.names()))
            hook = "open" if opens and name in self.lent else "close"
            self.same(lambda world: getattr(world.managers[name], hook)())

    @rule(
        data=strategies.data(),
        hooks=strategies.sampled_from(FAILURES),
        trouble=strategies.sampled_from([Trouble, Trouble, Stop]),
    )
    def hooks_are_to_raise(self, data, hooks, trouble):
        if self.names():
            name = data.draw(strategies.sampled_from(self.names()))
            for world in self.worlds:
                world.failing.update(((name, hook), trouble) for hook in hooks)

    @rule(name=strategies.sampled_from(["_maxIdleTime", "_maxOpenTime"]), limit=limits)
    def limit_of_time(self, name, limit):
        self.same(lambda world: setattr(world.pool, name, limit))

    @rule(limit=counts)
    def limit_of_uses(self, limit):
        self.same(lambda world: setattr(world.pool, "_maxUsageCount", limit))

    @rule(limit=strategies.sampled_from([float("nan"), "5", True, []]))
    def limit_that_is_none(self, limit):
        self.same(lambda world: setattr(world.pool, "_maxOpenTime", limit))

    @rule(on=strategies.booleans())
    def close_on_exception(self, on):
        for world in self.worlds:
            world.pool.closeOnException = on

    @rule(seconds=strategies.sampled_from([2, 4, 6, 20, 100, 400]))
    def time_passes(self, seconds):
        self.step(seconds)

    @rule(
        data=strategies.data(),
        what=strategies.sampled_from(STAMPS),
    )
    def its_user_sets_a_stamp(self, data, what):
        if self.names():
            name = data.draw(strategies.sampled_from(self.names()))
            stamp, number = what
            ago = datetime.datetime.now() - datetime.timedelta(seconds=number)
            value = number if stamp == "_usageCount" else ago
            self.same(lambda world: setattr(world.managers[name], stamp, value))

    @rule()
    def get_from_the_queue(self):
        # Whether get() closes what has expired is an engine's own affair.
        self.recycle_alike()
        self.same(lambda world: world.pool._queue.get_nowait())

    @precondition(lambda self: self.free())
    @rule(data=strategies.data())
    def put_to_the_queue(self, data):
        name = data.draw(strategies.sampled_from(self.free()))
        self.same(lambda world: world.pool._queue.put_nowait(world.managers[name]))

    @precondition(lambda self: self.lent)
    @rule(data=strategies.data())
    def its_holder_forgets_it(self, data):
        name = data.draw(strategies.sampled_from(self.lent))
        self.lent.remove(name)
        for world in self.worlds:
            del world.managers[name]
        gc.collect(1)

    @rule(capacity=strategies.sampled_from([0, 1, 2, 3, 5]))
    def resize(self, capacity):
        self.same(lambda world: world.pool.resize(capacity))

    @precondition(lambda self: self.number > 4 and not self.closed)
    @rule(sure=strategies.integers(0, 7))
    def close(self, sure):
        if sure == 7:
            self.closed = True
            before = len(self.worlds[0].log)
            self.same(lambda world: world.pool.close(timeout=0))
            for world in self.worlds:  # in which order is an engine's own affair
                world.log[before:] = sorted(world.log[before:])

    # ---- what must be so ----

    @invariant()
    def seen_alike(self):
        first, second = (world.seen() for world in self.worlds)
        assert first == second
        stats = first["counts"]
        assert stats["in_line"] == stats["vacant"] + stats["idle"] == first["queue"][0]
        assert stats["members"] == stats["in_line"] + stats["leased"]


def test_engines(clock, monkeypatch):
    # It would think that the stepped time has been spent by itself, and stop making a failure short.
    unstepped = types.SimpleNamespace(perf_counter=time.process_time)
    monkeypatch.setattr(hypothesis.internal.conjecture.engine, "time", unstepped)

    class Stepped(Engines):
        def __init__(self):
            super().__init__()
            self.step = clock

    Stepped.TestCase.settings = settings(
        max_examples=PROGRAMS or 150,
        derandomize=PROGRAMS == 0,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    Stepped.TestCase("runTest").runTest()


def test_each_engine_is_itself():
    c, py = (load(each) for each in both())
    assert py.Line.__module__ == "queuepool._pyline"
    if both()[0] == "c":
        assert c.Line.__module__.startswith("queuepool._core")
    assert load("py") is py


def test_an_engine_that_is_none(monkeypatch):
    with pytest.raises(ImportError, match="QUEUEPOOL_ENGINE.*'rust'"):
        load("rust")
