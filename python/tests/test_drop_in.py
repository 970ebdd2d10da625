# SPDX-License-Identifier: BSD-3-Clause
"""What programs written for queuepool 1.3.2 use, is there and does the same: names, texts, hooks, exceptions.

Runs on the engine that QUEUEPOOL_ENGINE names.
"""
import datetime
import gc
import inspect
import subprocess
import sys
import threading
import weakref

import pytest
from helpers import Manager, Run, Trouble, filled, hooks, until

import queuepool
from queuepool.pool import Pool, ResourceManager, logg


def test_signatures():
    parameters = inspect.signature(Pool.__init__).parameters
    positional = [(p.name, p.default) for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    none = inspect.Parameter.empty
    assert positional == [
        ("self", none),
        ("name", none),
        ("capacity", none),
        ("maxIdleTime", 300.0),
        ("maxOpenTime", 300.0),
        ("maxUsageCount", 1000),
        ("closeOnException", True),
    ]
    assert list(inspect.signature(ResourceManager).parameters) == ["name"]
    assert inspect.signature(Pool.startRecycler).parameters["interval"].default == 60
    assert list(inspect.signature(Pool.recycle).parameters) == ["self"]
    assert list(inspect.signature(ResourceManager.__exit__).parameters) == [
        "self",
        "exc_type",
        "exc_value",
        "traceback",
    ]


def test_names_of_the_modules():
    assert queuepool.name == "queuepool"
    assert queuepool.Pool is queuepool.pool.Pool is Pool
    assert queuepool.ResourceManager is ResourceManager
    for name in ("sys", "queue", "datetime", "threading", "time", "logg", "Pool", "ResourceManager"):
        assert hasattr(queuepool.pool, name)
    assert queuepool.pool.datetime is datetime.datetime


def test_importing_loads_no_driver():
    code = "import sys, queuepool; sys.exit(any(m in sys.modules for m in ('psycopg2', 'psycopg', 'smtplib')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_attributes_of_a_pool():
    pool = Pool("bank", 3)
    assert (pool.name, pool.capacity, pool.closeOnException) == ("bank", 3, True)
    assert (pool._maxIdleTime, pool._maxOpenTime, pool._maxUsageCount) == (300.0, 300.0, 1000)
    assert pool._recyclerThread is None
    assert not hasattr(pool, "_recyclerInterval")
    pool._maxIdleTime, pool._maxOpenTime, pool._maxUsageCount = 5, None, 7
    assert (pool._maxIdleTime, pool._maxOpenTime, pool._maxUsageCount) == (5, None, 7)
    pool.anything = "mine"
    assert pool.anything == "mine"
    assert weakref.ref(pool)() is pool


def test_positional_arguments():
    pool = Pool("bank", 3, 1.5, 2.5, 9, False)
    assert (pool._maxIdleTime, pool._maxOpenTime, pool._maxUsageCount) == (1.5, 2.5, 9)
    assert pool.closeOnException is False


def test_texts():
    pool = Pool("bank", 3)
    assert str(pool) == "bank"
    assert repr(pool) == (
        "{'name': 'bank', 'capacity': 3, '_maxIdleTime': 300.0, '_maxOpenTime': 300.0, "
        "'_maxUsageCount': 1000, 'closeOnException': True}"
    )
    manager = ResourceManager("m")
    assert str(manager) == "m"
    assert repr(manager) == (
        "{'name': 'm', '_isOpen': False, '_lastOpened': None, '_lastUsed': None, '_usageCount': None}"
    )


def test_a_new_manager():
    manager = ResourceManager("m")
    assert (manager.name, manager.resource, manager._pool, manager._isOpen) == ("m", None, None, False)
    assert (manager._lastOpened, manager._lastUsed, manager._usageCount) == (None, None, None)


def test_a_manager_of_its_own_opens_and_closes():
    manager = ResourceManager("m")
    manager.open()
    assert manager._isOpen and manager._usageCount == 0
    assert isinstance(manager._lastOpened, datetime.datetime) and manager._lastOpened.tzinfo is None
    assert manager._lastUsed == manager._lastOpened
    manager.close()
    assert not manager._isOpen


def test_the_first_put_repairs_and_opens_nothing():
    pool = Pool("bank", 2)
    manager = Manager("m")
    pool.put(manager)
    assert manager.log == [("m", "putRepair")]
    assert manager._pool is pool and not manager._isOpen
    assert pool._queue.qsize() == 1


def test_an_open_manager_can_be_put():
    pool = Pool("bank", 2)
    manager = Manager("m")
    manager.open()
    pool.put(manager)
    assert pool.take() is manager
    assert manager.log == [("m", "open"), ("m", "putRepair"), ("m", "takeRepair")]
    assert manager._usageCount == 1


def test_hooks_and_their_order():
    pool = filled(1)
    manager = pool.take()
    assert hooks(pool) == [("m0", "takeRepair"), ("m0", "open")]
    pool.put(manager)
    assert hooks(pool) == [("m0", "putRepair")]
    pool.take()
    assert hooks(pool) == [("m0", "takeRepair")]


def test_a_worn_manager_is_closed_before_its_repair():
    pool = filled(1, maxUsageCount=2)
    pool.put(pool.take())
    hooks(pool)
    pool.put(pool.take())
    assert hooks(pool) == [("m0", "takeRepair"), ("m0", "close"), ("m0", "putRepair")]
    pool.take()
    assert hooks(pool) == [("m0", "takeRepair"), ("m0", "open")]


def test_an_expired_manager_is_closed_before_it_is_lent(clock):
    pool = filled(1, maxIdleTime=10)
    pool.put(pool.take())
    hooks(pool)
    clock(11)
    pool.take()
    assert hooks(pool) == [("m0", "close"), ("m0", "takeRepair"), ("m0", "open")]


def test_age_closes_at_put(clock):
    pool = filled(1, maxOpenTime=10)
    manager = pool.take()
    clock(11)
    hooks(pool)
    pool.put(manager)
    assert hooks(pool) == [("m0", "close"), ("m0", "putRepair")]


def test_the_last_put_is_the_first_taken():
    pool = filled(3)
    a, b, c = pool.take(), pool.take(), pool.take()
    assert [str(each) for each in (a, b, c)] == ["m2", "m1", "m0"]
    for each in (a, c, b):
        pool.put(each)
    assert [pool.take() for _ in range(3)] == [b, c, a]


def test_with_lends_and_gives_back():
    pool = filled(1)
    with pool.take() as manager:
        assert manager.resource is not None
        assert pool._queue.empty()
    assert pool._queue.qsize() == 1 and manager._isOpen


def test_an_exception_in_the_block_closes_and_passes():
    pool = filled(1)
    with pytest.raises(Trouble, match="mine"), pool.take() as manager:
        hooks(pool)
        raise Trouble("mine")
    assert hooks(pool) == [("m0", "close"), ("m0", "putRepair")]
    assert not manager._isOpen and pool._queue.qsize() == 1


def test_close_on_exception_can_be_off():
    pool = filled(1, closeOnException=False)
    with pytest.raises(Trouble), pool.take() as manager:
        raise Trouble("mine")
    assert manager._isOpen and pool._queue.qsize() == 1
    pool.closeOnException = True
    with pytest.raises(Trouble), pool.take() as manager:
        raise Trouble("mine")
    assert not manager._isOpen


@pytest.mark.parametrize("hook", ["open", "takeRepair"])
def test_what_a_hook_raises_reaches_the_taker(hook):
    pool = filled(1)
    manager = pool._queue.get()
    pool._queue.put(manager)
    manager.fail.add(hook)
    with pytest.raises(Trouble, match=hook):
        pool.take()


def test_what_a_hook_raises_reaches_the_putter():
    pool = filled(1)
    manager = pool.take()
    manager.fail.add("putRepair")
    with pytest.raises(Trouble, match="putRepair"):
        pool.put(manager)


def test_stamps():
    pool = filled(1)
    before = datetime.datetime.now()
    manager = pool.take()
    second = datetime.timedelta(seconds=1)
    for stamp in (manager._lastOpened, manager._lastUsed):
        assert before - second < stamp < datetime.datetime.now() + second
    assert manager._usageCount == 1
    opened = manager._lastOpened
    assert manager._lastOpened == opened
    pool.put(manager)
    pool.take()
    assert manager._usageCount == 2 and manager._lastOpened == opened


def test_stamps_that_a_program_sets_are_honoured():
    pool = filled(1, maxOpenTime=300)
    manager = pool.take()
    manager._lastOpened = datetime.datetime.now() - datetime.timedelta(seconds=400)
    pool.put(manager)
    assert not manager._isOpen
    manager = pool.take()
    manager._usageCount = 1000
    pool.put(manager)
    assert not manager._isOpen
    pool.put(pool.take())
    assert manager._isOpen
    manager._lastUsed = datetime.datetime.now() - datetime.timedelta(seconds=400)
    pool.recycle()
    assert not manager._isOpen


def test_the_queue():
    pool = filled(2)
    line = pool._queue
    assert (line.maxsize, line.qsize(), line.empty(), line.full()) == (2, 2, False, True)
    manager = line.get_nowait()
    assert (line.qsize(), line.full()) == (1, False)
    line.put_nowait(manager)
    with pytest.raises(queuepool.pool.queue.Full):
        line.put_nowait(Manager("one too many"))
    assert {str(line.get()), str(line.get(timeout=1))} == {"m0", "m1"} and line.empty()
    with pytest.raises(queuepool.pool.queue.Empty):
        line.get(block=False)
    with pytest.raises(queuepool.pool.queue.Empty):
        line.get(timeout=0.01)
    assert hooks(pool) == []


def test_no_bound():
    for capacity in (0, -1):
        pool = Pool("bank", capacity)
        for i in range(50):
            pool.put(Manager(str(i)))
        assert pool._queue.qsize() == 50 and not pool._queue.full()


def test_recycle_closes_what_has_expired_and_keeps_the_order(clock):
    pool = filled(3, maxIdleTime=10)
    lent = [pool.take() for _ in range(3)]
    for each in lent[:2]:
        pool.put(each)
    clock(11)
    pool.put(lent[2])
    hooks(pool)
    pool.recycle()
    assert hooks(pool) == [(str(lent[0]), "close"), (str(lent[1]), "close")]
    assert [each._isOpen for each in lent] == [False, False, True]
    assert pool.take() is lent[2]


def test_the_recycler(clock):
    pool = filled(1, maxIdleTime=10)
    pool.startRecycler(0.01)
    thread = pool._recyclerThread
    assert thread.daemon and thread.name == "queuepool recycler"
    assert pool._recyclerInterval == 0.01
    pool.startRecycler(5)
    assert pool._recyclerThread is thread and pool._recyclerInterval == 0.01
    manager = pool.take()
    pool.put(manager)
    clock(11)
    until(lambda: not manager._isOpen)
    pool.stopRecycler()


def test_the_recyclers_loop_can_be_overridden():
    came = threading.Event()

    class Mine(Pool):
        def _recyclerLoop(self):
            came.set()

    Mine("bank", 1).startRecycler()
    assert came.wait(20)


def test_logg_prints_to_stderr(capsys):
    logg("one", 2, sep="-")
    assert capsys.readouterr().err == "one-2\n"


def test_a_take_waits_for_a_put():
    pool = filled(1)
    manager = pool.take()
    taker = Run(pool.take)
    until(lambda: pool.stats()["waiting"] == 1)
    pool.put(manager)
    assert taker.outcome() is manager


def test_a_put_beyond_capacity_waits_for_room():
    pool = filled(1)
    putter = Run(pool.put, Manager("second"))
    until(lambda: putter.is_alive())
    lent = pool.take()
    putter.outcome()
    assert pool._queue.qsize() == 1
    assert str(lent) == "m0" and str(pool.take()) == "second"


def test_subclasses_and_duck_types():
    class Duck:
        _isOpen = False
        resource = None

        def open(self):
            self.resource = "water"

        def close(self):
            self.resource = None

        def takeRepair(self):
            pass

        def putRepair(self):
            pass

    pool = Pool("pond", 1)
    duck = Duck()
    pool.put(duck)
    assert pool.take() is duck and duck.resource == "water" and duck._isOpen
    pool.put(duck)
    with pytest.raises(TypeError, match="putRepair|open"):
        pool.put("no duck")


def test_a_pool_goes_with_its_last_reference():
    pool = filled(2)
    pool.put(pool.take())
    gone = weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None
