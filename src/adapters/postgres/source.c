/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: puts together what the rooms behind it read: conninfo (the text), option (the options),
 * merge (libpq's words), hosts (where to) and settings (the texts for the server).
 */
#include "source.h"

#include "conninfo.h"
#include "fault.h"
#include "hosts.h"
#include "merge.h"
#include "option.h"
#include "resolve.h"
#include "settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* What is said where the user said nothing. */
static const struct {
	const char *name, *value;
} keepalives[] = {{"keepalives", "1"}, {"keepalives_idle", "30"}, {"keepalives_interval", "10"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "15000"}};

/* How many words come beside libpq's own. */
enum { EXTRA = 2 };

typedef struct make {
	qp_pg_source *source;
	qpool_options *pool; /* a copy, as long as the caller's, zero beyond */
	qp_pg_conninfo conninfo;
	qp_pg_merged merged;
	qpool_error *error;
} make;

static qpool_err
no_memory(const make *m)
{
	return qp_pg_fault_say(
	    m->error, QPOOL_ENOMEM, "no memory for a pool of PostgreSQL connections");
}

/* NULL stays NULL. */
static bool
copy(char **to, const char *text)
{
	*to = text != NULL ? strdup(text) : NULL;
	return text == NULL || *to != NULL;
}

/* ---- options ---- */

static qpool_err
read_words(make *m, qpool_pg_options *options)
{
	const qp_pg_word *words = m->conninfo.words;
	qpool_err err;

	for (size_t i = 0; i < m->conninfo.count; i++) {
		if (!qp_pg_conninfo_is_ours(words[i].name))
			continue;
		err = qp_pg_option_word(options, m->pool, &words[i], m->error);
		if (err != QPOOL_OK)
			return err;
		/* It is known, so it may be shown. */
		for (size_t j = 0; j < i; j++)
			if (strcmp(words[i].name, words[j].name) == 0)
				return qp_pg_fault_say(m->error, QPOOL_EINVAL,
				    "%s is given twice; it must be given once", words[i].name);
	}
	return QPOOL_OK;
}

static bool
copy_statements(qpool_pg_options *options)
{
	const char *const *given = options->at_connect;
	size_t count = 0;
	char **list;

	options->at_connect = NULL;
	if (given == NULL || given[0] == NULL)
		return true;
	while (given[count] != NULL)
		count++;
	list = calloc(count + 1, sizeof *list);
	options->at_connect = (const char *const *)list;
	for (size_t i = 0; list != NULL && i < count; i++)
		if (!copy(&list[i], given[i]))
			return false;
	return list != NULL;
}

/* A lease is short beside the switch to another thread, so that newcomers may overtake for longer than
 * the pool's own default: by measurement (bench W6).  The pooler's own limits are an hour and ten
 * minutes: a session of ours must end before. */
static void
fill_defaults(qpool_options *pool, const qpool_pg_options *options)
{
	if (pool->max_overtake == 0)
		pool->max_overtake = QPOOL_MSEC(3);
	if (options->pooler != QPOOL_PG_POOLER_TRANSACTION)
		return;
	if (pool->max_age == 0)
		pool->max_age = QPOOL_SEC(25 * 60);
	if (pool->max_idle == 0)
		pool->max_idle = QPOOL_SEC(5 * 60);
}

static qpool_err
read_options(make *m, const qpool_pg_options *given)
{
	qp_pg_source *source = m->source;
	qpool_pg_options options;
	const char *name;
	qpool_err err;

	if ((err = qp_pg_option_read(&options, given, m->error)) != QPOOL_OK ||
	    (err = read_words(m, &options)) != QPOOL_OK ||
	    (err = qp_pg_option_check(&options, m->error)) != QPOOL_OK)
		return err;
	name = options.application_name;
	options.application_name = NULL;
	source->options = options;
	source->call_timeout = options.call_timeout != 0 ? options.call_timeout : QPOOL_FOREVER;
	fill_defaults(m->pool, &options);
	if (name != NULL && name[0] != '\0' &&
	    (source->options.application_name = strdup(name)) == NULL) {
		source->options.at_connect = NULL;
		return no_memory(m);
	}
	return copy_statements(&source->options) ? QPOOL_OK : no_memory(m);
}

/* ---- libpq's words ---- */

static bool
add(qp_pg_source *source, const char *name, const char *value)
{
	size_t at = source->word_count;

	if (value == NULL || value[0] == '\0')
		return true;
	source->word_count++;
	return copy(&source->keywords[at], name) && copy(&source->values[at], value);
}

/* Words that are said otherwise.  The service has been read: named again, its file would be read at
 * each connect. */
static bool
is_apart(const char *name)
{
	static const char *const apart[] = {"host", "hostaddr", "port", "service", "servicefile",
	    "options", "target_session_attrs", "application_name", "fallback_application_name"};

	for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
		if (strcmp(name, apart[i]) == 0)
			return true;
	return false;
}

static const char *
default_value(const char *name)
{
	for (size_t i = 0; i < sizeof keepalives / sizeof keepalives[0]; i++)
		if (strcmp(name, keepalives[i].name) == 0)
			return keepalives[i].value;
	return NULL;
}

static bool
add_names(const make *m)
{
	const char *name = qp_pg_merge_value(&m->merged, "application_name");
	const char *fallback = qp_pg_merge_value(&m->merged, "fallback_application_name");
	const char *pool = m->pool->name != NULL ? m->pool->name : m->pool->name_text;

	if (name == NULL)
		name = m->source->options.application_name;
	if (fallback == NULL)
		fallback = pool[0] != '\0' ? pool : "queuepool";
	return add(m->source, "application_name", name) &&
	       add(m->source, "fallback_application_name", fallback);
}

static qpool_err
add_startup(make *m)
{
	qp_pg_source *source = m->source;
	const char *given = qp_pg_merge_value(&m->merged, "options");

	if (source->options.pooler == QPOOL_PG_POOLER_TRANSACTION && given != NULL)
		return qp_pg_fault_say(m->error, QPOOL_EINVAL,
		    "options is given (in the conninfo, its service or PGOPTIONS), which a pooler "
		    "in transaction mode refuses; leave it out, or pooler at none");
	if (!qp_pg_settings_startup(&source->options, given, &source->options_word) ||
	    !add(source, "options", source->options_word))
		return no_memory(m);
	return QPOOL_OK;
}

static qpool_err
add_words(make *m)
{
	qp_pg_source *source = m->source;
	const char *attrs = qp_pg_merge_value(&m->merged, "target_session_attrs");
	size_t room = EXTRA + 1;

	for (const PQconninfoOption *word = m->merged.most; word->keyword != NULL; word++)
		room++;
	source->keywords = calloc(room, sizeof *source->keywords);
	source->values = calloc(room, sizeof *source->values);
	if (source->keywords == NULL || source->values == NULL)
		return no_memory(m);
	for (const PQconninfoOption *word = m->merged.most; word->keyword != NULL; word++) {
		const char *value = qp_pg_merge_value(&m->merged, word->keyword);
		if (value == NULL)
			value = default_value(word->keyword);
		if (!is_apart(word->keyword) && !add(source, word->keyword, value))
			return no_memory(m);
	}
	source->prefers_standby = attrs != NULL && strcmp(attrs, "prefer-standby") == 0;
	if (!add_names(m) ||
	    (!source->prefers_standby && !add(source, "target_session_attrs", attrs)))
		return no_memory(m);
	return add_startup(m);
}

/* ---- values that libpq looks at only when it connects ---- */

static qpool_err
bad_value(const make *m, const char *name, const char *value, const char *must)
{
	bool shown = qp_pg_conninfo_is_plain(value);

	return qp_pg_fault_say(m->error, QPOOL_EINVAL,
	    "%s is %s%s%s; it must be %s (it comes from the conninfo, its service file or a PG* "
	    "variable)",
	    name, shown ? "'" : "not", shown ? value : " understood", shown ? "'" : "", must);
}

static bool
read_int(const char *text, int *out)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || end[strspn(end, " \t\n\v\f\r")] != '\0' || errno != 0 ||
	    value < INT_MIN || value > INT_MAX)
		return false;
	*out = (int)value;
	return true;
}

static qpool_err
check_numbers(const make *m)
{
	static const char *const names[] = {"connect_timeout", "keepalives", "keepalives_idle",
	    "keepalives_interval", "keepalives_count", "tcp_user_timeout"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = qp_pg_merge_value(&m->merged, names[i]);
		int number;
		if (value != NULL && !read_int(value, &number))
			return bad_value(m, names[i], value, "a whole number");
	}
	return QPOOL_OK;
}

static qpool_err
check_attrs(const make *m)
{
	static const char *const known[] = {
	    "any", "read-write", "read-only", "primary", "standby", "prefer-standby"};
	const char *value = qp_pg_merge_value(&m->merged, "target_session_attrs");

	if (value == NULL)
		return QPOOL_OK;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(value, known[i]) == 0)
			return QPOOL_OK;
	return bad_value(m, "target_session_attrs", value,
	    "any, read-write, read-only, primary, standby or prefer-standby");
}

/* libpq counts 1 as 2: a second may be over as soon as it has begun. */
static void
read_connect_timeout(const make *m)
{
	const char *value = qp_pg_merge_value(&m->merged, "connect_timeout");
	int seconds = 0;

	if (value != NULL)
		(void)read_int(value, &seconds);
	m->source->connect_timeout = seconds <= 0   ? QPOOL_FOREVER
	                             : seconds == 1 ? QPOOL_SEC(2)
	                                            : QPOOL_SEC(seconds);
}

/* ---- what is made of them ---- */

/* For people.  A text with the signs of a URI or with quotes may be the rest of a password. */
static bool
write_database(const make *m)
{
	const char *name = qp_pg_merge_value(&m->merged, "dbname");

	if (name == NULL)
		name = qp_pg_merge_value(&m->merged, "user");
	if (name == NULL)
		name = "";
	if (strpbrk(name, "@:/?&=#'\"\\") != NULL)
		name = "****";
	if (!copy(&m->source->database, name))
		return false;
	qp_pg_fault_clean(m->source->database);
	return true;
}

static bool
write_texts(const make *m)
{
	char begin[QP_PG_BEGIN_ROOM];

	qp_pg_source_begin(m->source, 0, 0, begin, sizeof begin);
	return copy(&m->source->begin, begin) && write_database(m);
}

static qpool_err
read_conninfo(make *m, const char *conninfo, const qpool_pg_options *given)
{
	qpool_err err;

	if (conninfo == NULL)
		return qp_pg_fault_say(m->error, QPOOL_EINVAL,
		    "conninfo is NULL; it must be words, a URI, or \"\" for what the PG* variables "
		    "say");
	if ((err = qp_pg_conninfo_split(&m->conninfo, conninfo, m->error)) != QPOOL_OK ||
	    (err = read_options(m, given)) != QPOOL_OK ||
	    (err = qp_pg_merge(&m->merged, &m->conninfo, m->error)) != QPOOL_OK ||
	    (err = check_numbers(m)) != QPOOL_OK || (err = check_attrs(m)) != QPOOL_OK ||
	    (err = qp_pg_hosts_read(
		 &m->source->hosts, &m->source->host_count, &m->merged, m->error)) != QPOOL_OK ||
	    (err = add_words(m)) != QPOOL_OK)
		return err;
	read_connect_timeout(m);
	m->source->resolver = qp_pg_resolver_make();
	return m->source->resolver != NULL && write_texts(m) ? QPOOL_OK : no_memory(m);
}

/* The pool's options may be of another version, longer or shorter than ours: they are copied as
 * they are, and our fields are in the copy in any case. */
static qpool_err
copy_pool(make *m, qpool_options *pool)
{
	/* Does nothing but look at the size. */
	qpool_err err = qpool_options_parse(pool, NULL, m->error);

	if (err != QPOOL_OK)
		return err;
	m->pool = calloc(1, pool->size > sizeof *pool ? pool->size : sizeof *pool);
	if (m->pool == NULL)
		return no_memory(m);
	memcpy(m->pool, pool, pool->size);
	return QPOOL_OK;
}

qpool_err
qp_pg_source_make(qp_pg_source **out, const char *conninfo, const qpool_pg_options *given,
    qpool_options *pool, qpool_error *error)
{
	make m = {.error = error};
	qpool_err err = copy_pool(&m, pool);

	if (err == QPOOL_OK) {
		m.source = calloc(1, sizeof *m.source);
		err = m.source != NULL ? read_conninfo(&m, conninfo, given) : no_memory(&m);
	}
	if (err == QPOOL_OK) {
		atomic_init(&m.source->epochs, 0);
		memcpy(pool, m.pool, pool->size);
		*out = m.source;
	} else {
		qp_pg_source_free(m.source);
	}
	qp_pg_merge_free(&m.merged);
	qp_pg_conninfo_free(&m.conninfo);
	free(m.pool);
	return err;
}

static void
free_list(char **list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++)
		free(list[i]);
	free(list);
}

static void
free_options(qpool_pg_options *options)
{
	char **list = (char **)(uintptr_t)options->at_connect;

	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
	free((char *)(uintptr_t)options->application_name);
}

void
qp_pg_source_free(qp_pg_source *source)
{
	if (source == NULL)
		return;
	free_list(source->keywords, source->word_count);
	free_list(source->values, source->word_count);
	qp_pg_hosts_free(source->hosts, source->host_count);
	free_options(&source->options);
	free(source->begin);
	free(source->options_word);
	free(source->database);
	if (source->resolver != NULL)
		qp_pg_resolver_free(source->resolver);
	free(source);
}

void
qp_pg_source_begin(
    const qp_pg_source *source, uint32_t isolation_level, uint32_t flags, char *out, size_t room)
{
	qp_pg_settings_begin(&source->options, isolation_level, flags, out, room);
}
