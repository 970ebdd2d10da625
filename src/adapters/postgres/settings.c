/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settings: one writer that never passes the end of its buffer, and the two texts.
 */
#include "settings.h"

#include "option.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct writer {
	char *out;
	size_t at, room;
} writer;

__attribute__((format(printf, 2, 3))) static void
write_text(writer *w, const char *format, ...)
{
	va_list arguments;
	int length;

	if (w->at >= w->room)
		return;
	va_start(arguments, format);
	length = vsnprintf(w->out + w->at, w->room - w->at, format, arguments);
	va_end(arguments);
	w->at = length < 0 ? w->room : w->at + (size_t)length;
}

/* A blank that ends no word of `options` must have a backslash. */
static const char *const escaped_levels[] = {
    NULL, "read\\ uncommitted", "read\\ committed", "repeatable\\ read", "serializable"};
static const char *const levels[] = {
    NULL, "READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};

static void
write_limits(writer *w, const qpool_pg_options *options, const char *before, const char *between)
{
	const struct {
		const char *name;
		qpool_nsec span;
	} limits[] = {{"statement_timeout", options->statement_timeout},
	    {"lock_timeout", options->lock_timeout},
	    {"idle_in_transaction_session_timeout", options->idle_in_transaction_session_timeout}};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		int64_t msec = qp_pg_option_msec(limits[i].span);
		if (msec >= 0)
			write_text(w, "%s%s%s%" PRId64, before, limits[i].name, between, msec);
	}
}

static void
write_startup(writer *w, const qpool_pg_options *options)
{
	if (options->isolation_level != QPOOL_PG_ISOLATION_DEFAULT)
		write_text(w, " -c default_transaction_isolation=%s",
		    escaped_levels[options->isolation_level]);
	if ((options->flags & (QPOOL_PG_READ_ONLY | QPOOL_PG_READ_WRITE)) != 0)
		write_text(w, " -c default_transaction_read_only=%s",
		    (options->flags & QPOOL_PG_READ_ONLY) != 0 ? "on" : "off");
	if ((options->flags & QPOOL_PG_DEFERRABLE) != 0)
		write_text(w, " -c default_transaction_deferrable=on");
	write_limits(w, options, " -c ", "=");
}

bool
qp_pg_settings_startup(const qpool_pg_options *options, const char *given, char **out)
{
	enum { OURS = 400 };
	const char *user = given != NULL ? given : "";
	writer w = {.room = strlen(user) + OURS};

	*out = NULL;
	w.out = malloc(w.room);
	if (w.out == NULL)
		return false;
	write_text(&w, "%s", user);
	if (options->pooler == QPOOL_PG_POOLER_NONE)
		write_startup(&w, options);
	if (w.at == 0) {
		free(w.out);
		return true;
	}
	if (user[0] == '\0')
		memmove(w.out, w.out + 1, w.at);
	*out = w.out;
	return true;
}

void
qp_pg_settings_begin(const qpool_pg_options *options, uint32_t isolation_level, uint32_t flags,
    char *out, size_t room)
{
	const uint32_t access = QPOOL_PG_READ_ONLY | QPOOL_PG_READ_WRITE;
	bool travels = options->pooler == QPOOL_PG_POOLER_TRANSACTION;
	writer w = {.room = room};

	w.out = out;
	if (travels && isolation_level == QPOOL_PG_ISOLATION_DEFAULT)
		isolation_level = options->isolation_level;
	if (travels && (flags & access) == 0)
		flags |= options->flags & access;
	if (travels)
		flags |= options->flags & QPOOL_PG_DEFERRABLE;
	write_text(&w, "BEGIN");
	if (isolation_level != QPOOL_PG_ISOLATION_DEFAULT)
		write_text(&w, " ISOLATION LEVEL %s", levels[isolation_level]);
	if ((flags & access) != 0)
		write_text(&w, (flags & QPOOL_PG_READ_ONLY) != 0 ? " READ ONLY" : " READ WRITE");
	if ((flags & QPOOL_PG_DEFERRABLE) != 0)
		write_text(&w, " DEFERRABLE");
	if (travels)
		write_limits(&w, options, "; SET LOCAL ", " = ");
}
