/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_pg_queuepool: ours, as qpool_pg_create makes it, a look at the socket before each lease and a
 * look at the transaction after it included; and three other settings of max_overtake, by which its
 * default for PostgreSQL was chosen.
 */
#include "peer.h"

#include "company.h"
#include "fail.h"

#include <queuepool/postgres.h>

static void *
make_with(unsigned capacity, qpool_nsec max_overtake)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool;

	options.max_size = capacity;
	options.max_overtake = max_overtake;
	if (qpool_pg_create(&pool, company_conninfo(), NULL, &options, &error) != QPOOL_OK ||
	    qpool_wait_ready(pool, capacity, QPOOL_SEC(10), &error) != QPOOL_OK)
		fail("queuepool gave no pool: %s", error.message);
	return pool;
}

static void *
make(unsigned capacity)
{
	return make_with(capacity, 0);
}

static void *
make_strict(unsigned capacity)
{
	return make_with(capacity, QPOOL_ZERO);
}

static void *
make_1250us(unsigned capacity)
{
	return make_with(capacity, QPOOL_MSEC(1) + QPOOL_MSEC(1) / 4);
}

static void *
make_10ms(unsigned capacity)
{
	return make_with(capacity, QPOOL_MSEC(10));
}

static void
get(void *pool, peer_loan *loan)
{
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_DEFAULT, &loan->lease, &error) != QPOOL_OK)
		fail("queuepool lent nothing: %s", error.message);
}

static void
put(void *pool, peer_loan *loan)
{
	qpool_err err = qpool_release(&loan->lease);

	(void)pool;
	if (err != QPOOL_OK)
		fail("queuepool took nothing back: %s", qpool_err_text(err));
}

static void
use(void *pool, peer_loan *loan)
{
	PGconn *conn = qpool_pg_conn(&loan->lease);

	(void)pool;
	if (conn == NULL)
		fail("queuepool lent no connection");
	company_ask(conn);
}

static void
unmake(void *pool)
{
	qpool_free(pool);
}

#define SETTING(symbol, id, text, in, maker) \
	const peer symbol = {                \
	    .name = id,                      \
	    .title = text,                   \
	    .works = in,                     \
	    .make = maker,                   \
	    .get = get,                      \
	    .put = put,                      \
	    .use = use,                      \
	    .unmake = unmake,                \
	}

SETTING(peer_pg_queuepool, "queuepool_pg", "queuepool", PEER_W6 | PEER_W6_64, make);
SETTING(
    peer_pg_queuepool_strict, "queuepool_pg_strict", "queuepool, first come", PEER_W6, make_strict);
SETTING(peer_pg_queuepool_1250us, "queuepool_pg_1250us", "queuepool, overtake 1.25 ms", PEER_W6,
    make_1250us);
SETTING(peer_pg_queuepool_10ms, "queuepool_pg_10ms", "queuepool, overtake 10 ms",
    PEER_W6 | PEER_W6_64, make_10ms);
