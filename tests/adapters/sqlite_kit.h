/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_kit: a folder of its own for each test, and short words for what the adapter's tests
 * say often.  Every database in here is a real one.
 */
#ifndef SQLITE_KIT_H
#define SQLITE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <queuepool/sqlite.h>

/* Of one test: made by kit_begin, taken away by kit_end however the test ended. */
typedef struct kit {
	char folder[64];
	char path[96];     /* folder/bank.db; no file yet */
	qpool_ops ops;     /* of the last kit_ops */
	void *user;        /* or NULL */
	sqlite3 *db[16];   /* opened by kit_open, closed by kit_close or at the end */
	qpool_error error; /* of the last failure */
} kit;

int kit_begin(void **state);
int kit_end(void **state);
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, kit_begin, kit_end)

/* folder/name, in a buffer that the fourth next call uses again. */
const char *kit_file(const kit *k, const char *name);
void kit_write_file(const char *path, const void *bytes, size_t length);

/* Make the ops; fails the test when they cannot be made. */
void kit_ops(kit *k, const char *target, const qpool_sqlite_options *options);
/* Run ops.open; kit_open fails the test unless it opens, kit_refused unless it is refused. */
qpool_err kit_try(kit *k, qpool_nsec budget, sqlite3 **out);
sqlite3 *kit_open(kit *k);
void kit_refused(kit *k, qpool_err code, int native, const char *words);
qpool_err kit_check(kit *k, sqlite3 *db);
qpool_err kit_reset(kit *k, sqlite3 *db);
void kit_close(kit *k, sqlite3 *db);

/* A connection beside the pool's, with no busy timeout; kit_other_close ends it. */
sqlite3 *kit_other(const char *path);
void kit_other_close(sqlite3 *db);

/* Run SQL; kit_sql fails the test unless it succeeds. */
int kit_exec(sqlite3 *db, const char *sql);
void kit_sql(sqlite3 *db, const char *sql);
sqlite3_stmt *kit_prepare(sqlite3 *db, const char *sql);
/* The first column of the first row; INT64_MIN when there is no row. */
int64_t kit_number(sqlite3 *db, const char *sql);
void kit_assert_text(sqlite3 *db, const char *sql, const char *expected);
/* One sentence: no line break, the words in it. */
void kit_assert_says(const qpool_error *error, const char *words);
void kit_assert_hides(const qpool_error *error, const char *secret);

/* Become a user whom permissions bind, and the old one again; false: not possible here. */
bool kit_become_nobody(const kit *k);
void kit_become_self(void);

#endif
