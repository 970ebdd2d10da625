/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * merge: PQconninfo tells the merged words of a connection even if it failed, and
 * PQconnectStartParams reads and checks all words before it looks up a name or opens a socket.  So
 * a last word that is certainly wrong gives the words and nothing else.  It hides what it replaces,
 * so libpq is asked twice:
 *
 *   most:    target_session_attrs is wrong, which libpq looks at after all other words; and the
 *            password is replaced, so that no password file is read
 *   others:  there is one port too many, which libpq sees before it fills in the database's name
 *            or reads a password file: the true password, database and target_session_attrs
 */
#include "merge.h"

#include "fault.h"

#include <stdio.h>
#include <stdlib.h>

static const char poison[] = "!not-by-queuepool!";

enum { MOST_WORDS = 8 };

typedef struct question {
	const char *names[MOST_WORDS], *values[MOST_WORDS];
	size_t count;
} question;

static void
add(question *q, const char *name, const char *value)
{
	q->names[q->count] = name;
	q->values[q->count++] = value;
}

/* The conninfo itself, expanded as PQconnectdb would.  One without '=' would be taken for the name
 * of a database; it is blank, or libpq's parser has refused it. */
static void
add_conninfo(question *q, const char *rest)
{
	if (qp_pg_conninfo_scheme(rest) > 0 || strchr(rest, '=') != NULL)
		add(q, "dbname", rest);
}

static PGconn *
ask(const question *q)
{
	return PQconnectStartParams(q->names, q->values, 1);
}

static const PQconninfoOption *
find(const PQconninfoOption *words, const char *name)
{
	for (; words->keyword != NULL; words++)
		if (strcmp(words->keyword, name) == 0)
			return words;
	return NULL;
}

static const char *
value_in(const PQconninfoOption *words, const char *name)
{
	const PQconninfoOption *word = find(words, name);

	return word != NULL && word->val != NULL && word->val[0] != '\0' ? word->val : NULL;
}

const char *
qp_pg_merge_value(const qp_pg_merged *merged, const char *name)
{
	static const char *const elsewhere[] = {"password", "dbname", "target_session_attrs"};

	for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
		if (strcmp(name, elsewhere[i]) == 0)
			return value_in(merged->others, name);
	return value_in(merged->most, name);
}

const char *
qp_pg_merge_compiled(const qp_pg_merged *merged, const char *name)
{
	const PQconninfoOption *word = find(merged->most, name);

	return word != NULL ? word->compiled : NULL;
}

/* ---- what libpq says ---- */

static qpool_err
no_memory(qpool_error *error)
{
	(void)qp_pg_fault_say(error, QPOOL_ENOMEM, "no memory to read the conninfo");
	return QPOOL_ENOMEM;
}

/* Does the message quote a value that may be, or hold, a secret?  Its quotes are those of the
 * user's language, so it is searched for the values themselves. */
static bool
quotes(const char *message, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0' || strstr(message, value) == NULL)
		return false;
	return strstr(name, "password") != NULL || !qp_pg_conninfo_is_plain(value);
}

static bool
is_safe(const char *message, const qp_pg_conninfo *conninfo, const PQconninfoOption *words)
{
	for (size_t i = 0; i < conninfo->count; i++)
		if (quotes(message, conninfo->words[i].name, conninfo->words[i].value))
			return false;
	for (; words != NULL && words->keyword != NULL; words++)
		if (quotes(message, words->keyword, words->val))
			return false;
	return true;
}

static qpool_err
refused(PGconn *conn, const qp_pg_conninfo *conninfo, qpool_error *error)
{
	PQconninfoOption *words = PQconninfo(conn);
	char *message = PQerrorMessage(conn);
	char line[160];

	if (is_safe(message, conninfo, words)) {
		(void)snprintf(line, sizeof line, "%s", message);
		line[strcspn(line, "\n")] = '\0';
		(void)qp_pg_fault_say(error, QPOOL_EINVAL,
		    "libpq refuses the conninfo: %s; mend it, its service file or the PG* variable",
		    line);
	} else {
		(void)qp_pg_fault_say(error, QPOOL_EINVAL,
		    "libpq refuses the conninfo: a value, not shown as it may hold a password, is "
		    "none that its option can have; mend it, its service file or the PG* variable");
	}
	PQconninfoFree(words);
	return QPOOL_EINVAL;
}

/* ---- names ---- */

/* Libpq's own message would show the name, which may be the rest of a password with a blank. */
static qpool_err
check_names(const qp_pg_conninfo *conninfo, const PQconninfoOption *all, qpool_error *error)
{
	bool is_uri = qp_pg_conninfo_scheme(conninfo->rest) > 0;

	for (size_t i = 0; i < conninfo->count; i++) {
		const char *name = conninfo->words[i].name, *nearest;
		if (qp_pg_conninfo_is_ours(name) || find(all, name) != NULL ||
		    strcmp(name, "requiressl") == 0 || (is_uri && strcmp(name, "ssl") == 0))
			continue;
		if (qp_pg_conninfo_knows(name))
			return qp_pg_fault_say(error, QPOOL_EINVAL,
			    "word %zu of the conninfo, %s, is no option of this libpq (%d); it "
			    "must be one, in small letters, or begin with pool_",
			    i + 1, name, PQlibVersion());
		nearest = qp_pg_conninfo_nearest(name);
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "word %zu of the conninfo is no option of libpq%s%s; it must be one, or begin "
		    "with pool_, and a value with blanks or quotes must stand 'in quotes'",
		    i + 1, nearest != NULL ? ": do you mean " : "", nearest != NULL ? nearest : "");
	}
	return QPOOL_OK;
}

/* What libpq's parser says quotes the text, so it is not repeated. */
static qpool_err
check_syntax(const qp_pg_conninfo *conninfo, qpool_error *error)
{
	PQconninfoOption *all = PQconninfoParse("", NULL);
	PQconninfoOption *words;
	qpool_err err;

	if (all == NULL)
		return no_memory(error);
	err = check_names(conninfo, all, error);
	PQconninfoFree(all);
	if (err != QPOOL_OK)
		return err;
	words = PQconninfoParse(conninfo->rest, NULL);
	if (words == NULL)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "libpq cannot read the conninfo; a URI must be "
		    "postgresql://user:password@host:port/database?name=value, where the letters @ "
		    ": / ? %% in a part are written %%40 %%3A %%2F %%3F %%25");
	PQconninfoFree(words);
	return QPOOL_OK;
}

/* ---- the questions ---- */

static qpool_err
ask_most(qp_pg_merged *out, const qp_pg_conninfo *conninfo, qpool_error *error)
{
	question q = {.count = 0};
	PGconn *conn;
	qpool_err err = QPOOL_OK;

	add_conninfo(&q, conninfo->rest);
	add(&q, "password", poison);
	add(&q, "target_session_attrs", poison);
	conn = ask(&q);
	if (conn == NULL)
		return no_memory(error);
	if (strstr(PQerrorMessage(conn), poison) == NULL)
		err = refused(conn, conninfo, error);
	else if ((out->most = PQconninfo(conn)) == NULL)
		err = no_memory(error);
	PQfinish(conn);
	return err;
}

static size_t
count_elements(const char *list)
{
	size_t count = 1;

	for (; list != NULL && *list != '\0'; list++)
		count += *list == ',';
	return count;
}

/* As many ports as there are hosts, and one more; NULL without memory. */
static char *
too_many_ports(const qp_pg_merged *merged)
{
	const char *addresses = value_in(merged->most, "hostaddr");
	size_t commas =
	    count_elements(addresses != NULL ? addresses : value_in(merged->most, "host"));
	char *ports = malloc(commas + 1);

	if (ports != NULL) {
		memset(ports, ',', commas);
		ports[commas] = '\0';
	}
	return ports;
}

/* sslmode is a second lock: should the ports fit after all, libpq refuses it before it connects. */
static qpool_err
ask_others(qp_pg_merged *out, const qp_pg_conninfo *conninfo, qpool_error *error)
{
	question q = {.count = 0};
	char *ports = too_many_ports(out);
	PGconn *conn;

	add_conninfo(&q, conninfo->rest);
	add(&q, "port", ports);
	add(&q, "sslmode", poison);
	conn = ports != NULL ? ask(&q) : NULL;
	free(ports);
	if (conn != NULL)
		out->others = PQconninfo(conn);
	PQfinish(conn);
	return out->others != NULL ? QPOOL_OK : no_memory(error);
}

/* Two hosts without a name: libpq says where the first one is. */
static qpool_err
ask_default_host(qp_pg_merged *out, qpool_error *error)
{
	question q = {.count = 0};
	PGconn *conn;
	const char *host;
	bool is_known;

	add(&q, "host", ",");
	add(&q, "hostaddr", ",");
	add(&q, "port", ",");
	add(&q, "password", poison);
	add(&q, "target_session_attrs", poison);
	conn = ask(&q);
	host = conn != NULL ? PQhost(conn) : NULL;
	is_known = host != NULL && host[0] != '\0';
	if (is_known)
		out->default_host = strdup(host);
	PQfinish(conn);
	return is_known && out->default_host == NULL ? no_memory(error) : QPOOL_OK;
}

qpool_err
qp_pg_merge(qp_pg_merged *out, const qp_pg_conninfo *conninfo, qpool_error *error)
{
	qp_pg_merged merged = {0};
	qpool_err err;

	if ((err = check_syntax(conninfo, error)) == QPOOL_OK &&
	    (err = ask_most(&merged, conninfo, error)) == QPOOL_OK &&
	    (err = ask_others(&merged, conninfo, error)) == QPOOL_OK &&
	    (err = ask_default_host(&merged, error)) == QPOOL_OK) {
		*out = merged;
		return QPOOL_OK;
	}
	qp_pg_merge_free(&merged);
	return err;
}

void
qp_pg_merge_free(qp_pg_merged *merged)
{
	PQconninfoFree(merged->most);
	PQconninfoFree(merged->others);
	free(merged->default_host);
	memset(merged, 0, sizeof *merged);
}
