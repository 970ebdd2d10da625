/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dirty: one query lists the traces of a session, a kind and a detail each, sorted.  What is in the
 * list now and was not in the list after connecting is what the holder left.
 */
#include "dirty.h"

#include "fault.h"
#include "wait.h"

#include <stdio.h>
#include <stdlib.h>

/* `role` and `session_authorization` are in no view.  Nothing here may differ after a full reset
 * and at_connect again, as an oid would. */
static const char query[] =
    "SELECT 'SET ' || name AS what, coalesce(setting, '') AS detail"
    "  FROM pg_catalog.pg_settings WHERE source = 'session'"
    " UNION ALL SELECT 'SET ROLE ' || current_user, ''"
    "  WHERE current_user <> session_user"
    " UNION ALL SELECT 'session authorization ' || session_user, ''"
    " UNION ALL SELECT CASE relkind WHEN 'S' THEN 'temp sequence ' WHEN 'v' THEN 'temp view '"
    "  ELSE 'temp table ' END || relname, ''"
    "  FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema()"
    "  AND relkind IN ('r', 'v', 'S', 'p', 'm', 'f')"
    " UNION ALL SELECT 'LISTEN ' || c, '' FROM pg_catalog.pg_listening_channels() AS c"
    " UNION ALL SELECT 'advisory lock ' || classid::pg_catalog.text || ','"
    "  || objid::pg_catalog.text, mode FROM pg_catalog.pg_locks"
    "  WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()"
    " UNION ALL SELECT 'prepared statement ' || name, '' FROM pg_catalog.pg_prepared_statements"
    " UNION ALL SELECT 'cursor ' || name, '' FROM pg_catalog.pg_cursors WHERE is_holdable"
    " ORDER BY 1, 2";

/* The query's rows. */
struct qp_pg_traces {
	PGresult *rows;
};

static qpool_err
list(qp_pg_session *session, int64_t deadline_ns, PGresult **out, qpool_error *error)
{
	PGconn *conn = session->conn;
	qpool_err err = QPOOL_OK;
	PGresult *rows = NULL, *result;

	*out = NULL;
	(void)PQsetnonblocking(conn, 1);
	if (!PQsendQuery(conn, query))
		return qp_pg_fault_conn(error, QPOOL_ECHECK, "looking for traces", conn);
	for (;;) {
		if (qp_pg_wait_result(conn, deadline_ns) != QP_PG_READY) {
			PQclear(rows);
			session->is_condemned = true;
			return qp_pg_fault_say(error, QPOOL_ECHECK,
			    "postgres: no answer to the question what is left in a session");
		}
		result = PQgetResult(conn);
		if (result == NULL)
			break;
		PQclear(rows);
		rows = result;
	}
	(void)PQsetnonblocking(conn, 0);
	if (PQresultStatus(rows) == PGRES_TUPLES_OK) {
		*out = rows;
		return QPOOL_OK;
	}
	err = qp_pg_fault_result(error, QPOOL_EPEER, "looking for traces", rows);
	PQclear(rows);
	return err;
}

qpool_err
qp_pg_dirty_learn(qp_pg_session *session, int64_t deadline_ns, qpool_error *error)
{
	qp_pg_traces *traces = calloc(1, sizeof *traces);
	qpool_err err;

	if (traces == NULL)
		return qp_pg_fault_say(error, QPOOL_ENOMEM, "postgres: no memory for a session");
	err = list(session, deadline_ns, &traces->rows, error);
	if (err == QPOOL_OK)
		session->at_first = traces;
	else
		free(traces);
	return err;
}

void
qp_pg_dirty_forget(qp_pg_traces *traces)
{
	if (traces == NULL)
		return;
	PQclear(traces->rows);
	free(traces);
}

static bool
was_there(const qp_pg_traces *before, const PGresult *now, int row)
{
	for (int i = 0; before != NULL && i < PQntuples(before->rows); i++)
		if (strcmp(PQgetvalue(before->rows, i, 0), PQgetvalue(now, row, 0)) == 0 &&
		    strcmp(PQgetvalue(before->rows, i, 1), PQgetvalue(now, row, 1)) == 0)
			return true;
	return false;
}

/* Append ", what"; a list that does not fit ends in "...". */
static void
append(char *text, size_t room, const char *what)
{
	size_t used = strlen(text);
	int length = snprintf(text + used, room - used, "%s%s", used > 0 ? ", " : "", what);

	if (length >= 0 && (size_t)length >= room - used)
		memcpy(text + room - 4, "...", 4);
}

qpool_err
qp_pg_dirty_tell(
    qp_pg_session *session, const char *under_way, int64_t deadline_ns, qpool_error *error)
{
	const qpool_pg_options *options = &session->source->options;
	char text[512] = "";
	PGresult *now = NULL;
	qpool_err err = list(session, deadline_ns, &now, error);

	if (err != QPOOL_OK)
		return err;
	if (under_way != NULL)
		append(text, sizeof text, under_way);
	for (int i = 0; i < PQntuples(now); i++)
		if (!was_there(session->at_first, now, i))
			append(text, sizeof text, PQgetvalue(now, i, 0));
	PQclear(now);
	if (text[0] != '\0')
		options->on_dirty(options->user, text, session->site);
	return QPOOL_OK;
}
