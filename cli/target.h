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

/* What --reset and --pooler say; NULL: nothing.  The texts are argv's. */
struct target_wishes {
	const char *reset, *pooler;
};

struct target {
	const struct target_kind *kind;
	char *where; /* what follows the scheme and its colon */
	char *shown; /* the URL, secrets blotted out: the only form that may be printed */
	struct target_wishes wishes;
};

/* SQL, cut into statements that one connection has found good. */
struct target_script {
	char **statements;
	size_t count;
};

typedef int target_cancelled_fn(void *user);

struct target_kind {
	const char *schemes[3];      /* the first is its name, NULL is the last */
	const char *form;            /* "sqlite:PATH" */
	const char *usual;           /* what a request runs unless told; NULL: SELECT 1 */
	const char *(*client)(void); /* "SQLite 3.40.1" */
	bool has_wishes;             /* it knows --reset and --pooler */
	bool needs_lease; /* only a lease shows the connection, not its resource by itself */
	/* A URL of this kind that may be shown; NULL without memory.  Or NULL: target_redact does it. */
	char *(*redact)(const char *url);
	/* What can be said without opening: EXIT_OK, or the lines are said and EXIT_BAD. */
	int (*inspect)(const struct target *target);
	/* For qpool_create, by way of a tap.  What the URL says of the pool goes into *options. */
	qpool_err (*ops)(const struct target *target, qpool_options *options, qpool_ops *ops,
	    void **user, qpool_error *error);
	/* Read something that any database of this kind has, and say what the server is: "" if there
	 * is none. */
	qpool_err (*probe)(qpool_lease *lease, char *server, size_t room, qpool_error *error);
	/* Cut SQL into statements and prepare each, running none.  The end of *error's message says which. */
	qpool_err (*compile)(
	    qpool_lease *lease, const char *sql, struct target_script *out, qpool_error *error);
	/* Run them all, every row fetched; ECANCEL when `cancelled` said so meanwhile. */
	qpool_err (*execute)(qpool_lease *lease, const struct target_script *script,
	    target_cancelled_fn *cancelled, void *user, qpool_error *error);
	/* Before each close: let go of what execute keeps on the resource.  Or NULL. */
	void (*parting)(void *resource);
	/* Is this failure the fault of what the URL names, rather than of the moment? */
	bool (*wrong_target)(const qpool_error *error);
};

extern const struct target_kind target_sqlite;
#ifdef CLI_REDIS
extern const struct target_kind target_redis, target_redis_unix;
#define TARGET_REDIS_HELP_ \
	"                    or redis://USER:PASSWORD@HOST/DB or unix:PATH of a Redis\n"
#else
#define TARGET_REDIS_HELP_ ""
#endif
#ifdef CLI_POSTGRES
extern const struct target_kind target_postgres;
#define TARGET_FORMS_HELP_                                                                  \
	"                    or postgresql://USER@HOST/DATABASE, with words for the pool\n" \
	"                    in its query, as in ?pool_max_size=20\n"
#else
#define TARGET_FORMS_HELP_ ""
#endif

#ifdef CLI_SMTP
extern const struct target_kind target_smtp;
#define TARGET_SMTP_HELP_ "                    or smtp://USER:PASSWORD@HOST:PORT, smtps://...\n"
#else
#define TARGET_SMTP_HELP_ ""
#endif

/* For the help of a command: the URLs, and the two options. */
#define TARGET_URL_HELP                                                                            \
	"  URL               sqlite:PATH, sqlite:file:URI or sqlite::memory:\n" TARGET_FORMS_HELP_ \
	    TARGET_SMTP_HELP_ TARGET_REDIS_HELP_
#define TARGET_WISHES_HELP                                                             \
	"      --reset R     PostgreSQL, at a return: none, rollback, smart or full\n" \
	"      --pooler P    PostgreSQL, a pooler before it: none or transaction\n"

/* Take the text of --reset or --pooler.  EXIT_OK, or the line is said and EXIT_BAD. */
int target_take_reset(struct target_wishes *wishes, const char *text);
int target_take_pooler(struct target_wishes *wishes, const char *text);
/* EXIT_OK, or the lines are said and EXIT_BAD.  `command` goes into the advice. */
int target_parse(
    const char *url, const char *command, struct target_wishes wishes, struct target *out);
void target_free(struct target *target);
/* Say that `step` of it failed and why; the value is the exit code. */
int target_failed(const struct target *target, const char *step, const qpool_error *error);
/* Say that the adapter wants nothing of such a URL, and why; the value is the exit code. */
int target_refused(const struct target *target, const qpool_error *error);
/* What a failure on it says, fit to be printed; NULL without memory. */
char *target_message(const struct target *target, const qpool_error *error);
void target_script_free(struct target_script *script);
bool target_script_add(struct target_script *script, const char *sql, size_t length);
/* *error: `why`, with the line of `at` if `sql` has several; returns EINVAL. */
qpool_err target_bad_sql(qpool_error *error, const char *sql, const char *at, const char *why);
/* "SQLite 3.40.1, libpq 15.6" */
void target_clients(char *out, size_t room);
/* A copy with the passwords and keys of URLs and option strings blotted out; NULL without memory. */
char *target_redact(const char *text);
/* In a URL that may be shown: a password whose "@HOST" was forgotten, or whose "@" is another colon, stands where a
 * port should. */
void target_redact_port(char *shown);

#endif
