# SPDX-License-Identifier: BSD-3-Clause
"""pg_rows: what a manager of PostgreSQL connections must stand, by either driver, against a real server.

`test_psycopg2` and `test_psycopg3` come in: each gives the fixtures of `pg_kit` and runs all of this.
It knows of no difference between the drivers but those that `cms` is asked.
"""
import contextlib
import os
import signal
import socket
import time

import pytest

import queuepool
from pg_kit import SOON, busy, in_child, lease, notified, pid_of, readable, relay, slots, value
from queuepool import _pgcm
from verdict import verdict

# ---- P1-P5: opening, and dying ---------------------------------------------------------------------------------------


@verdict("fixed", "P1: a refused connect loses no slot, and the driver's exception arrives")
def test_refused(cms, pool_of):
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        pool = pool_of(2, port=nobody_listens.getsockname()[1], host="127.0.0.1")
        for _ in range(5):
            with pytest.raises(cms.pg.OperationalError):
                pool.take(timeout=SOON)
            assert slots(pool) == 2


@verdict("fixed", "P2: a server that has no room loses no slot")
def test_too_many(cms, cluster, pool_of):
    cluster.sql("CREATE ROLE one LOGIN CONNECTION LIMIT 1")
    pool = pool_of(2, user="one")
    first = pool.take(timeout=SOON)
    for _ in range(3):
        with pytest.raises(cms.pg.OperationalError, match="too many connections"):
            pool.take(timeout=SOON)
        assert slots(pool) == 1
    pool.put(first)
    assert lease(pool)
    assert slots(pool) == 2


@verdict("fixed", "P3: a session whose settings are refused is closed at once")
def test_settings_refused(cms, cluster, pool_of):
    pool = pool_of(isolation_level="no such level", application_name="P3")
    with pytest.raises(ValueError) as refusal:
        pool.take(timeout=SOON)
    cluster.until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'P3')")
    assert refusal.value is not None  # its frames, which hold the connection, are alive all the while
    assert slots(pool) == 1


@verdict("fixed", "P4: a session that died while idle is not handed out")
def test_died_idle(cluster, pool_of):
    pool = pool_of()
    first = lease(pool)
    cluster.kill(first)
    with pool.take(timeout=SOON) as cm:
        assert pid_of(cm) != first
        assert value(cm, "SELECT 1") == 1


@verdict("fixed", "P5: a session that died in use loses no slot; the holder sees the driver's exception")
def test_died_in_use(cms, cluster, pool_of):
    pool = pool_of()
    cm = pool.take(timeout=SOON)
    cm.query("SELECT 1")  # in a transaction
    cluster.kill(pid_of(cm))
    pool.put(cm)
    with pytest.raises(cms.pg.OperationalError):
        with pool.take(timeout=SOON) as cm:
            cluster.kill(pid_of(cm))
            cm.query("SELECT 1")
    assert slots(pool) == 1
    with pool.take(timeout=SOON) as cm:
        assert value(cm, "SELECT 1") == 1


# ---- P6, P7: what a holder leaves ------------------------------------------------------------------------------------

LEAVE = ("SET search_path TO pg_catalog", "CREATE TEMP TABLE left_over (x int)", "LISTEN somebody")
LOCK = "SELECT pg_advisory_lock(6)"
LEFT = """SELECT current_setting('search_path') = 'pg_catalog', to_regclass('pg_temp.left_over') IS NOT NULL,
          EXISTS (SELECT FROM pg_listening_channels()),
          EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"""


def litter(pool):
    with pool.take(timeout=SOON) as cm:
        with cm.resource.cursor() as cursor:
            for each in (*LEAVE, LOCK):
                cursor.execute(each)
        cm.resource.commit()
        return pid_of(cm)


def left(pool, pid):
    with pool.take(timeout=SOON) as cm:
        assert pid_of(cm) == pid
        (row,), _ = cm.querys(LEFT)
        return tuple(row)


@verdict("same", "P6: by default what SQL left in the session stays: it costs no round trip")
def test_leftovers_stay(pool_of):
    pool = pool_of()
    assert left(pool, litter(pool)) == (True, True, True, True)


@verdict("added", "P6: reset='full' leaves nothing of it, and sets the session again")
def test_full_reset(cms, pool_of):
    pool = pool_of(reset="full", isolation_level="SERIALIZABLE", readonly=False, options="-c work_mem=7MB")
    pid = litter(pool)
    assert left(pool, pid) == (False, False, False, False)
    with pool.take(timeout=SOON) as cm:
        assert pid_of(cm) == pid
        assert value(cm, "SHOW work_mem") == "7MB"
        assert value(cm, "SHOW transaction_isolation") == "serializable"
        assert cm.resource.autocommit is False


@verdict("added", "P6: reset='full' of an autocommit session keeps its settings, too")
def test_full_reset_autocommit(pool_of):
    pool = pool_of(reset="full", autocommit=True)
    pid = lease(pool)
    with pool.take(timeout=SOON) as cm:
        assert (pid_of(cm), cm.resource.autocommit) == (pid, True)
        cm.qexec("SET work_mem TO '9MB'")
    with pool.take(timeout=SOON) as cm:
        assert pid_of(cm) == pid
        assert value(cm, "SHOW work_mem") != "9MB"


@verdict("added", "P6: reset='none' sends nothing: the next holder goes on in the transaction")
def test_no_reset(pool_of):
    pool = pool_of(reset="none")
    with pool.take(timeout=SOON) as cm:
        began = value(cm, "SELECT pg_current_xact_id()::text")
    with pool.take(timeout=SOON) as cm:
        assert value(cm, "SELECT pg_current_xact_id()::text") == began


def test_reset_is_one_of_three(cms):
    with pytest.raises(ValueError, match="'m'.*'some'.*rollback, none, full"):
        cms.ConnectionManager("m", reset="some")


@verdict("same", "an open transaction is rolled back when its connection comes back, also a failed one")
def test_rolled_back(cms, cluster, pool_of):
    cluster.sql("DROP TABLE IF EXISTS rolled; CREATE TABLE rolled (x int)")
    pool = pool_of()
    pid = lease(pool)
    cm = pool.take(timeout=SOON)
    cm.qexec("INSERT INTO rolled VALUES (1)")
    pool.put(cm)
    cm = pool.take(timeout=SOON)
    with pytest.raises(cms.pg.ProgrammingError):
        cm.query("SELECT no_such_column")
    pool.put(cm)
    with pool.take(timeout=SOON) as cm:
        assert pid_of(cm) == pid
        assert value(cm, "SELECT count(*) FROM rolled") == 0


@verdict("fixed", "a transaction that SQL began or ended behind the driver's back is undone as well")
def test_transaction_by_sql(cluster, pool_of):
    cluster.sql("DROP TABLE IF EXISTS by_sql; CREATE TABLE by_sql (x int)")
    pool = pool_of()
    with pool.take(timeout=SOON) as cm:
        cm.resource.autocommit = True
        cm.qexec("BEGIN")
        cm.qexec("INSERT INTO by_sql VALUES (1)")
    with pool.take(timeout=SOON) as cm:
        cm.qexec("INSERT INTO by_sql VALUES (2)")
        cm.qexec("COMMIT")
    with pool.take(timeout=SOON) as cm:
        cm.qexec("INSERT INTO by_sql VALUES (3)")
    assert cluster.sql("SELECT x FROM by_sql") == "2"


@verdict("fixed", "P7: autocommit, isolation level and readonly of a holder end with the lease")
@pytest.mark.parametrize("autocommit", (None, False, True))
def test_settings_are_put_back(cms, pool_of, autocommit):
    pool = pool_of(autocommit=autocommit)
    pid = lease(pool)
    with pool.take(timeout=SOON) as cm:
        conn = cm.resource
        readonly = "read_only" if hasattr(conn, "read_only") else "readonly"
        levels = cms.pg.IsolationLevel if readonly == "read_only" else None
        conn.autocommit = not autocommit
        conn.isolation_level = levels.SERIALIZABLE if levels else "SERIALIZABLE"
        setattr(conn, readonly, True)
        conn.deferrable = True
    with pool.take(timeout=SOON) as cm:
        conn = cm.resource
        # psycopg before 3.2 takes a None for False: that cannot be put back, and the session is another one.
        assert pid_of(cm) == pid or readonly == "read_only"
        assert conn.autocommit is bool(autocommit)
        assert (conn.isolation_level, getattr(conn, readonly), conn.deferrable) == (None, None, None)
        assert value(cm, "SHOW transaction_isolation") == "read committed"
        assert value(cm, "SHOW transaction_read_only") == "off"


@verdict("same", "P7: what a subclass sets in its open() is the session's, not a holder's")
def test_settings_of_a_subclass(cms, pool_of):
    class Mine(cms.ConnectionManagerExtended):
        def open(self):
            super().open()
            self.resource.autocommit = True

    pool = pool_of(cls=Mine)
    pid = lease(pool)
    with pool.take(timeout=SOON) as cm:
        assert cm.resource.autocommit is True
        cm.resource.autocommit = False
    with pool.take(timeout=SOON) as cm:
        assert (pid_of(cm), cm.resource.autocommit) == (pid, True)


def test_settings_by_a_mixin(cms, pool_of):
    """Its open() is no subclass's of ours, and comes before it all the same."""

    class Automatic:
        def open(self):
            super().open()
            self.resource.autocommit = True

    class Mine(Automatic, cms.ConnectionManagerExtended):
        pass

    pool = pool_of(cls=Mine)
    pid = lease(pool)
    with pool.take(timeout=SOON) as cm:
        cm.resource.autocommit = False
    with pool.take(timeout=SOON) as cm:
        assert (pid_of(cm), cm.resource.autocommit) == (pid, True)


# ---- P8-P11: closing -------------------------------------------------------------------------------------------------


@verdict("fixed", "P8: close() twice")
def test_close_twice(cms, cluster):
    cm = cms.ConnectionManager("m", **cluster.params())
    cm.open()
    pid = pid_of(cm)
    cm.close()
    cm.close()
    assert (cm._isOpen, cm.resource) == (False, None)
    cluster.until(f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")


@verdict("fixed", "P9: close() and repair() before open()")
def test_close_unopened(cms):
    cm = cms.ConnectionManager("m")
    cm.close()
    cm.repair()
    assert (cm._isOpen, cm.resource) == (False, None)


@verdict("fixed", "P10: close() by the holder, then an exception: the exception arrives, the slot stays")
def test_close_then_raise(pool_of):
    pool = pool_of()
    with pytest.raises(KeyError, match="mine"):
        with pool.take(timeout=SOON) as cm:
            cm.close()
            raise KeyError("mine")
    assert slots(pool) == 1
    assert lease(pool)


@verdict("fixed", "P10: close() of a session whose server is gone does not raise")
def test_close_dead(cms, cluster):
    cm = cms.ConnectionManagerExtended("m", **cluster.params())
    cm.open()
    cluster.kill(pid_of(cm))
    with contextlib.suppress(cms.pg.Error):
        cm.query("SELECT 1")
    cm.close()
    assert cm.resource is None


@verdict("fixed", "P11: closed by the program while idle: a new one is handed out")
def test_closed_while_idle(pool_of):
    pool = pool_of()
    cm = pool.take(timeout=SOON)
    conn = cm.resource
    pool.put(cm)
    conn.close()
    with pool.take(timeout=SOON) as cm:
        assert value(cm, "SELECT 1") == 1


@verdict("same", "closed by the holder behind the manager's back: the put notices")
def test_closed_in_use(pool_of):
    pool = pool_of()
    cm = pool.take(timeout=SOON)
    cm.resource.close()
    pool.put(cm)
    assert (cm._isOpen, cm.resource) == (False, None)
    assert lease(pool)


@verdict("same", "an exception in the block closes the connection")
def test_exception_closes(cluster, pool_of):
    pool = pool_of()
    with pytest.raises(KeyError):
        with pool.take(timeout=SOON) as cm:
            pid = pid_of(cm)
            raise KeyError
    cluster.until(f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")
    assert lease(pool) != pid


# ---- P16: fork -------------------------------------------------------------------------------------------------------


@verdict("fixed", "P16: close() in a child leaves the parent's session alone, in a pool or not")
def test_fork(cms, cluster, pool_of):
    pool = pool_of()
    alone = cms.ConnectionManagerExtended("m", **cluster.params())
    alone.open()
    pid = lease(pool)

    def work():
        alone.close()
        assert (alone._isOpen, alone.resource) == (False, None)
        with pool.take(timeout=SOON) as cm:
            assert pid_of(cm) != pid
            assert value(cm, "SELECT 1") == 1
        pool.close(timeout=SOON)

    assert in_child(work) == 0
    assert value(alone, "SELECT 1") == 1
    assert lease(pool) == pid
    alone.close()


@verdict("fixed", "P16: a lease that crosses a fork: the child's exception does not end the parent's session")
def test_fork_within_a_lease(pool_of):
    pool = pool_of()
    cm = pool.take(timeout=SOON)

    def work():
        with contextlib.suppress(KeyError):
            with cm:
                raise KeyError
        with pool.take(timeout=SOON) as other:
            assert value(other, "SELECT 1") == 1

    assert in_child(work) == 0
    assert value(cm, "SELECT 1") == 1
    pool.put(cm)


@verdict("fixed", "P16: the forking thread's own lease works in the child until it is put, which sends nothing")
def test_fork_own_lease(cluster, pool_of):
    pool = pool_of()
    cm = pool.take(timeout=SOON)
    conn, pid = cm.resource, pid_of(cm)
    cm.qexec("CREATE TEMP TABLE t AS SELECT 7 AS x")

    def work():
        assert cm._isOpen and cm.resource is conn
        assert cm.query1("SELECT x FROM t") == {"x": 7}  # the parent waits meanwhile
        pool.put(cm)
        assert not cm._isOpen
        assert lease(pool) != pid

    assert in_child(work) == 0
    assert value(cm, "SELECT x FROM t") == 7  # neither closed nor rolled back
    pool.put(cm)
    assert lease(pool) == pid


def test_fork_of_a_connection_by_ones_own_open(cms, cluster):
    class Mine(cms.ConnectionManagerExtended):
        def open(self):
            self.resource = cms.pg.connect(**self._kwargs)
            queuepool.ResourceManager.open(self)

    cm = Mine("m", **cluster.params())
    cm.open()
    assert in_child(cm.close) == 0
    assert value(cm, "SELECT 1") == 1
    cm.close()


@verdict("fixed", "P16: repair() in a child lets the parent's connection go, unseen by the server")
def test_fork_repair(cms, cluster):
    cm = cms.ConnectionManagerExtended("m", **cluster.params())
    cm.open()
    cm.query("SELECT 1")

    def work():
        cm.repair()
        assert cm.resource is None
        cm.open()
        assert value(cm, "SELECT 1") == 1

    assert in_child(work) == 0
    assert value(cm, "SELECT 1") == 1
    cm.close()


# ---- P17-P20 ---------------------------------------------------------------------------------------------------------


@verdict("fixed", "P17: after a restart of the server no use fails")
def test_restart(cluster, pool_of):
    pool = pool_of(3)
    for cm in [pool.take(timeout=SOON) for _ in range(3)]:
        pool.put(cm)
    cluster.restart()
    held = [pool.take(timeout=SOON) for _ in range(3)]
    try:
        assert [value(cm, "SELECT 1") for cm in held] == [1, 1, 1]
    finally:
        for cm in held:
            pool.put(cm)


@verdict("fixed", "P18: another thread's query is under way at put: it is ended, on the server too, within a bound")
@pytest.mark.parametrize("how", ("put", "close", "none"))
def test_put_while_active(cms, cluster, pool_of, how):
    pool = pool_of(reset="none" if how == "none" else "rollback")
    cm = pool.take(timeout=SOON)
    pid = pid_of(cm)
    thread, ends = busy(cm, "SELECT pg_sleep(600)")
    cluster.until(f"EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep')")
    began = time.monotonic()
    if how == "close":
        cm.close()
    pool.put(cm)
    assert time.monotonic() - began < SOON
    thread.join(SOON)
    assert not thread.is_alive()
    assert isinstance(ends[0], cms.pg.Error)
    cluster.until(f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")
    with pool.take(timeout=SOON) as cm:
        assert value(cm, "SELECT 1") == 1


@pytest.fixture
def hasty_resets(monkeypatch):
    monkeypatch.setattr(_pgcm, "RESET_WITHIN", 0.2)
    monkeypatch.setattr(_pgcm, "_watch", _pgcm._Watch())


@verdict("fixed", "a reset is bounded: a server that does not answer costs the connection, and the put ends")
@pytest.mark.parametrize("reset", ("rollback", "full"))
def test_reset_is_bounded(pool_of, hasty_resets, reset):
    pool = pool_of(2, reset=reset)
    for _ in range(2):
        cm = pool.take(timeout=SOON)
        pid = pid_of(cm)
        cm.query("SELECT 1")  # in a transaction
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            pool.put(cm)
            assert time.monotonic() - began < SOON
            assert (cm._isOpen, cm.resource) == (False, None)
            assert lease(pool) != pid
        finally:
            os.kill(pid, signal.SIGCONT)
    assert slots(pool) == 2


def test_reset_is_bounded_in_a_child(pool_of, monkeypatch):
    pool = pool_of()
    with pool.take(timeout=SOON) as cm:
        cm.query("SELECT 1")  # its return begins a thread, which a child does not inherit

    def work():
        monkeypatch.setattr(_pgcm, "RESET_WITHIN", 0.2)
        cm = pool.take(timeout=SOON)
        cm.query("SELECT 1")
        pid = pid_of(cm)
        os.kill(pid, signal.SIGSTOP)
        try:
            pool.put(cm)
        finally:
            os.kill(pid, signal.SIGCONT)

    assert in_child(work) == 0


@verdict("fixed", "a connect is bounded where nobody says otherwise")
def test_connect_is_bounded(cms, monkeypatch):
    monkeypatch.setattr(_pgcm, "CONNECT_TIMEOUT", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cm = cms.ConnectionManager("m", host="127.0.0.1", port=silent.getsockname()[1], dbname="x", user="x")
        began = time.monotonic()
        with pytest.raises(cms.pg.OperationalError):
            cm.open()
        assert time.monotonic() - began < 2 + SOON
    assert (cm._isOpen, cm.resource) == (False, None)


@verdict("added", "the caller's connect_timeout wins: keyword, DSN, environment, service")
def test_connect_timeout_of_the_caller(monkeypatch):
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    monkeypatch.delenv("PGSERVICE", raising=False)
    assert _pgcm.bounded({"host": "h"}, {}) == {"host": "h", "connect_timeout": _pgcm.CONNECT_TIMEOUT}
    assert _pgcm.bounded({"connect_timeout": 3}, {}) == {"connect_timeout": 3}
    assert _pgcm.bounded({}, {"connect_timeout": "3"}) == {}
    assert _pgcm.bounded({}, {"service": "s"}) == {}
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")
    assert _pgcm.bounded({}, {}) == {"connect_timeout": "7"}


@verdict("fixed", "P20: a two-phase transaction at put loses no slot; a prepared one stays prepared")
@pytest.mark.parametrize("prepared", (False, True))
def test_two_phase(cluster, pool_of, prepared):
    cluster.sql("DROP TABLE IF EXISTS phases; CREATE TABLE phases (x int)")
    pool = pool_of()
    cm = pool.take(timeout=SOON)
    cm.resource.tpc_begin("qp")
    cm.qexec("INSERT INTO phases VALUES (1)")
    if prepared:
        cm.resource.tpc_prepare()
    pool.put(cm)
    assert slots(pool) == 1
    with pool.take(timeout=SOON) as cm:
        assert value(cm, "SELECT count(*) FROM phases") == 0
    assert cluster.sql("SELECT gid FROM pg_prepared_xacts") == ("qp" if prepared else "")
    if prepared:
        cluster.sql("COMMIT PREPARED 'qp'")
        assert cluster.sql("SELECT x FROM phases") == "1"


# ---- the look --------------------------------------------------------------------------------------------------------


@verdict("added", "a notification that waits is no end: the connection stays, the notification too")
def test_notification(cluster, pool_of):
    pool = pool_of(autocommit=True)
    with pool.take(timeout=SOON) as cm:
        cm.qexec("LISTEN news")
        pid, fd = pid_of(cm), cm.resource.fileno()
    cluster.sql("NOTIFY news, 'first'", "NOTIFY news, 'second'")
    assert readable(fd)
    with pool.take(timeout=SOON) as cm:
        assert pid_of(cm) == pid
        assert notified(cm.resource) == ["first", "second"]


@verdict("added", "with TLS, too: what the server says after a handshake is no end, its farewell is")
def test_look_with_tls(cluster, pool_of):
    cluster.secure()
    pool = pool_of(host="127.0.0.1", sslmode="require")
    pid = lease(pool)
    for _ in range(3):
        with pool.take(timeout=SOON) as cm:
            assert pid_of(cm) == pid
            assert value(cm, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    assert in_child(lambda: lease(pool)) == 0
    assert lease(pool) == pid
    cluster.kill(pid)
    assert lease(pool) != pid


@verdict("added", "the look sends nothing: the server saw no statement")
def test_look_sends_nothing(cluster, pool_of):
    pool = pool_of()
    pid = lease(pool)
    asked = f"SELECT state_change FROM pg_stat_activity WHERE pid = {pid}"
    before = cluster.sql(asked)
    for _ in range(20):
        assert lease(pool) == pid
    assert cluster.sql(asked) == before


@verdict("added", "the last words of a session, read before its end, are an end")
def test_last_words(cms, cluster):
    """The server has said that it ends, and the end of the stream has not come: as on a network."""
    cm = cms.ConnectionManagerExtended("m", **cluster.params(host="127.0.0.1"))
    with relay(cluster.port) as (port, swallow_end):
        cm._kwargs["port"] = port
        cm.open()
        fd = cm.resource.fileno()
        cm.takeRepair()
        assert cm._isOpen
        cluster.kill(pid_of(cm))
        swallow_end.wait(SOON)
        assert readable(fd)
        cm.takeRepair()
        assert not cm._isOpen
