/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_postgres: postgresql://USER:PASSWORD@HOST/DATABASE?WORDS, as libpq has it, with the adapter's words of
 * the pool.  What the command line says of the same goes before the URL.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <queuepool/postgres.h>

#include "pgtalk.h"
#include "pieces.h"
#include "say.h"

#define PATIENCE QPOOL_SEC(10) /* before the first thread starts */

static const char *
client(void)
{
	static char text[32];
	snprintf(text, sizeof text, "libpq %d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
	return text;
}

static int
inspect(const struct target *target)
{
	if (strncmp(target->where, "//", 2) == 0)
		return EXIT_OK;
	say_bad("%s: two slashes are missing after the colon", target->shown);
	say_try("postgresql://USER@HOST/DATABASE");
	return EXIT_BAD;
}

/* ---- the URL and the command line ------------------------------------------------------ */

/* Take "word=..." out of the URL's query, however often it is there. */
static void
take_out(char *url, const char *word)
{
	size_t length = strlen(word);
	for (char *at = strchr(url, '?'); at != NULL; at = strchr(at, '&')) {
		char *from = at + 1;
		while (strncasecmp(from, word, length) == 0 && from[length] == '=') {
			char *to = from + strcspn(from, "&");
			to += *to == '&';
			memmove(from, to, strlen(to) + 1);
		}
		at++;
	}
}

/* For libpq, without what the command line has its own word on. */
static char *
conninfo_of(const struct target *target)
{
	static const char scheme[] = "postgresql:";
	size_t room = sizeof scheme + strlen(target->where);
	char *text = malloc(room);
	if (text == NULL)
		return NULL;
	snprintf(text, room, "%s%s", scheme, target->where);
	if (target->wishes.reset != NULL)
		take_out(text, "pool_reset");
	if (target->wishes.pooler != NULL)
		take_out(text, "pool_pooler");
	return text;
}

static uint32_t
reset_of(const char *word)
{
	static const struct {
		const char *word;
		uint32_t value;
	} known[] = {
	    {"none", QPOOL_PG_RESET_NONE},
	    {"smart", QPOOL_PG_RESET_SMART},
	    {"full", QPOOL_PG_RESET_FULL},
	};
	for (size_t i = 0; word != NULL && i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(known[i].word, word) == 0)
			return known[i].value;
	}
	return QPOOL_PG_RESET_ROLLBACK;
}

static uint32_t
pooler_of(const char *word)
{
	bool is_there = word != NULL && strcmp(word, "transaction") == 0;
	return is_there ? QPOOL_PG_POOLER_TRANSACTION : QPOOL_PG_POOLER_NONE;
}

static qpool_err
ops(const struct target *target, qpool_options *pool, qpool_ops *out, void **user,
    qpool_error *error)
{
	qpool_pg_options options = qpool_pg_options_init();
	options.reset = reset_of(target->wishes.reset);
	options.pooler = pooler_of(target->wishes.pooler);
	options.application_name = "queuepool";
	char *conninfo = conninfo_of(target);
	qpool_err err = QPOOL_ENOMEM;
	if (conninfo != NULL)
		err = qpool_pg_ops(conninfo, &options, pool, out, user, error);
	else
		error->code = err;
	free(conninfo);
	return err;
}

/* ---- talking --------------------------------------------------------------------------- */

static qpool_err
probe(qpool_lease *lease, char *server, size_t room, qpool_error *error)
{
	struct pgtalk talk;
	qpool_err err = pgtalk_begin(&talk, lease, PATIENCE, error);
	if (err == QPOOL_OK)
		err = pgtalk_run(&talk, "SELECT 1", error);
	if (err != QPOOL_OK)
		return err;
	const char *version = PQparameterStatus(talk.conn, "server_version");
	if (room > 0)
		snprintf(server, room, "PostgreSQL %s", version != NULL ? version : "(unknown)");
	return QPOOL_OK;
}

/* Some failures are not the statement's: no memory, no room, an operator, a broken server or connection. */
static bool
is_the_sql_s(const qpool_error *error)
{
	static const char *const others[] = {"08", "40", "53", "55", "57", "58", "XX"};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (strncmp(error->native, others[i], 2) == 0)
			return false;
	}
	return error->code == QPOOL_EPEER;
}

static qpool_err
compile_one(struct pgtalk *talk, const char *sql, const struct piece *piece,
    struct target_script *out, qpool_error *error)
{
	int parameters;
	const char *fault_at;
	char why[sizeof error->message];
	if (!target_script_add(out, piece->text, piece->length))
		return target_bad_sql(error, sql, piece->text, "out of memory");
	const char *statement = out->statements[out->count - 1];
	qpool_err err = pgtalk_prepare(talk, statement, &parameters, &fault_at, error);
	if (err == QPOOL_OK && parameters > 0)
		return target_bad_sql(error, sql, piece->text,
		    "it has parameters, and nothing is bound to them here");
	if (err == QPOOL_OK || !is_the_sql_s(error))
		return err;
	memcpy(why, error->message, sizeof why);
	return target_bad_sql(error, sql, piece->text + (fault_at - statement), why);
}

static qpool_err
compile_all(struct pgtalk *talk, const char *sql, struct target_script *out, qpool_error *error)
{
	struct piece piece;
	qpool_err err = QPOOL_OK;
	const char *at = sql;
	while (err == QPOOL_OK && pieces_next(&at, &piece))
		err = compile_one(talk, sql, &piece, out, error);
	if (err == QPOOL_OK && out->count == 0)
		err = target_bad_sql(error, "", "", "there is no statement in it");
	return err;
}

/* In a transaction, which keeps a pooler from changing the server between preparing and describing. */
static qpool_err
compile(qpool_lease *lease, const char *sql, struct target_script *out, qpool_error *error)
{
	struct pgtalk talk;
	qpool_error unheard;
	memset(out, 0, sizeof *out);
	qpool_err err = pgtalk_begin(&talk, lease, PATIENCE, error);
	if (err == QPOOL_OK)
		err = pgtalk_run(&talk, "BEGIN", error);
	if (err == QPOOL_OK)
		err = compile_all(&talk, sql, out, error);
	if (talk.conn != NULL && PQtransactionStatus(talk.conn) != PQTRANS_UNKNOWN)
		pgtalk_run(&talk, "ROLLBACK", &unheard);
	if (err != QPOOL_OK)
		target_script_free(out);
	return err;
}

static qpool_err
execute(qpool_lease *lease, const struct target_script *script, target_cancelled_fn *cancelled,
    void *user, qpool_error *error)
{
	struct pgtalk talk;
	qpool_err err = pgtalk_begin(&talk, lease, QPOOL_FOREVER, error);
	talk.cancelled = cancelled;
	talk.user = user;
	for (size_t i = 0; i < script->count && err == QPOOL_OK; i++)
		err = pgtalk_run(&talk, script->statements[i], error);
	return err;
}

static bool
wrong_target(const qpool_error *error)
{
	return error->code == QPOOL_EDENIED || error->code == QPOOL_EINVAL ||
	       error->code == QPOOL_ENOTSUP || strncmp(error->native, "28", 2) == 0 ||
	       strcmp(error->native, "3D000") == 0;
}

/* The library's: it knows what is certain of a URL and hides the rest. */
static char *
redact(const char *url)
{
	char *shown = qpool_pg_redact(url);
	char *copy = shown != NULL ? strdup(shown) : NULL;
	qpool_pg_free(shown);
	return copy;
}

const struct target_kind target_postgres = {
    .schemes = {"postgresql", "postgres"},
    .form = "postgresql://USER@HOST/DATABASE",
    .client = client,
    .has_wishes = true,
    .needs_lease = true,
    .redact = redact,
    .inspect = inspect,
    .ops = ops,
    .probe = probe,
    .compile = compile,
    .execute = execute,
    .wrong_target = wrong_target,
};
