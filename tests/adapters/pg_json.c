/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_json: rows as JSON and as GeoJSON against a real server with PostGIS: which statements can be
 * wrapped, what becomes of NULLs and of several geometries, and what is refused.
 */
#include "pg_call_kit.h"

#include <stdio.h>
#include <stdlib.h>

static void
expect_json(kit *k, const char *sql, const qpool_pg_params *params, const char *expected)
{
	char *text = NULL;

	if (qpool_pg_json(&k->lease, sql, params, &text, &k->error) != QPOOL_OK)
		fail_msg("%s: %s", sql, k->error.message);
	kit_assert_blank(k);
	assert_string_equal(text, expected);
	qpool_pg_free(text);
}

static void
refuse_json(kit *k, const char *sql, qpool_err code, const char *native, const char *words)
{
	char *text = (void *)k;
	qpool_err err = qpool_pg_json(&k->lease, sql, NULL, &text, &k->error);

	kit_assert_failed(k, err, code, native, words);
	assert_null(text);
}

static void
objects_in_order(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	expect_json(k, "SELECT 1 AS b, 'x\"y' AS a, NULL::int AS n", NULL,
	    "[{\"b\":1,\"a\":\"x\\\"y\",\"n\":null}]");
	expect_json(k, "SELECT i FROM generate_series(1, 3) i ORDER BY -i", NULL,
	    "[{\"i\":3}, \n {\"i\":2}, \n {\"i\":1}]");
	expect_json(k, "SELECT 1 AS i WHERE false", NULL, "[]");
	expect_json(k, "SELECT $1 || '!' AS t", QPOOL_PG_TEXT("]; --"), "[{\"t\":\"]; --!\"}]");
	expect_json(k, "SELECT $1::text AS t", QPOOL_PG_TEXT(NULL), "[{\"t\":null}]");
	kit_assert_kept(k);
}

static void
statements_that_can_be_wrapped(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "CREATE TEMP TABLE q(a int)");
	expect_json(k, "INSERT INTO q VALUES (7) RETURNING a", NULL, "[{\"a\":7}]");
	/* The server's own table of the name that we use. */
	expect_json(k, "SELECT a FROM q", NULL, "[{\"a\":7}]");
	/* And a column of it. */
	expect_json(k, "SELECT 1 AS q, 2 AS p", NULL, "[{\"q\":1,\"p\":2}]");
	expect_json(k, "UPDATE q SET a = 8 WHERE a = -1 RETURNING *", NULL, "[]");
	expect_json(k, "WITH x AS (SELECT a FROM q) DELETE FROM q RETURNING a + 1 AS n", NULL,
	    "[{\"n\":8}]");
	expect_json(k, "VALUES (1)", NULL, "[{\"column1\":1}]");
	expect_json(k, "SELECT 1 AS a; ;\n ", NULL, "[{\"a\":1}]");
	expect_json(k, "SELECT 1 AS a -- the end", NULL, "[{\"a\":1}]");
	expect_json(k, "SELECT 1 AS a, 2 AS a", NULL, "[{\"a\":1,\"a\":2}]");
}

static void
statements_that_cannot(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "CREATE TEMP TABLE t(a int)");
	refuse_json(k, "INSERT INTO t VALUES (1)", QPOOL_EPEER, "0A000",
	    "does not have a RETURNING clause");
	refuse_json(k, "SHOW work_mem", QPOOL_EPEER, "42601", "syntax error");
	refuse_json(k, "SELECT 1 AS a; SELECT 2", QPOOL_EPEER, "42601", "syntax error");
	refuse_json(k, "", QPOOL_EPEER, "42601", "syntax error");
	refuse_json(k, "SELECT 1/0 AS a", QPOOL_EPEER, "22012", "division by zero");
	kit_assert_value(k, &k->lease, "SELECT count(*) FROM t", "0");
	refuse_json(k, NULL, QPOOL_EINVAL, "", "sql is NULL");
	kit_assert_failed(k, qpool_pg_json(&k->lease, "SELECT 1", NULL, NULL, &k->error),
	    QPOOL_EINVAL, "", "out is NULL");
	kit_assert_kept(k);
}

/* Text is text, also when the caller's rows would be binary. */
static void
json_in_binary(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();

	kit_pool(k, NULL);
	params.binary = 1;
	expect_json(k, "SELECT 1 AS a", &params, "[{\"a\":1}]");
	params.binary = 2;
	kit_assert_failed(k,
	    qpool_pg_json(&k->lease, "SELECT 1", &params, &(char *){NULL}, &k->error), QPOOL_EINVAL,
	    "", "binary is 2");
}

static void
a_long_answer(void **state)
{
	enum { ROWS = 100000 };
	kit *k = *state;
	char *text;
	size_t objects = 0;

	kit_pool(k, NULL);
	assert_int_equal(qpool_pg_json(&k->lease, "SELECT i FROM generate_series(1, $1::int) i",
			     QPOOL_PG_TEXT("100000"), &text, &k->error),
	    QPOOL_OK);
	for (const char *at = text; (at = strchr(at, '{')) != NULL; at++)
		objects++;
	assert_int_equal(objects, ROWS);
	qpool_pg_free(text);
}

/* ---- GeoJSON ------------------------------------------------------------------------ */

#define COLLECTION(features) "{\"type\" : \"FeatureCollection\", \"features\" : [" features "]}"
#define FEATURE(geometry, properties) \
	"{\"type\" : \"Feature\", \"geometry\" : " geometry ", \"properties\" : " properties "}"
#define POINT(x, y) "{\"type\":\"Point\",\"coordinates\":[" #x "," #y "]}"

static void
with_postgis(kit *k)
{
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "SET client_min_messages = warning");
	kit_exec(k, &k->lease, "CREATE EXTENSION IF NOT EXISTS postgis");
}

static void
expect_geojson(kit *k, const char *sql, const char *geometry, int digits, const char *expected)
{
	char *text = NULL;

	if (qpool_pg_geojson(&k->lease, sql, NULL, geometry, digits, &text, &k->error) != QPOOL_OK)
		fail_msg("%s: %s", sql, k->error.message);
	kit_assert_blank(k);
	assert_string_equal(text, expected);
	qpool_pg_free(text);
}

static void
refuse_geojson(kit *k, const char *sql, const char *geometry, qpool_err code, const char *native,
    const char *words)
{
	char *text = (void *)k;
	qpool_err err = qpool_pg_geojson(&k->lease, sql, NULL, geometry, 9, &text, &k->error);

	kit_assert_failed(k, err, code, native, words);
	assert_null(text);
}

static void
features_in_order(void **state)
{
	kit *k = *state;

	with_postgis(k);
	expect_geojson(k,
	    "SELECT i AS z, 'n' || i AS a, ST_Point(i, 2 * i) AS geom FROM generate_series(1, 2) i "
	    "ORDER BY -i;",
	    NULL, -1,
	    COLLECTION(FEATURE(POINT(2, 4), "{ \"z\" : 2, \"a\" : \"n2\" }") ", " FEATURE(
		POINT(1, 2), "{ \"z\" : 1, \"a\" : \"n1\" }")));
	expect_geojson(
	    k, "SELECT 1 AS a, ST_Point(1, 2) AS geom WHERE false", NULL, -1, COLLECTION(""));
	expect_geojson(
	    k, "SELECT ST_Point(1, 2) AS geom", NULL, -1, COLLECTION(FEATURE(POINT(1, 2), "{}")));
	kit_assert_kept(k);
}

/* As RFC 7946 has it: null, not an object without coordinates. */
static void
no_geometry(void **state)
{
	kit *k = *state;

	with_postgis(k);
	expect_geojson(k, "SELECT 1 AS a, NULL::geometry AS geom", NULL, -1,
	    COLLECTION(FEATURE("null", "{ \"a\" : 1 }")));
	expect_geojson(k, "SELECT NULL AS a, 'POINT EMPTY'::geometry AS geom", NULL, -1,
	    COLLECTION(FEATURE("{\"type\":\"Point\",\"coordinates\":[]}", "{ \"a\" : null }")));
}

static void
another_geometry_is_a_property(void **state)
{
	static const char sql[] = "SELECT ST_Point(1, 2) AS geom, ST_Point(3, 4) AS at, 5 AS a";
	kit *k = *state;

	with_postgis(k);
	expect_geojson(k, sql, NULL, -1,
	    COLLECTION(FEATURE(POINT(1, 2), "{ \"at\" : " POINT(3, 4) ", \"a\" : 5 }")));
	expect_geojson(k, sql, "at", -1,
	    COLLECTION(FEATURE(POINT(3, 4), "{ \"geom\" : " POINT(1, 2) ", \"a\" : 5 }")));
}

static void
digits(void **state)
{
	static const char sql[] = "SELECT ST_Point(1 / 3.0, 0.5) AS geom";
	kit *k = *state;

	with_postgis(k);
	expect_geojson(k, sql, NULL, -1, COLLECTION(FEATURE(POINT(0.333333333, 0.5), "{}")));
	expect_geojson(k, sql, NULL, 2, COLLECTION(FEATURE(POINT(0.33, 0.5), "{}")));
	expect_geojson(k, sql, NULL, 0, COLLECTION(FEATURE(POINT(0, 0), "{}")));
	expect_geojson(
	    k, sql, NULL, 1000, COLLECTION(FEATURE(POINT(0.3333333333333333, 0.5), "{}")));
}

/* Longer than the server's names, too: it cuts them, and so do we. */
static void
names_of_columns(void **state)
{
	static const char *const names[] = {"Geom", "a \"b\" 'c' \\d %s $1", "q", "p", "key",
	    "umlaut \xc3\xa4",
	    "a_name_of_more_than_sixty_three_bytes_which_the_server_shortens_to_that"};
	kit *k = *state;

	with_postgis(k);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *quoted =
		    PQescapeIdentifier(qpool_pg_conn(&k->lease), names[i], strlen(names[i]));
		char sql[256];

		(void)snprintf(sql, sizeof sql, "SELECT 1 AS a, ST_Point(1, 2) AS %s", quoted);
		expect_geojson(
		    k, sql, names[i], -1, COLLECTION(FEATURE(POINT(1, 2), "{ \"a\" : 1 }")));
		PQfreemem(quoted);
	}
}

static void
geography_and_parameters(void **state)
{
	kit *k = *state;
	char *text;

	with_postgis(k);
	assert_int_equal(qpool_pg_geojson(&k->lease,
			     "SELECT $2 || '' AS a, ST_Point($1::int, 4)::geography AS g",
			     QPOOL_PG_TEXT("3", "'}"), "g", -1, &text, &k->error),
	    QPOOL_OK);
	assert_string_equal(text, COLLECTION(FEATURE(POINT(3, 4), "{ \"a\" : \"'}\" }")));
	qpool_pg_free(text);
}

/* With its coordinate system named when it is not that of GeoJSON. */
static void
another_coordinate_system(void **state)
{
	kit *k = *state;

	with_postgis(k);
	expect_geojson(k, "SELECT ST_Point(1, 2, 25832) AS geom", NULL, -1,
	    COLLECTION(FEATURE("{\"type\":\"Point\",\"crs\":{\"type\":\"name\",\"properties\":{"
			       "\"name\":\"EPSG:25832\"}},\"coordinates\":[1,2]}",
		"{}")));
}

/* The last two crash a server whose PostGIS is asked for the whole row. */
static void
no_such_geometry(void **state)
{
	kit *k = *state;

	with_postgis(k);
	refuse_geojson(
	    k, "SELECT 1 AS a", NULL, QPOOL_EPEER, "42703", "column q.geom does not exist");
	refuse_geojson(k, "SELECT ST_Point(1, 2) AS geom", "Geom", QPOOL_EPEER, "42703",
	    "column q.Geom does not exist");
	refuse_geojson(k, "SELECT ST_Point(1, 2) AS geom, ST_Point(1, 2) AS geom", NULL,
	    QPOOL_EPEER, "42702", "ambiguous");
	refuse_geojson(k, "SELECT 1 AS a", "", QPOOL_EINVAL, "",
	    "geometry is \"\"; it must be NULL (\"geom\") or name a column");
	refuse_geojson(
	    k, "SELECT 1 AS a", "\xff", QPOOL_EINVAL, "", "geometry cannot name a column");
	refuse_geojson(k, "SELECT 1 AS geom", NULL, QPOOL_EPEER, "42883",
	    "function st_asgeojson(integer, integer) does not exist");
	refuse_geojson(
	    k, "SELECT 'no geometry' AS geom", NULL, QPOOL_EPEER, "XX000", "parse error");
	refuse_geojson(k, NULL, NULL, QPOOL_EINVAL, "", "sql is NULL");
	kit_assert_failed(k,
	    qpool_pg_geojson(&k->lease, "SELECT 1", NULL, NULL, 9, NULL, &k->error), QPOOL_EINVAL,
	    "", "out is NULL");
	kit_assert_failed(k,
	    qpool_pg_geojson(&k->other, "SELECT 1", NULL, NULL, 9, &(char *){NULL}, &k->error),
	    QPOOL_EMISUSE, "", "the lease is empty");
	kit_assert_kept(k);
}

static void
without_postgis(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "SET client_min_messages = warning");
	kit_exec(k, &k->lease, "DROP EXTENSION IF EXISTS postgis");
	refuse_geojson(k, "SELECT 'POINT(1 2)' AS geom", NULL, QPOOL_EPEER, "42883",
	    "function st_asgeojson(text, integer) does not exist");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(objects_in_order),
	    KIT_TEST(statements_that_can_be_wrapped),
	    KIT_TEST(statements_that_cannot),
	    KIT_TEST(json_in_binary),
	    KIT_TEST(a_long_answer),
	    KIT_TEST(features_in_order),
	    KIT_TEST(no_geometry),
	    KIT_TEST(another_geometry_is_a_property),
	    KIT_TEST(digits),
	    KIT_TEST(names_of_columns),
	    KIT_TEST(geography_and_parameters),
	    KIT_TEST(another_coordinate_system),
	    KIT_TEST(no_such_geometry),
	    KIT_TEST(without_postgis),
	};

	return KIT_RUN("pg_json", tests);
}
