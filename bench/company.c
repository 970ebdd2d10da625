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

typedef struct process {
	int pid, parent;
	int64_t ticks; /* with those of children that have ended and were waited for */
} process;

/* See proc(5).  False: it is gone. */
static int
read_process(const char *name, process *out)
{
	int64_t user, system, user_ended, system_ended;
	char path[300];
	FILE *file;
	int read;

	(void)snprintf(path, sizeof path, "/proc/%s/stat", name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	read = fscanf(file,
	    "%d (%*[^)]) %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64
	    " %" SCNd64 " %" SCNd64,
	    &out->pid, &out->parent, &user, &system, &user_ended, &system_ended);
	(void)fclose(file);
	out->ticks = user + system + user_ended + system_ended;
	return read == 6;
}

/* Who ended between two looks counts with its parent, if that has waited for it. */
int64_t
company_others_ns(void)
{
	int self = (int)getpid(), postmaster = pg_server_pid(server);
	DIR *all = opendir("/proc");
	const struct dirent *one;
	int64_t ticks = 0;
	process p;

	while (all != NULL && (one = readdir(all)) != NULL)
		if (one->d_name[0] >= '1' && one->d_name[0] <= '9' &&
		    read_process(one->d_name, &p) && p.pid != self && p.pid != postmaster &&
		    p.parent != postmaster && p.parent != self)
			ticks += p.ticks;
	if (all != NULL)
		(void)closedir(all);
	return ticks * (TIMING_SEC / sysconf(_SC_CLK_TCK));
}
