/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * query: the plain helpers: all rows, one row, no rows, the clock.  Users come in.  query checks
 * where the answer goes and unpacks it; it never talks to a connection itself.
 */
#include "call.h"
#include "fault.h"

#include <inttypes.h>
#include <stdlib.h>

static qpool_err
say_null(qpool_error *error, const char *name)
{
	return qp_pg_fault_say(
	    error, QPOOL_EINVAL, "%s is NULL; it must point to where the answer goes", name);
}

qpool_err
qpool_pg_query(qpool_lease *lease, const char *sql, const qpool_pg_params *params, PGresult **out,
    qpool_error *error)
{
	if (out == NULL)
		return say_null(error, "out");
	*out = NULL;
	return qp_pg_call(lease, sql, params, out, error);
}

qpool_err
qpool_pg_one(qpool_lease *lease, const char *sql, const qpool_pg_params *params, PGresult **out,
    qpool_pg_rows *rows, qpool_error *error)
{
	if (out == NULL || rows == NULL)
		return say_null(error, out == NULL ? "out" : "rows");
	*out = NULL;
	*rows = QPOOL_PG_NO_ROW;
	return qp_pg_call_first(lease, sql, params, out, rows, error);
}

qpool_err
qpool_pg_exec(qpool_lease *lease, const char *sql, const qpool_pg_params *params,
    uint64_t *affected, qpool_error *error)
{
	PGresult *result = NULL;
	qpool_err err = qp_pg_call(lease, sql, params, &result, error);

	if (affected != NULL)
		*affected = err == QPOOL_OK ? strtoull(PQcmdTuples(result), NULL, 10) : 0;
	PQclear(result);
	return err;
}

/* Floored, as dates before 1970 are: what is past by half a millisecond is past. */
qpool_err
qpool_pg_now(qpool_lease *lease, int64_t offset_msec, int64_t *out_msec, qpool_error *error)
{
	static const char sql[] = "SELECT pg_catalog.floor("
				  "EXTRACT(epoch FROM pg_catalog.now()) * 1000)::pg_catalog.int8";
	PGresult *result = NULL;
	int64_t msec;
	qpool_err err;

	if (out_msec == NULL)
		return say_null(error, "out_msec");
	err = qp_pg_call(lease, sql, NULL, &result, error);
	if (err != QPOOL_OK)
		return err;
	msec = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	if (__builtin_add_overflow(msec, offset_msec, out_msec))
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "offset_msec is %" PRId64 ", which leads past what 64 bits hold; give less",
		    offset_msec);
	return QPOOL_OK;
}

void
qpool_pg_free(char *text)
{
	free(text);
}
