/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_source_kit: sources made and refused, with an environment that each test sets up itself.  No
 * server: this program's own socket() and getaddrinfo() see to it that nothing is opened.
 */
#ifndef PG_SOURCE_KIT_H
#define PG_SOURCE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "adapters/postgres/source.h"

#define COUNT_OF(rows) (sizeof(rows) / sizeof(rows)[0])
#define SECRET         "S3cret"

/* Of each test: no PG* variable but PGUSER=me; at its end nothing may have been opened. */
int source_kit_begin(void **state);
int source_kit_end(void **state);
#define SOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, source_kit_begin, source_kit_end)

/* How often a socket or a name was asked for since; forgets it. */
unsigned source_kit_opened(void);

/* A file with this text in a folder of the test's own: its path. */
const char *source_kit_file(const char *text);
/* Fail the test when it is refused.  Yours to free. */
qp_pg_source *made_for(const char *conninfo, const qpool_pg_options *options, qpool_options *pool);
qp_pg_source *made(const char *conninfo, const qpool_pg_options *options);
void accepted(const char *conninfo, const qpool_pg_options *options);
/* Refused with these words, no secret in them, and nothing is changed. */
void refused(
    const char *conninfo, const qpool_pg_options *options, qpool_err code, const char *words);
/* A word for libpq has this value, or with NULL is absent; no word is there twice. */
void has(const qp_pg_source *source, const char *name, const char *value);

#endif
