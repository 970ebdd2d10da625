/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * leftover: two fingerprints describe a session, one of its temp objects, one of its ATTACHed
 * files.  at_open runs the same SQL in all sessions of a pool, so their fingerprints are equal.
 * Where they are not (SQL that creates a temp table only in some), the sessions that differ are
 * closed when they come back.
 */
#include "leftover.h"

#include "fault.h"

#include <stdio.h>

typedef struct print {
	uint64_t hash; /* FNV-1a over every column of every row; 0 for no row */
	unsigned count;
	char newest[48]; /* "table \"x\"" */
} print;

typedef struct prints {
	print temp, attached;
	bool has_temp; /* a temp database exists; only then is its schema read */
} prints;

static void
add_text(print *to, const char *text)
{
	if (to->hash == 0)
		to->hash = 0xcbf29ce484222325u;
	/* With the final NUL, so that ("ab", "c") differs from ("a", "bc"). */
	for (size_t i = 0; i == 0 || text[i - 1] != '\0'; i++)
		to->hash = (to->hash ^ (unsigned char)text[i]) * 0x100000001b3u;
}

static void
add_row(print *to, int columns, char **values)
{
	for (int i = 0; i < columns; i++)
		add_text(to, values[i] != NULL ? values[i] : "");
	to->count++;
}

/* A row of PRAGMA database_list: number, name, file.  0 is main, 1 is temp, the others are
 * ATTACHed.  Without values (PRAGMA empty_result_callbacks is on) this is no row. */
static int
on_database(void *arg, int columns, char **values, char **names)
{
	prints *to = arg;

	(void)names;
	if (values == NULL || values[0] == NULL || strcmp(values[0], "0") == 0)
		return 0;
	if (strcmp(values[0], "1") == 0) {
		to->has_temp = true;
		return 0;
	}
	add_row(&to->attached, columns - 1, values + 1);
	(void)snprintf(to->attached.newest, sizeof to->attached.newest, "\"%.40s\"", values[1]);
	return 0;
}

/* A row of sqlite_temp_master: type, name, sql. */
static int
on_object(void *arg, int columns, char **values, char **names)
{
	prints *to = arg;

	(void)names;
	if (values == NULL)
		return 0;
	add_row(&to->temp, columns, values);
	(void)snprintf(
	    to->temp.newest, sizeof to->temp.newest, "%s \"%.32s\"", values[0], values[1]);
	return 0;
}

static int
take(sqlite3 *db, prints *out)
{
	int rc;

	memset(out, 0, sizeof *out);
	rc = sqlite3_exec(db, "PRAGMA database_list", on_database, out, NULL);
	if (rc == SQLITE_OK && out->has_temp)
		rc = sqlite3_exec(
		    db, "SELECT type, name, sql FROM sqlite_temp_master", on_object, out, NULL);
	return rc;
}

int
qp_sqlite_leftover_remember(qp_sqlite_source *source, sqlite3 *db)
{
	prints now;
	int rc = take(db, &now);

	if (rc != SQLITE_OK)
		return rc;
	atomic_store_explicit(&source->temp_print, now.temp.hash, memory_order_relaxed);
	atomic_store_explicit(&source->attached_print, now.attached.hash, memory_order_relaxed);
	return SQLITE_OK;
}

static bool
differs(const print *now, atomic_ullong *as_opened, const char *noun, char *what, size_t room)
{
	if (now->hash == atomic_load_explicit(as_opened, memory_order_relaxed))
		return false;
	if (now->count == 0)
		(void)snprintf(what, room, "%s that at_open made are gone", noun);
	else
		(void)snprintf(
		    what, room, "%s remain (%u, the newest: %s)", noun, now->count, now->newest);
	return true;
}

int
qp_sqlite_leftover_find(qp_sqlite_source *source, sqlite3 *db, char *what, size_t room)
{
	prints now;
	int rc = take(db, &now);

	what[0] = '\0';
	if (rc == SQLITE_OK && !differs(&now.temp, &source->temp_print, "temp objects", what, room))
		(void)differs(
		    &now.attached, &source->attached_print, "ATTACHed databases", what, room);
	return rc;
}
