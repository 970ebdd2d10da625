/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_sqlite: sqlite:PATH, sqlite::memory:, sqlite:file:URI.  It opens without the right to create, and
 * leaves the journal mode of somebody's database as it is.
 */
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <queuepool/sqlite.h>

#include "say.h"
#include "statement.h"

#define CANCEL_LOOK_EVERY 10000 /* SQLite's virtual instructions: some tens of microseconds */

static const char *
client(void)
{
	static char text[32];
	snprintf(text, sizeof text, "SQLite %s", sqlite3_libversion());
	return text;
}

static int
hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

/* The file a "file:" URI names, in place of its text; NULL when it names none. */
static char *
uri_path(const char *uri)
{
	const char *from = uri + strlen("file:");
	if (strncmp(from, "//", 2) == 0)
		from += 2 + strcspn(from + 2, "/");
	size_t length = strcspn(from, "?#");
	if (strstr(from + length, "mode=memory") != NULL || length == 0)
		return NULL;
	char *path = strndup(from, length);
	char *out = path;
	for (const char *at = path; path != NULL && *at != '\0'; out++) {
		bool escaped = at[0] == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0;
		*out = escaped ? (char)(hex(at[1]) * 16 + hex(at[2])) : *at;
		at += escaped ? 3 : 1;
	}
	if (path != NULL)
		*out = '\0';
	return path;
}

static char *
path_of(const struct target *target)
{
	char *path = strncmp(target->where, "file:", 5) == 0 ? uri_path(target->where)
	                                                     : strdup(target->where);
	if (path != NULL && strcmp(path, ":memory:") == 0) {
		free(path);
		return NULL;
	}
	return path;
}

/* The rest the adapter finds out, and says, when it opens. */
static int
inspect_file(const struct target *target, const char *path)
{
	struct stat status;
	if (stat(path, &status) == 0)
		return EXIT_OK;
	if (errno != ENOENT)
		return say_bad("%s: %s", target->shown, strerror(errno));
	say_bad("%s: there is no such file, and none is made here", target->shown);
	say_try("check the path; to make an empty database: sqlite3 FILE VACUUM");
	return EXIT_BAD;
}

static int
inspect(const struct target *target)
{
	const char *where = target->where;
	if (where[0] == '\0') {
		say_bad("%s: no file is named", target->shown);
		say_try("sqlite:PATH, sqlite::memory: or sqlite:file:URI");
		return EXIT_BAD;
	}
	if (strncmp(where, "//", 2) == 0 && where[2] != '/') {
		say_bad("%s: SQLite has no hosts; after \"sqlite:\" comes the path itself",
		    target->shown);
		say_try("sqlite:%s", where + 2);
		return EXIT_BAD;
	}
	char *path = path_of(target);
	int code = path != NULL ? inspect_file(target, path) : EXIT_OK;
	free(path);
	return code;
}

static qpool_err
ops(const struct target *target, qpool_options *pool, qpool_ops *out, void **user,
    qpool_error *error)
{
	(void)pool; /* the URL is SQLite's own: it has no words for a pool */
	qpool_sqlite_options options = qpool_sqlite_options_init();
	char *path = path_of(target);
	bool only_read = path != NULL && access(path, W_OK) != 0;
	free(path);
	options.open_flags = only_read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	options.journal_mode = "keep";
	return qpool_sqlite_ops(target->where, &options, out, user, error);
}

/* What prepare needs of the file, and a page of it besides. */
static qpool_err
probe(qpool_lease *lease, char *server, size_t room, qpool_error *error)
{
	sqlite3 *db = lease->resource;
	if (room > 0)
		server[0] = '\0';
	if (sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK)
		return statement_error(db, error);
	return QPOOL_OK;
}

/* Where in the whole text SQLite found fault. */
static const char *
fault_at(sqlite3 *db, const char *statement)
{
	int offset = sqlite3_error_offset(db);
	return offset > 0 ? statement + offset : statement;
}

static qpool_err
compile(qpool_lease *lease, const char *sql, struct target_script *out, qpool_error *error)
{
	sqlite3 *db = lease->resource;
	const char *tail = sql;
	memset(out, 0, sizeof *out);
	for (const char *at = sql; *at != '\0'; at = tail) {
		sqlite3_stmt *statement = NULL;
		int rc = sqlite3_prepare_v2(db, at, -1, &statement, &tail);
		int parameters = sqlite3_bind_parameter_count(statement);
		bool kept = statement == NULL || target_script_add(out, at, (size_t)(tail - at));
		sqlite3_finalize(statement);
		if (rc != SQLITE_OK) {
			target_script_free(out);
			return (rc & 0xff) == SQLITE_ERROR
			           ? target_bad_sql(
					 error, sql, fault_at(db, at), sqlite3_errmsg(db))
			           : statement_error(db, error);
		}
		if (parameters > 0 || !kept) {
			target_script_free(out);
			return target_bad_sql(error, sql, at,
			    kept ? "it has parameters, and nothing is bound to them here"
				 : "out of memory");
		}
	}
	return out->count > 0 ? QPOOL_OK
	                      : target_bad_sql(error, "", "", "there is no statement in it");
}

static qpool_err
execute(qpool_lease *lease, const struct target_script *script, target_cancelled_fn *cancelled,
    void *user, qpool_error *error)
{
	sqlite3 *db = lease->resource;
	qpool_err err = QPOOL_OK;
	sqlite3_progress_handler(db, CANCEL_LOOK_EVERY, cancelled, user);
	for (size_t i = 0; i < script->count && err == QPOOL_OK; i++) {
		sqlite3_stmt *statement = statement_of(db, script->statements[i], error);
		int rc = statement != NULL ? statement_run(statement) : SQLITE_ERROR;
		if (rc == SQLITE_DONE)
			continue;
		err = statement != NULL ? statement_error(db, error) : error->code;
		if (rc == SQLITE_INTERRUPT && cancelled(user))
			err = QPOOL_ECANCEL;
	}
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return err;
}

/* The adapter's EDENIED: not the moment's fault.  The probe's own are told by SQLite's code. */
static bool
wrong_target(const qpool_error *error)
{
	int primary = atoi(error->native) & 0xff;
	return error->code == QPOOL_EDENIED || error->code == QPOOL_EINVAL ||
	       error->code == QPOOL_ENOTSUP || primary == SQLITE_NOTADB ||
	       primary == SQLITE_CORRUPT;
}

const struct target_kind target_sqlite = {
    .schemes = {"sqlite"},
    .form = "sqlite:PATH",
    .client = client,
    .inspect = inspect,
    .ops = ops,
    .probe = probe,
    .compile = compile,
    .execute = execute,
    .parting = statement_forget,
    .wrong_target = wrong_target,
};
