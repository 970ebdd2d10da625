/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * company: the tests' server, which is gone when this program is, however that ended.
 */
#include "company.h"

#include "fail.h"
#include "load.h"
#include "pg_server.h"

#include <stddef.h>

static pg_server *server;

void
company_begin(void)
{
	if (server == NULL)
		server = pg_server_start(NULL);
}

void
company_end(void)
{
	pg_server_end(server);
	server = NULL;
}

const char *
company_conninfo(void)
{
	return pg_server_conninfo(server);
}

PGconn *
company_connect(void)
{
	PGconn *conn = PQconnectdb(company_conninfo());

	if (PQstatus(conn) != CONNECTION_OK)
		fail("no connection: %s", PQerrorMessage(conn));
	return conn;
}

void
company_ask(PGconn *conn)
{
	PGresult *result = PQexec(conn, "SELECT 1");

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail("SELECT 1: %s", PQerrorMessage(conn));
	PQclear(result);
}

int64_t
company_others_ns(void)
{
	return load_processes_ns(pg_server_pid(server));
}
