# SPDX-License-Identifier: BSD-3-Clause
"""pg_queries: what a manager of PostgreSQL connections takes as arguments, and what its queries give, by either driver.

`test_psycopg2` and `test_psycopg3` come in, as for `pg_rows`.
"""
import json

import pytest

import queuepool
from pg_kit import SOON, value
from verdict import verdict


# ---- P12: arguments --------------------------------------------------------------------------------------------------


@verdict("fixed", "P12: a DSN right after the name is a DSN, in both spellings")
def test_positional_dsn(cms, cluster):
    folder = cluster.folder.replace("/", "%2F")
    for dsn in (
        f"host={cluster.folder} port={cluster.port} user=postgres dbname=postgres",
        f"postgresql://postgres@{folder}:{cluster.port}/postgres",
    ):
        for cm in (
            cms.ConnectionManagerExtended("m", dsn),
            cms.ConnectionManagerExtended("m", None, None, None, None, dsn),
            cms.ConnectionManagerExtended("m", dsn, autocommit=True),
        ):
            cm.open()
            assert cm.isolation_level is None
            assert value(cm, "SELECT 1") == 1
            cm.close()


@verdict("same", "the attributes, by position and by name")
def test_attributes(cms):
    cm = cms.ConnectionManager("m", "SERIALIZABLE", True, False, True, "dbname=x", host="h")
    assert (cm.isolation_level, cm.readonly, cm.deferrable, cm.autocommit) == ("SERIALIZABLE", True, False, True)
    assert (cm._args, cm._kwargs) == (("dbname=x",), {"host": "h"})
    assert (cm.name, str(cm), cm.resource, cm._isOpen) == ("m", "m", None, False)


@verdict("same", "repr: as it was, and no password in it")
def test_repr(cms):
    cm = cms.ConnectionManager("m", "SERIALIZABLE", password="geheim")
    text = "{'autocommit': None, 'isolation_level': 'SERIALIZABLE', 'readonly': None, 'deferrable': None, "
    assert repr(cm).startswith(text + "'ResourceManager': ")
    for cm in (cm, cms.ConnectionManager("m", "postgresql://me:geheim@h/x")):
        assert "geheim" not in repr(cm)


@verdict("same", "the names of the module")
def test_names(cms):
    assert cms.pool is queuepool.pool and cms.json is json and callable(cms.logg)
    assert cms.pgsql is cms.pg.sql


@verdict("same", "what the manager says of the session, is so")
def test_session(pool_of):
    with pool_of(isolation_level="SERIALIZABLE", readonly=True, deferrable=True).take(timeout=SOON) as cm:
        asked = ("isolation", "read_only", "deferrable")
        assert [value(cm, f"SHOW transaction_{each}") for each in asked] == ["serializable", "on", "on"]


# ---- P14, P15: queries -----------------------------------------------------------------------------------------------


@verdict("same", "P14: query gives dicts, querys rows and description, qexec nothing")
def test_queries(pool_of):
    with pool_of().take(timeout=SOON) as cm:
        two = "SELECT x, x * %s AS y FROM generate_series(1, 2) x"
        assert cm.query(two, (10,)) == [{"x": 1, "y": 10}, {"x": 2, "y": 20}]
        rows, description = cm.querys(two, (10,))
        assert [tuple(row) for row in rows] == [(1, 10), (2, 20)]
        assert [column[0] for column in description] == ["x", "y"]
        assert cm.query("SELECT %(a)s AS a", {"a": "b"}) == [{"a": "b"}]
        assert cm.query("SELECT '%' AS a") == [{"a": "%"}]
        assert cm.qexec("SELECT 1") is None


@verdict("fixed", "P14: a statement that gives no rows is no error")
def test_no_select(pool_of):
    with pool_of().take(timeout=SOON) as cm:
        assert cm.query("CREATE TEMP TABLE t (x int)") == []
        assert cm.querys("INSERT INTO t VALUES (1)") == ([], None)
        assert cm.query1("UPDATE t SET x = 2") is None
        assert cm.query("DELETE FROM t RETURNING x") == [{"x": 2}]


@verdict("fixed", "P14: query1 tells no row (None) from many (ValueError)")
def test_query1(pool_of):
    with pool_of().take(timeout=SOON) as cm:
        assert cm.query1("SELECT 1 AS x") == {"x": 1}
        assert cm.query1("SELECT 1 AS x WHERE false") is None
        with pytest.raises(ValueError, match="2 rows"):
            cm.query1("SELECT generate_series(1, 2)")


@pytest.mark.parametrize("verb", ("query", "querys", "query1", "qexec"))
def test_query_of_one_that_is_not_open(cms, verb):
    with pytest.raises(queuepool.PoolError, match="manager 'm' is not open"):
        getattr(cms.ConnectionManagerExtended("m"), verb)("SELECT 1")


@verdict("same", "P14: of columns of one name the last counts; querys gives both")
def test_one_name_twice(pool_of):
    with pool_of().take(timeout=SOON) as cm:
        assert cm.query("SELECT 1 AS x, 2 AS x") == [{"x": 2}]
        assert tuple(cm.querys("SELECT 1 AS x, 2 AS x")[0][0]) == (1, 2)


@verdict("same", "queries commit nothing")
def test_queries_do_not_commit(cluster, pool_of):
    cluster.sql("DROP TABLE IF EXISTS uncommitted; CREATE TABLE uncommitted (x int)")
    with pool_of().take(timeout=SOON) as cm:
        cm.qexec("INSERT INTO uncommitted VALUES (1)")
        assert cluster.sql("SELECT count(*) FROM uncommitted") == "0"
        cm.resource.commit()
        assert cluster.sql("SELECT count(*) FROM uncommitted") == "1"


@verdict("fixed", "P15: now_expr takes numbers only; its text for them is as it was")
def test_now_expr(cms, pool_of):
    cm = cms.ConnectionManagerExtended("m")
    assert cm.now_expr() == "((extract(epoch from now())+0)*1000)::bigint"
    assert cm.now_expr(1.5) == "((extract(epoch from now())+1.5)*1000)::bigint"
    for wrong in ("0); DROP TABLE x; --", None, True):
        with pytest.raises(TypeError, match="now_expr"):
            cm.now_expr(wrong)
    with pytest.raises(ValueError, match="finite"):
        cm.now_expr(float("nan"))
    with pool_of().take(timeout=SOON) as cm:
        assert value(cm, f"SELECT {cm.now_expr(-2)} - {cm.now_expr(1e-07)}") == -2000


def features(*pairs):
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": g, "properties": p} for g, p in pairs],
    }


POINT = {"type": "Point", "coordinates": [1.23457, 2]}
PLACE = "SELECT ST_Point(1.234567, 2) AS g, 'here' AS name"


@pytest.fixture(scope="module")
def postgis(cluster):
    if cluster.sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'") != "1":
        pytest.skip("PostGIS is not installed")
    cluster.sql("CREATE EXTENSION IF NOT EXISTS postgis")


@verdict("same", "P15: geojson: features with properties, to so many decimals")
def test_geojson(postgis, pool_of):
    with pool_of().take(timeout=SOON) as cm:
        assert cm.geojson("g", ["name"], PLACE) == features((POINT, {"name": "here"}))
        rounded = {"type": "Point", "coordinates": [1.2, 2]}
        assert cm.geojson("g", ["name"], PLACE + " WHERE 1 = %s", (1,), 1) == features((rounded, {"name": "here"}))


@verdict("fixed", "P15: geojson composes its SQL: odd names, braces, comments, no attributes, no geometry")
def test_geojson_safely(cms, postgis, pool_of):
    with pool_of().take(timeout=SOON) as cm:
        for none in (None, (), []):
            assert cm.geojson("g", none, PLACE) == features((POINT, {}))
        assert cm.geojson("g", None, selectQuery=cms.pgsql.SQL(PLACE)) == features((POINT, {}))
        assert cm.geojson("g", None, PLACE + " -- its end") == features((POINT, {}))
        assert cm.geojson("g", None, PLACE + ";\n") == features((POINT, {}))
        odd = """SELECT ST_Point(1.234567, 2) AS g, '{}' AS "a""b; {}", 1 AS "5%s", 2 AS geometry"""
        named = {'a"b; {}': "{}", "5%s": 1, "geometry": 2}
        assert cm.geojson("g", named, odd) == features((POINT, named))
        asked = odd.replace("5%s", "5%%s") + " WHERE 1 = %s"
        assert cm.geojson("g", named, asked, (1,)) == features((POINT, named))
        assert cm.geojson("g", [], "SELECT NULL::geometry AS g") == features((None, {}))
