/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_pg_zdb: libzdb's ConnectionPool over PostgreSQL, looked at before each lease as it always does.  When all are
 * lent it gives NULL; who wants to wait must ask again, here after a yield, or after a sleep of 100 us.
 */
#include "peer.h"

#include "company.h"
#include "fail.h"
#include "timing.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zdb.h>

#define NAP_NS (TIMING_MSEC / 10)

typedef struct lender {
	URL_T url;
	ConnectionPool_T pool;
} lender;

/* Of our own server's, which has no other words that matter. */
static const char *
word_of(const PQconninfoOption *words, const char *name)
{
	while (words != NULL && words->keyword != NULL && strcmp(words->keyword, name) != 0)
		words++;
	return words == NULL || words->val == NULL ? "" : words->val;
}

/* It wants a password, though the server asks for none; and over a socket it tells libpq no port. */
static URL_T
url_of_company(void)
{
	PQconninfoOption *words = PQconninfoParse(company_conninfo(), NULL);
	char text[512];

	(void)snprintf(text, sizeof text, "postgresql://%s:none@localhost/%s?unix-socket=%s",
	    word_of(words, "user"), word_of(words, "dbname"), word_of(words, "host"));
	(void)setenv("PGPORT", word_of(words, "port"), 1);
	PQconninfoFree(words);
	return URL_new(text);
}

static void *
make(unsigned capacity)
{
	lender *all = calloc(1, sizeof *all);

	if (all == NULL)
		return NULL;
	all->url = url_of_company();
	if (all->url == NULL)
		fail("libzdb knows no such URL");
	all->pool = ConnectionPool_new(all->url);
	ConnectionPool_setInitialConnections(all->pool, (int)capacity);
	ConnectionPool_setMaxConnections(all->pool, (int)capacity);
	ConnectionPool_start(all->pool);
	return all;
}

static void
get(void *pool, peer_loan *loan)
{
	const lender *all = pool;

	while ((loan->resource = ConnectionPool_getConnection(all->pool)) == NULL)
		(void)sched_yield();
}

static void
get_napping(void *pool, peer_loan *loan)
{
	const lender *all = pool;

	while ((loan->resource = ConnectionPool_getConnection(all->pool)) == NULL)
		timing_sleep(NAP_NS);
}

static void
put(void *pool, peer_loan *loan)
{
	(void)pool;
	Connection_close(loan->resource);
}

static void
use(void *pool, peer_loan *loan)
{
	ResultSet_T result = Connection_executeQuery(loan->resource, "SELECT 1");

	(void)pool;
	if (ResultSet_next(result) == 0)
		fail("SELECT 1: libzdb gave no row");
}

static void
unmake(void *pool)
{
	lender *all = pool;

	ConnectionPool_free(&all->pool);
	URL_free(&all->url);
	free(all);
}

#define ZDB(symbol, id, text, in, getter) \
	const peer symbol = {             \
	    .name = id,                   \
	    .title = text,                \
	    .works = in,                  \
	    .is_library = true,           \
	    .make = make,                 \
	    .get = getter,                \
	    .put = put,                   \
	    .use = use,                   \
	    .unmake = unmake,             \
	}

ZDB(peer_pg_zdb, "zdb_pg", "libzdb, asked until it gives", PEER_W6 | PEER_W6_64, get);
ZDB(peer_pg_zdb_100us, "zdb_pg_100us", "libzdb, asked each 100 us", PEER_W6, get_napping);
