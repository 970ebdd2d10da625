# SPDX-License-Identifier: BSD-3-Clause
"""test_psycopg3: `queuepool.psycopgcm` against a real PostgreSQL: all of
`pg_rows` and `pg_queries`, and what psycopg alone has."""
import types

import pytest
from pg_kit import SOON, cluster, lease, managers, pid_of, pool_of, slots, value  # noqa: F401
from pg_queries import *  # noqa: F401,F403
from pg_rows import *  # noqa: F401,F403
from verdict import verdict

cms = managers("psycopgcm", "psycopg")


@verdict("added", "psycopg: a level by its member or name; never by a number, which psycopg2 reads otherwise")
def test_levels(cms, pool_of):
    for level in (cms.pg.IsolationLevel.REPEATABLE_READ, "repeatable read", "REPEATABLE_READ"):
        with pool_of(isolation_level=level).take(timeout=SOON) as cm:
            assert value(cm, "SHOW transaction_isolation") == "repeatable read"
    with pytest.raises(ValueError, match="isolation_level is 3"):
        pool_of(isolation_level=3).take(timeout=SOON)


@verdict("added", "psycopg: the row factory of a holder ends with the lease; query gives dicts with any")
def test_row_factories(cms, pool_of):
    from psycopg import rows

    factories = (rows.tuple_row, rows.dict_row, rows.namedtuple_row, rows.class_row(types.SimpleNamespace))
    for factory in (*factories, rows.args_row(lambda a, b: a + b)):
        with pool_of(row_factory=factory).take(timeout=SOON) as cm:
            assert cm.query("SELECT 1 AS a, 2 AS b") == [{"a": 1, "b": 2}]
    pool = pool_of()
    with pool.take(timeout=SOON) as cm:
        pid = pid_of(cm)
        cm.resource.row_factory = rows.dict_row
    with pool.take(timeout=SOON) as cm:
        assert (pid_of(cm), cm.resource.row_factory) == (pid, rows.tuple_row)


@verdict("added", "psycopg: after reset='full' the driver knows that its prepared statements are gone")
def test_prepared_after_full(pool_of):
    pool = pool_of(reset="full", prepare_threshold=0)
    for _ in range(3):
        with pool.take(timeout=SOON) as cm:
            for _ in range(3):
                assert value(cm, "SELECT 1 AS x") == 1
    assert lease(pool)


@verdict("added", "psycopg: a stream left half read and a block left open are ended")
def test_half_done(cluster, pool_of):
    pool = pool_of()
    cm = pool.take(timeout=SOON)
    stream = cm.resource.cursor().stream("SELECT generate_series(1, 100000000)")
    next(stream)
    pool.put(cm)
    assert slots(pool) == 1
    cm = pool.take(timeout=SOON)
    block = cm.resource.transaction()
    block.__enter__()
    pool.put(cm)
    cm = pool.take(timeout=SOON)
    pipeline = cm.resource.pipeline()
    pipeline.__enter__()
    pool.put(cm)
    with pool.take(timeout=SOON) as cm:
        assert value(cm, "SELECT 1") == 1
