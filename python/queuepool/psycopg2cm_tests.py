# SPDX-License-Identifier: BSD-3-Clause
"""psycopg2cm_tests: `test1`, a round of a pool against a PostgreSQL of the caller's choice.

Whoever wants to see a pool work on their own server comes in.  It makes one table, `queuepool_test1`, drops it at the
end, and touches nothing else there.
"""
import multiprocessing.pool as mpp
import sys

from psycopg2 import errors as _errors
from psycopg2 import extensions as _ext

import queuepool.psycopg2cm as pgcm
import queuepool.pool as qp

TASKS, ROUNDS = 20, 5


def logg(*args, **kwargs):
    print(*args, file=sys.stderr, **kwargs)


def _increment(cm):
    """One more, in a serializable transaction, as often as it takes."""
    while True:
        try:
            with cm.resource:
                (row,) = cm.query("SELECT x FROM queuepool_test1")
                cm.qexec("UPDATE queuepool_test1 SET x = %s", (row["x"] + 1,))
            return row["x"] + 1
        except _errors.SerializationFailure:
            pass


def _task(pool):
    seen = []
    for _ in range(ROUNDS):
        with pool.take() as cm:
            seen.append(_increment(cm))
            cm.query("SELECT * FROM queuepool_test1")  # it comes back in a transaction
    cm = pool.take()
    cm.resource.close()  # closed behind the manager's back
    pool.put(cm)
    return seen


def _both_ways(pool):
    with pool.take() as cm:
        logg("with:", cm.query("SELECT count(*) FROM queuepool_test1"), cm.resource.info.backend_pid)
    cm = pool.take()
    try:
        logg("without:", cm.query("SELECT count(*) FROM queuepool_test1"), cm.resource.info.backend_pid)
    finally:
        pool.put(cm)


def _change(pool, *statements):
    with pool.take() as cm:
        with cm.resource:
            for statement in statements:
                cm.qexec(statement)


def test1(host, dbname, user, password):
    """Prints what it sees to stderr; raises if an increment was lost."""
    with qp.Pool(name=dbname, capacity=4, maxIdleTime=60, maxOpenTime=600, maxUsageCount=1000) as pool:
        for i in range(pool.capacity):
            pool.put(
                pgcm.ConnectionManagerExtended(
                    name=f"{dbname}-{i}",
                    autocommit=False,
                    isolation_level=_ext.ISOLATION_LEVEL_SERIALIZABLE,
                    host=host,
                    dbname=dbname,
                    user=user,
                    password=password,
                )
            )
        pool.startRecycler(5)
        _change(pool, "CREATE TABLE queuepool_test1 AS SELECT 0 AS x")
        try:
            _both_ways(pool)
            with mpp.ThreadPool(2) as threads:
                seen = sorted(sum(threads.map(_task, [pool] * TASKS), []))
            logg("increments:", seen)
            assert seen == list(range(1, TASKS * ROUNDS + 1)), seen
        finally:
            _change(pool, "DROP TABLE queuepool_test1")


# It is a program's, not a test runner's: it wants arguments.
test1.__test__ = False
