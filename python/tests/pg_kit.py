# SPDX-License-Identifier: BSD-3-Clause
"""pg_kit: what tests of PostgreSQL share: the managers and pools under test, forks, and a way that swallows ends.

`test_psycopg2` and `test_psycopg3` come in, with all of `pg_rows` and `pg_queries`.  It knows of no difference between
the drivers.
"""
import contextlib
import importlib
import os
import select
import signal
import socket
import sys
import threading
import traceback

import pytest

import queuepool
from helpers import fork
from postgres import cluster  # noqa: F401

SOON = 10  # seconds, on a busy machine; what must not block would block far longer


def managers(module, driver):
    """The fixture `cms`: that module of the package.  Without its driver all tests of the caller are skipped."""
    pytest.importorskip(driver)
    found = importlib.import_module(f"queuepool.{module}")

    @pytest.fixture(scope="module", name="cms")
    def given():
        return found

    return given


@pytest.fixture
def pool_of(cms, cluster):  # noqa: F811
    """pool_of(capacity, cls, **arguments): a pool with so many managers."""
    made = []

    def make(capacity=1, cls=None, name="p", **more):
        pool = queuepool.Pool(name, capacity=capacity)
        made.append(pool)
        for i in range(capacity):
            pool.put((cls or cms.ConnectionManagerExtended)(f"{name}-{i}", **cluster.params(**more)))
        return pool

    yield make
    for pool in made:
        with contextlib.suppress(queuepool.PoolTimeout):
            pool.close(timeout=0)


def pid_of(cm):
    return cm.resource.info.backend_pid


def value(cm, sql):
    (row,), _ = cm.querys(sql)
    return row[0]


def lease(pool):
    """The session's pid, of a lease in which nothing is done."""
    cm = pool.take(timeout=SOON)
    try:
        return pid_of(cm)
    finally:
        pool.put(cm)


def slots(pool):
    """All managers in line: none is lost."""
    return pool._queue.qsize()


def in_child(work):
    """Fork; the child works and ends by its hand: the status is 0 if it did not raise."""
    pid = fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(SOON * 3)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def busy(cm, sql):
    """A thread that runs a statement; what it ended with is in the list."""
    ends = []

    def run():
        try:
            cm.resource.cursor().execute(sql)
        except BaseException as end:
            ends.append(end)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ends


def readable(fd):
    return bool(select.select([fd], [], [], SOON)[0])


def notified(conn):
    """The payloads, as of the next query."""
    seen = conn.notifies if hasattr(conn, "poll") else []
    if not hasattr(conn, "poll"):
        conn.add_notify_handler(seen.append)
    conn.cursor().execute("SELECT 1")
    return [each.payload for each in seen]


@contextlib.contextmanager
def relay(port):
    """A way to the server that carries every byte, but not the end of the stream until the block is left."""
    ended, left_block = threading.Event(), threading.Event()

    def carry(source, target, told):
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
        if told:
            ended.set()

    def serve(listener):
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                threading.Thread(target=carry, args=(client, server, False), daemon=True).start()
                carry(server, client, True)
                left_block.wait(SOON * 3)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], ended
        finally:
            left_block.set()
            thread.join(SOON)
