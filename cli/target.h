/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target: what a URL on the command line names.  Each kind of database is one table of functions in a
 * file of its own, target_<kind>.c; the commands know only this header.
 *
 * A target is never created and never changed by looking at it: what does not exist is an error.
 */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include <queuepool.h>

#define TARGET_SCRIPT_MAX ((size_t)1 << 20) /* bytes of SQL */

struct target_kind;

struct target {
	const struct target_kind *kind;
	char *where; /* what follows the scheme and its colon */
	char *shown; /* the URL, secrets blotted out: the only form that may be printed */
};

/* SQL, cut into statements that one connection has found good. */
struct target_script {
	char **statements;
	size_t count;
};

typedef int target_cancelled_fn(void *user);

struct target_kind {
	const char *scheme;
	const char *form;            /* "sqlite:PATH" */
	const char *(*client)(void); /* "SQLite 3.40.1" */
	/* What can be said without opening: EXIT_OK, or the lines are said and EXIT_BAD. */
	int (*inspect)(const struct target *target);
	/* For qpool_create, by way of a tap. */
	qpool_err (*ops)(
	    const struct target *target, qpool_ops *ops, void **user, qpool_error *error);
	/* Read something that any database of this kind has. */
	qpool_err (*probe)(void *resource, qpool_error *error);
	/* Cut SQL into statements and prepare each, running none.  The end of *error's message says which. */
	qpool_err (*compile)(
	    void *resource, const char *sql, struct target_script *out, qpool_error *error);
	/* Run them all, every row fetched; ECANCEL when `cancelled` said so meanwhile. */
	qpool_err (*execute)(void *resource, const struct target_script *script,
	    target_cancelled_fn *cancelled, void *user, qpool_error *error);
	/* Before each close: let go of what execute keeps on the resource. */
	void (*parting)(void *resource);
	/* Is this failure the fault of what the URL names, rather than of the moment? */
	bool (*wrong_target)(const qpool_error *error);
};

extern const struct target_kind target_sqlite;

/* EXIT_OK, or the lines are said and EXIT_BAD.  `command` goes into the advice. */
int target_parse(const char *url, const char *command, struct target *out);
void target_free(struct target *target);
/* Say that `step` of it failed and why; the value is the exit code. */
int target_failed(const struct target *target, const char *step, const qpool_error *error);
void target_script_free(struct target_script *script);
/* A copy with the passwords and keys of URLs and option strings blotted out; NULL without memory. */
char *target_redact(const char *text);

#endif
