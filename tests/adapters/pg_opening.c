/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_opening: see the header.  It knows nothing of servers: a test says where its pool connects to.
 */
#include "pg_opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

opening
opening_init(void)
{
	opening o = {.options = qpool_options_init(), .pg = qpool_pg_options_init()};

	o.options.max_size = 1;
	o.options.open_failure = QPOOL_OPEN_TELL;
	o.options.open_budget = OPENING_PATIENCE;
	/* What nobody has filled must not be shown. */
	memset(&o.error, 'x', sizeof o.error);
	o.error.message[sizeof o.error.message - 1] = '\0';
	return o;
}

void
opening_pool(opening *o, const char *conninfo, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, conninfo);
	(void)vsnprintf(text, sizeof text, conninfo, arguments);
	va_end(arguments);
	if (qpool_pg_create(&o->pool, text, &o->pg, &o->options, &o->error) != QPOOL_OK)
		fail_msg("no pool: %s", o->error.message);
}

void
opening_lease(opening *o)
{
	if (qpool_acquire(o->pool, OPENING_PATIENCE, &o->lease, &o->error) != QPOOL_OK)
		fail_msg("no lease: %s", o->error.message);
}

PGconn *
opening_take(opening *o)
{
	PGconn *conn = NULL;

	opening_lease(o);
	if (qpool_pg_use(&o->lease, &conn, &o->error) != QPOOL_OK)
		fail_msg("no use: %s", o->error.message);
	return conn;
}

void
opening_put(opening *o)
{
	assert_int_equal(qpool_release(&o->lease), QPOOL_OK);
}

void
opening_failed(const opening *o, qpool_err code, const char *native, const char *words)
{
	assert_int_equal(o->error.code, code);
	assert_non_null(memchr(o->error.message, '\0', sizeof o->error.message));
	if (strstr(o->error.message, words) == NULL || strchr(o->error.message, '\n') != NULL)
		fail_msg("\"%s\" is not in: %s", words, o->error.message);
	assert_string_equal(o->error.native, native);
}

void
opening_refused(opening *o, qpool_err code, const char *native, const char *words)
{
	qpool_lease lease = QPOOL_LEASE_INIT;

	assert_int_equal(qpool_acquire(o->pool, OPENING_PATIENCE, &lease, &o->error), code);
	assert_null(lease.resource);
	opening_failed(o, code, native, words);
}

qpool_stats
opening_stats(const opening *o)
{
	qpool_stats now = qpool_stats_init();

	qpool_get_stats(o->pool, &now);
	return now;
}

void
opening_end(opening *o)
{
	assert_int_equal(qpool_close(o->pool, OPENING_PATIENCE), QPOOL_OK);
	qpool_free(o->pool);
}

const char *
opening_say(PGconn *conn, const char *sql)
{
	static char said[256];
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	(void)snprintf(
	    said, sizeof said, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return said;
}

/* ---- standard error ---- */

static FILE *hushed;

int
opening_hush_begin(void)
{
	int saved = dup(STDERR_FILENO);

	hushed = tmpfile();
	assert_non_null(hushed);
	(void)fflush(stderr);
	assert_int_equal(dup2(fileno(hushed), STDERR_FILENO), STDERR_FILENO);
	return saved;
}

char *
opening_hush_end(int saved)
{
	char *text = calloc(1, 4096);

	assert_non_null(text);
	(void)fflush(stderr);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	assert_true(pread(fileno(hushed), text, 4095, 0) >= 0);
	(void)fclose(hushed);
	return text;
}
