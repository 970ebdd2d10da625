/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dial: libpq is given one address at a time.  By itself it would look names up inside
 * PQconnectStart, would wait for a silent host until somebody else's time is up, and would never go
 * on to the next one.
 *
 *     for each who (the conninfo's user, or what credentials said; asked once more after 28xxx)
 *       for each round (one; with prefer-standby: standbys, then any)
 *         for each host, for each of its addresses: start, poll ... connected
 *                                                       \... refused: next; EDENIED: no further
 */
#include "dial.h"

#include "fault.h"
#include "forking.h"
#include "resolve.h"
#include "sqlstate.h"
#include "wait.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* One call of qp_pg_dial.  `error` collects what each try said. */
typedef struct dialling {
	const qp_pg_source *source;
	qpool_pg_credentials who;
	PQnoticeReceiver receiver;
	void *about;
	PQnoticeReceiver usual;
	int64_t deadline_ns;
	const char *session_attrs; /* this round's, or NULL: the conninfo's */
	size_t hosts_left;         /* after this one, in all rounds */
	size_t addresses_left;     /* after this one, of this host */
	qpool_error error;
	bool is_one_of_many; /* this try: each has its share of the message */
	bool is_full;        /* some server said so ... */
	char full_native[8]; /* ... with this code */
} dialling;

/* ---- words ---- */

enum { EXTRA_WORDS = 6 }; /* host, hostaddr, port, user, password, target_session_attrs */

static void
add(const char **keywords, const char **values, const char *keyword, const char *value)
{
	size_t at = 0;

	if (value == NULL)
		return;
	while (keywords[at] != NULL && strcmp(keywords[at], keyword) != 0)
		at++;
	keywords[at] = keyword;
	values[at] = value;
}

static PGconn *
start(const dialling *d, const qp_pg_host *host, const char *address)
{
	size_t words = d->source->word_count;
	const char **keywords = calloc(2 * (words + EXTRA_WORDS + 1), sizeof *keywords);
	const char **values = keywords == NULL ? NULL : keywords + words + EXTRA_WORDS + 1;
	PGconn *conn;

	if (keywords == NULL)
		return NULL;
	for (size_t i = 0; i < words; i++)
		add(keywords, values, d->source->keywords[i], d->source->values[i]);
	add(keywords, values, "host", host->host);
	add(keywords, values, "hostaddr", address);
	add(keywords, values, "port", host->port);
	add(keywords, values, "user", d->who.user);
	add(keywords, values, "password", d->who.password);
	add(keywords, values, "target_session_attrs", d->session_attrs);
	qp_pg_forking_enter();
	conn = PQconnectStartParams(keywords, values, 0);
	qp_pg_forking_leave();
	free(keywords);
	return conn;
}

void
qp_pg_dial_end(PGconn *conn)
{
	qp_pg_forking_enter();
	PQfinish(conn);
	qp_pg_forking_leave();
}

/* ---- what is said ---- */

/* Of a message's 240 bytes; the pool adds words of its own. */
enum { WORDS_OF_ALL = 184, PLACE = 128 };

static bool
ends_here(qpool_err err)
{
	return err == QPOOL_OK || err == QPOOL_EDENIED || err == QPOOL_ENOMEM;
}

static void
forget(dialling *d)
{
	memset(&d->error, 0, sizeof d->error);
	d->is_full = false;
}

/* The address of a host that has a name too, or "". */
static const char *
address_beside(const PGconn *conn)
{
	const char *host = PQhost(conn), *address = PQhostaddr(conn);

	return host == NULL || address == NULL || strcmp(host, address) == 0 ? "" : address;
}

/* "host:port", as short as it is clear; of one host with many addresses "host (address):port". */
static void
name_place(const dialling *d, const PGconn *conn, char out[PLACE])
{
	const char *host = PQhost(conn), *port = PQport(conn);
	const char *address = d->source->host_count == 1 ? address_beside(conn) : "";
	bool has_colons = host != NULL && strchr(host, ':') != NULL;

	(void)snprintf(out, PLACE, "%s%.60s%s%s%.45s%s:%.8s", has_colons ? "[" : "",
	    host != NULL && host[0] != '\0' ? host : "local", has_colons ? "]" : "",
	    address[0] != '\0' ? " (" : "", address, address[0] != '\0' ? ")" : "",
	    port != NULL && port[0] != '\0' ? port : "5432");
}

/* What follows `words` when a colon, of any script, has ended libpq's name of the place. */
static const char *
after_colon(const char *words)
{
	const char *narrow = strchr(words, ':'), *wide = strstr(words, "\uff1a");

	if (wide != NULL && (narrow == NULL || wide < narrow))
		return wide + strlen("\uff1a");
	return narrow != NULL ? narrow + 1 : NULL;
}

static const char *
after_place(const char *words, const char *host, const char *port)
{
	const char *at = strstr(words, host);

	at = at == NULL ? NULL : strstr(at + strlen(host), port);
	return at == NULL ? NULL : after_colon(at + strlen(port));
}

/* Without the place, which libpq names before each try of a connect, by its address if it was given
 * one; the last try counts. */
static const char *
gist(const char *words, const PGconn *conn)
{
	const char *host = PQhost(conn), *address = PQhostaddr(conn), *port = PQport(conn), *at;

	if (address != NULL && address[0] != '\0')
		host = address;
	if (host == NULL || host[0] == '\0' || port == NULL || port[0] == '\0')
		return words;
	while ((at = after_place(words, host, port)) != NULL)
		words = at + strspn(at, " ");
	return words;
}

/* Each of several hosts has its share of the room, so that all are named. */
static void
remember_briefly(dialling *d, qpool_error *all, const char *place, const char *why)
{
	size_t used = strlen(d->error.message);
	size_t left = used < WORDS_OF_ALL ? WORDS_OF_ALL - used : 0;
	size_t others = ends_here(all->code) ? 0 : d->hosts_left + d->addresses_left;
	size_t share = left / (others + 1);
	char words[WORDS_OF_ALL + 1];

	(void)snprintf(words, sizeof words, "%s%s%.*s", place != NULL ? place : "",
	    place != NULL ? ": " : "", (int)strcspn(why, "\n"), why);
	/* Two bytes are for what stands between two of them. */
	words[qp_pg_fault_boundary(words, share > 2 ? share - 2 : 0)] = '\0';
	if (words[0] == '\0' || strstr(d->error.message, words) != NULL)
		memcpy(all->message, d->error.message, sizeof all->message);
	else
		(void)qp_pg_fault_say(all, all->code, "%s%s%s",
		    used > 0 ? d->error.message : "postgres: ", used > 0 ? "; " : "", words);
}

/* Add to what the earlier tries said; the last code stands.  `why` is what is said of a `place`
 * (NULL: it is in `why`) where there are several. */
static void
remember(dialling *d, const qpool_error *one, const char *place, const char *why)
{
	size_t used = strlen(d->error.message), room = sizeof d->error.message - used;
	qpool_error all = *one;

	if (one->code == QPOOL_EFULL) {
		d->is_full = true;
		memcpy(d->full_native, one->native, sizeof d->full_native);
	}
	if (d->is_one_of_many)
		remember_briefly(d, &all, place, why);
	else if (used > 0 && strcmp(d->error.message, one->message) != 0 && room > 32)
		(void)qp_pg_fault_say(&all, one->code, "%s; %s", d->error.message, one->message);
	memcpy(all.native, one->native, sizeof all.native);
	all.sys_errno = one->sys_errno;
	d->error = all;
}

static qpool_err
no_memory(dialling *d)
{
	qpool_error one;

	(void)qp_pg_fault_say(&one, QPOOL_ENOMEM, "postgres: no memory to connect");
	remember(d, &one, NULL, "no memory to connect");
	return QPOOL_ENOMEM;
}

static qpool_err
refused(dialling *d, PGconn *conn)
{
	char code[6], place[PLACE], *words = strdup(PQerrorMessage(conn));
	const char *named;
	qpool_error one = {0};

	if (words == NULL) {
		qp_pg_dial_end(conn);
		return no_memory(d);
	}
	qp_pg_sqlstate_take(words, code);
	/* libpq hangs up by itself when it has no password to give. */
	if (PQconnectionNeedsPassword(conn) == 1 && code[0] == '\0')
		memcpy(code, "28P01", sizeof code);
	/* libpq names the address alone if it was given one. */
	named = address_beside(conn)[0] != '\0' ? PQhost(conn) : "";
	(void)qp_pg_fault_say(&one, qp_pg_sqlstate_of_connect(code), "postgres: %.100s%s%s", named,
	    named[0] != '\0' ? ": " : "", words);
	memcpy(one.native, code, sizeof code);
	name_place(d, conn, place);
	remember(d, &one, place, gist(words, conn));
	free(words);
	qp_pg_dial_end(conn);
	return one.code;
}

static qpool_err
too_late(dialling *d, PGconn *conn, const qp_pg_host *host, const char *address)
{
	const char *port = PQport(conn);
	const char *where = address != NULL ? address : host->host;
	char place[PLACE];
	qpool_error one = {0};

	(void)qp_pg_fault_say(&one, QPOOL_EOPEN,
	    "postgres: no answer in time from %s%s%s%s, port %s: is it reachable, and a server?",
	    host->host != NULL ? host->host
	    : where != NULL    ? where
			       : "the local server",
	    host->host != NULL && address != NULL ? " (" : "",
	    host->host != NULL && address != NULL ? address : "",
	    host->host != NULL && address != NULL ? ")" : "", port != NULL ? port : "5432");
	name_place(d, conn, place);
	qp_pg_dial_end(conn);
	remember(d, &one, place, "no answer in time");
	return QPOOL_EOPEN;
}

/* ---- one address ---- */

/* PQconnectPoll until it is decided.  The socket may change from one call to the next. */
static PostgresPollingStatusType
poll_until(PGconn *conn, int64_t deadline_ns)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED) {
		short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		if (qp_pg_wait_socket(PQsocket(conn), events, deadline_ns) == QP_PG_LATE)
			return next;
		qp_pg_forking_enter();
		next = PQconnectPoll(conn);
		qp_pg_forking_leave();
	}
	return next;
}

static qpool_err
try_address(
    dialling *d, const qp_pg_host *host, const char *address, int64_t until_ns, PGconn **out)
{
	PGconn *conn = start(d, host, address);
	PostgresPollingStatusType end;

	if (conn == NULL)
		return no_memory(d);
	if (PQstatus(conn) == CONNECTION_BAD)
		return refused(d, conn);
	/* Before the first answer: only so does the message of a refusal hold its SQLSTATE. */
	(void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
	d->usual = PQsetNoticeReceiver(conn, d->receiver, d->about);
	end = poll_until(conn, until_ns);
	if (end == PGRES_POLLING_FAILED)
		return refused(d, conn);
	if (end != PGRES_POLLING_OK)
		return too_late(d, conn, host, address);
	(void)PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
	*out = conn;
	return QPOOL_OK;
}

/* ---- one host ---- */

/* What one of `tries` equal tries may take of the time until `deadline_ns`. */
static int64_t
share_until(const dialling *d, size_t tries, int64_t deadline_ns)
{
	int64_t now = qp_pg_wait_now();
	int64_t left = deadline_ns > now ? deadline_ns - now : 0;
	int64_t share = deadline_ns == INT64_MAX ? INT64_MAX : left / (int64_t)tries;

	if (share > d->source->connect_timeout)
		share = d->source->connect_timeout;
	return share == INT64_MAX || now > INT64_MAX - share ? INT64_MAX : now + share;
}

static bool
is_address(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* A socket's folder begins with a slash, an abstract socket with an at sign. */
static bool
needs_lookup(const qp_pg_host *host)
{
	return host->host != NULL && host->host[0] != '\0' && host->host[0] != '/' &&
	       host->host[0] != '@' && (host->hostaddr == NULL || host->hostaddr[0] == '\0') &&
	       !is_address(host->host);
}

static qpool_err
try_host(dialling *d, const qp_pg_host *host, PGconn **out)
{
	int64_t until_ns = share_until(d, d->hosts_left + 1, d->deadline_ns);
	qp_pg_addresses found = {0};
	qpool_error one;
	qpool_err err;

	d->addresses_left = 0;
	d->is_one_of_many = d->source->host_count > 1;
	if (!needs_lookup(host))
		return try_address(d, host, host->hostaddr, until_ns, out);
	err = qp_pg_resolve(d->source->resolver, host->host, until_ns, &found, &one);
	if (err != QPOOL_OK)
		remember(d, &one, NULL, one.message + strlen("postgres: "));
	for (size_t i = 0; i < found.count; i++) {
		d->addresses_left = found.count - i - 1;
		d->is_one_of_many = d->is_one_of_many || found.count > 1;
		err = try_address(
		    d, host, found.text[i], share_until(d, found.count - i, until_ns), out);
		if (ends_here(err))
			return err;
	}
	return err;
}

/* ---- all of them ---- */

static qpool_err
try_hosts(dialling *d, PGconn **out)
{
	const qp_pg_source *source = d->source;
	qpool_err err = QPOOL_EOPEN;

	for (size_t i = 0; i < source->host_count; i++) {
		d->hosts_left--;
		err = try_host(d, &source->hosts[i], out);
		if (ends_here(err))
			return err;
	}
	if (!d->is_full)
		return err;
	memcpy(d->error.native, d->full_native, sizeof d->error.native);
	return QPOOL_EFULL;
}

static qpool_err
try_rounds(dialling *d, PGconn **out)
{
	size_t hosts = d->source->host_count;
	qpool_err err;

	forget(d);
	d->hosts_left = hosts;
	if (!d->source->prefers_standby)
		return try_hosts(d, out);
	d->hosts_left = 2 * hosts;
	d->session_attrs = "standby";
	err = try_hosts(d, out);
	if (ends_here(err))
		return err;
	forget(d);
	d->session_attrs = "any";
	return try_hosts(d, out);
}

static qpool_err
ask_who(dialling *d, bool again, qpool_error *error)
{
	const qpool_pg_options *options = &d->source->options;
	qpool_error words = {0};
	qpool_err err;

	d->who = qpool_pg_credentials_init();
	err = options->credentials(options->user, again, &d->who, &words);
	return err == QPOOL_OK ? err : qp_pg_fault_callback(error, err, "credentials", &words);
}

qpool_err
qp_pg_dial(const qp_pg_source *source, int64_t deadline_ns, PQnoticeReceiver receiver, void *about,
    PQnoticeReceiver *usual, PGconn **out, qpool_error *error)
{
	dialling d = {
	    .source = source, .receiver = receiver, .about = about, .deadline_ns = deadline_ns};
	bool asks = source->options.credentials != NULL;
	qpool_err err;

	for (int time = 0;; time++) {
		if (asks && (err = ask_who(&d, time > 0, error)) != QPOOL_OK)
			return err;
		err = try_rounds(&d, out);
		*usual = d.usual;
		if (err == QPOOL_OK)
			return err;
		if (!asks || time > 0 || !qp_pg_sqlstate_is(d.error.native, "28"))
			break;
	}
	d.error.code = err;
	if (error != NULL)
		*error = d.error;
	return err;
}
