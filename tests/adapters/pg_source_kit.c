/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_source_kit: what stands in for the C library counts and refuses.
 */
#include "pg_source_kit.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned opened;

/* The program's own come before the C library's, for libpq too. */
QPOOL_API int kit_socket(int domain, int type, int protocol) __asm__("socket");
QPOOL_API int kit_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **out) __asm__("getaddrinfo");

int
kit_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	opened++;
	errno = EACCES;
	return -1;
}

int
kit_getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	(void)name;
	(void)service;
	(void)hints;
	(void)out;
	opened++;
	return EAI_FAIL;
}

static char folder[64];

static const char *const variables[] = {"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER",
    "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGOPTIONS",
    "PGAPPNAME", "PGSSLMODE", "PGTARGETSESSIONATTRS", "PGCONNECT_TIMEOUT", "PGCLIENTENCODING",
    "PGCHANNELBINDING", "PGREQUIREPEER", "PGGSSENCMODE", "PGSSLCERT", "PGSSLKEY", "PGKRBSRVNAME"};

int
source_kit_begin(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(variables); i++)
		(void)unsetenv(variables[i]);
	(void)setenv("PGUSER", "me", 1);
	(void)snprintf(folder, sizeof folder, "/tmp/pg_options.XXXXXX");
	opened = 0;
	return mkdtemp(folder) == NULL;
}

int
source_kit_end(void **state)
{
	char path[96];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/file", folder);
	(void)unlink(path);
	(void)rmdir(folder);
	return source_kit_opened() != 0;
}

unsigned
source_kit_opened(void)
{
	unsigned count = opened;

	opened = 0;
	return count;
}

/* folder/file with this text, and its path. */
const char *
source_kit_file(const char *text)
{
	static char path[96];
	FILE *out;

	(void)snprintf(path, sizeof path, "%s/file", folder);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	return path;
}

qp_pg_source *
made_for(const char *conninfo, const qpool_pg_options *options, qpool_options *pool)
{
	qp_pg_source *source = NULL;
	qpool_error error;

	if (qp_pg_source_make(&source, conninfo, options, pool, &error) != QPOOL_OK)
		fail_msg("\"%s\" is refused: %s", conninfo, error.message);
	assert_null(source->keywords[source->word_count]);
	assert_null(source->values[source->word_count]);
	return source;
}

qp_pg_source *
made(const char *conninfo, const qpool_pg_options *options)
{
	qpool_options pool = qpool_options_init();

	return made_for(conninfo, options, &pool);
}

void
accepted(const char *conninfo, const qpool_pg_options *options)
{
	qp_pg_source_free(made(conninfo, options));
}

/* Refused with these words, no secret in them, and nothing is changed. */
void
refused(const char *conninfo, const qpool_pg_options *options, qpool_err code, const char *words)
{
	qpool_options pool = qpool_options_init(), before;
	qp_pg_source *source = (void *)&pool;
	qpool_error error;

	pool.max_size = 7;
	before = pool;
	assert_int_equal(qp_pg_source_make(&source, conninfo, options, &pool, &error), code);
	assert_int_equal(error.code, code);
	if (strstr(error.message, words) == NULL || strstr(error.message, SECRET) != NULL)
		fail_msg("\"%s\" said \"%s\", not \"%s\"", conninfo, error.message, words);
	assert_memory_equal(&pool, &before, sizeof pool);
	assert_ptr_equal(source, &pool);
	assert_int_equal(qp_pg_source_make(&source, conninfo, options, &pool, NULL), code);
}

/* The value of a word, or NULL; no word is there twice. */
static const char *
word(const qp_pg_source *source, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < source->word_count; i++)
		if (strcmp(source->keywords[i], name) == 0) {
			assert_null(value);
			value = source->values[i];
		}
	return value;
}

void
has(const qp_pg_source *source, const char *name, const char *value)
{
	const char *found = word(source, name);

	if (value == NULL ? found != NULL : found == NULL || strcmp(found, value) != 0)
		fail_msg("%s is %s, not %s", name, found != NULL ? found : "absent",
		    value != NULL ? value : "absent");
}
