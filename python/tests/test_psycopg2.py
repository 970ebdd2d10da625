# SPDX-License-Identifier: BSD-3-Clause
"""test_psycopg2: `queuepool.psycopg2cm` against a real PostgreSQL: all of
`pg_rows` and `pg_queries`, and what psycopg2 alone has."""
import pytest
from pg_kit import SOON, cluster, lease, managers, pid_of, pool_of, value  # noqa: F401
from pg_queries import *  # noqa: F401,F403
from pg_rows import *  # noqa: F401,F403
from verdict import verdict

cms = managers("psycopg2cm", "psycopg2")


@verdict("same", "the names of psycopg2cm")
def test_own_names(cms):
    import psycopg2.extensions

    assert cms._ext is psycopg2.extensions


@verdict("same", "an isolation level by psycopg2's number")
def test_level_by_number(cms, pool_of):
    with pool_of(isolation_level=cms._ext.ISOLATION_LEVEL_SERIALIZABLE).take(timeout=SOON) as cm:
        assert value(cm, "SHOW transaction_isolation") == "serializable"


@verdict("fixed", "P7: the client's encoding and the cursor factory of a holder end with the lease")
@pytest.mark.parametrize("reset", ("rollback", "full"))
def test_encoding_and_factory(cms, pool_of, reset):
    import psycopg2.extras

    pool = pool_of(reset=reset)
    pid = lease(pool)
    with pool.take(timeout=SOON) as cm:
        cm.resource.set_client_encoding("LATIN1")
        cm.resource.cursor_factory = psycopg2.extras.RealDictCursor
        assert cm.query("SELECT 'é' AS x") == [{"x": "é"}]
    with pool.take(timeout=SOON) as cm:
        assert (pid_of(cm), cm.resource.encoding, cm.resource.cursor_factory) == (pid, "UTF8", None)
        assert value(cm, "SHOW client_encoding") == "UTF8"


@verdict("fixed", "a `with` of the connection, left open in a transaction, ends with the lease; the next one's works")
@pytest.mark.parametrize(("reset", "asked"), (("rollback", True), ("full", True), ("full", False)))
def test_with_not_left(pool_of, reset, asked):
    pool = pool_of(reset=reset)
    cm = pool.take(timeout=SOON)
    pid = pid_of(cm)
    cm.resource.__enter__()
    if asked:
        cm.query("SELECT 1")
    pool.put(cm)
    with pool.take(timeout=SOON) as cm:
        assert pid_of(cm) == pid
        with cm.resource:
            assert value(cm, "SELECT 1") == 1


@verdict("fixed", "query gives the values also where the connection's cursors give dicts")
def test_dict_cursors(pool_of):
    import psycopg2.extras

    for factory in (psycopg2.extras.RealDictCursor, psycopg2.extras.DictCursor, psycopg2.extras.NamedTupleCursor):
        with pool_of(cursor_factory=factory).take(timeout=SOON) as cm:
            assert cm.query("SELECT 1 AS a, 2 AS b") == [{"a": 1, "b": 2}]


@verdict("same", "psycopg2cm_tests.test1 is a program that runs against a server")
def test_test1(cluster, capfd, monkeypatch):
    monkeypatch.setenv("PGPORT", str(cluster.port))
    from queuepool.psycopg2cm_tests import test1

    test1(host=cluster.folder, dbname="postgres", user="postgres", password="x")
    assert "increments:" in capfd.readouterr().err
    assert cluster.sql("SELECT to_regclass('queuepool_test1') IS NULL") == "t"
