/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * company: the tests' server, which is gone when this program is, however that ended.
 */
#include "company.h"

#include "fail.h"
#include "pg_server.h"
#include "timing.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* See proc(5).  With `ended`, that of children which have ended and were waited for as well. */
static int64_t
ticks_of(int pid, int parent, int ended)
{
	int64_t user, system, user_ended, system_ended;
	char path[64];
	int is_child = 0, read, of;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	read = fscanf(file,
	    "%*d (%*[^)]) %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64
	    " %" SCNd64 " %" SCNd64,
	    &of, &user, &system, &user_ended, &system_ended);
	(void)fclose(file);
	is_child = read == 5 && (parent == 0 || of == parent);
	if (!is_child)
		return 0;
	return user + system + (ended ? user_ended + system_ended : 0);
}

int64_t
company_ns(void)
{
	int postmaster = pg_server_pid(server);
	int64_t ticks = ticks_of(postmaster, 0, 1);
	DIR *all = opendir("/proc");
	const struct dirent *one;

	while (all != NULL && (one = readdir(all)) != NULL)
		if (one->d_name[0] >= '1' && one->d_name[0] <= '9')
			ticks += ticks_of(atoi(one->d_name), postmaster, 0);
	if (all != NULL)
		(void)closedir(all);
	return ticks * (TIMING_SEC / sysconf(_SC_CLK_TCK));
}
