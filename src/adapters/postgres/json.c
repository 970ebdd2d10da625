/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json: rows as text that the server makes.  Users come in.  The statement is wrapped, never
 * understood: what it means stays the server's business.  json never parses what comes back.
 */
#include "call.h"
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>

/* The statement ends where its line does, should it end in a comment. */
static const char head[] = "WITH q AS (\n";
/* q.*, not q: that would be a column of this name if there is one. */
static const char json_tail[] =
    "\n) SELECT coalesce(pg_catalog.json_agg(q.*), '[]')::pg_catalog.text FROM q";
/* Not by ST_AsGeoJSON(record, ...): PostGIS 3.3 reads whatever type the named column has as a
 * geometry, which can crash the server, and makes of NULL what is no GeoJSON.  The geometry is
 * set to NULL before the row becomes JSON, so that it is not converted twice.  ::name cuts what
 * the server's own identifiers are cut to. */
static const char geojson_tail[] =
    "\n) SELECT pg_catalog.json_build_object('type', 'FeatureCollection', 'features', "
    "coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('type', 'Feature', "
    "'geometry', ST_AsGeoJSON(q.%s, %d)::pg_catalog.json, "
    "'properties', (SELECT coalesce(pg_catalog.json_object_agg(p.key, p.value), '{}') "
    "FROM pg_catalog.json_each(pg_catalog.to_json(pg_catalog.jsonb_populate_record(q.*, "
    "pg_catalog.jsonb_build_object(%s::pg_catalog.name::pg_catalog.text, NULL)))) p "
    "WHERE p.key <> %s::pg_catalog.name::pg_catalog.text))), '[]'))::pg_catalog.text FROM q";

enum { DEFAULT_DIGITS = 9 };

static qpool_err
say_no_memory(qpool_error *error)
{
	return qp_pg_fault_say(error, QPOOL_ENOMEM, "no memory for JSON or its statement");
}

/* Up to the semicolons and blanks at the end, which a statement inside another may not have. */
static size_t
length_of(const char *sql)
{
	size_t length = strlen(sql);

	while (length > 0 && strchr("; \t\r\n\f\v", sql[length - 1]) != NULL)
		length--;
	return length;
}

/* NULL without memory. */
static char *
wrap(const char *sql, const char *tail)
{
	size_t length = length_of(sql);
	size_t before = strlen(head), after = strlen(tail) + 1;
	char *text = malloc(before + length + after);

	if (text == NULL)
		return NULL;
	memcpy(text, head, before);
	memcpy(text + before, sql, length);
	memcpy(text + before + length, tail, after);
	return text;
}

static qpool_err
check(const char *sql, char **out, qpool_error *error)
{
	if (out == NULL)
		return qp_pg_fault_say(
		    error, QPOOL_EINVAL, "out is NULL; it must point to where the answer goes");
	*out = NULL;
	if (sql == NULL)
		return qp_pg_fault_say(
		    error, QPOOL_EINVAL, "sql is NULL; it must be the text of a statement");
	return QPOOL_OK;
}

static qpool_err
run(qpool_lease *lease, const char *sql, const char *tail, const qpool_pg_params *params,
    char **out, qpool_error *error)
{
	char *text = wrap(sql, tail);
	PGresult *result = NULL;
	qpool_err err;

	if (text == NULL)
		return say_no_memory(error);
	err = qp_pg_call(lease, text, params, &result, error);
	free(text);
	if (err != QPOOL_OK)
		return err;
	*out = strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return *out != NULL ? QPOOL_OK : say_no_memory(error);
}

qpool_err
qpool_pg_json(qpool_lease *lease, const char *sql, const qpool_pg_params *params, char **out,
    qpool_error *error)
{
	qpool_err err = check(sql, out, error);

	return err == QPOOL_OK ? run(lease, sql, json_tail, params, out, error) : err;
}

/* libpq quotes by the connection's encoding and settings.  NULL: *err says why not. */
static char *
make_tail(PGconn *conn, const char *geometry, int digits, qpool_err *err, qpool_error *error)
{
	char *identifier = PQescapeIdentifier(conn, geometry, strlen(geometry));
	char *literal = PQescapeLiteral(conn, geometry, strlen(geometry));
	char *tail = NULL;

	if (identifier == NULL || literal == NULL)
		*err = qp_pg_fault_conn(error, QPOOL_EINVAL,
		    "geometry cannot name a column in the connection's encoding", conn);
	else if (asprintf(&tail, geojson_tail, identifier, digits < 0 ? DEFAULT_DIGITS : digits,
		     literal, literal) < 0) {
		tail = NULL;
		*err = say_no_memory(error);
	}
	PQfreemem(identifier);
	PQfreemem(literal);
	return tail;
}

qpool_err
qpool_pg_geojson(qpool_lease *lease, const char *sql, const qpool_pg_params *params,
    const char *geometry, int digits, char **out, qpool_error *error)
{
	qp_pg_session *session;
	char *tail;
	qpool_err err = check(sql, out, error);

	if (err != QPOOL_OK)
		return err;
	if (geometry != NULL && geometry[0] == '\0')
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "geometry is \"\"; it must be NULL (\"geom\") or name a column");
	err = qp_pg_call_use(lease, &session, error);
	if (err != QPOOL_OK)
		return err;
	tail = make_tail(session->conn, geometry != NULL ? geometry : "geom", digits, &err, error);
	if (tail == NULL)
		return err;
	err = run(lease, sql, tail, params, out, error);
	free(tail);
	return err;
}
