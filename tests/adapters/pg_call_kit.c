/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_call_kit: see the header.
 */
#include "pg_call_kit.h"

#include <stdlib.h>

static pg_server *server;
static pg_proxy *proxy;

enum { BLANK = 0x5a };

/* Who turns synchronous_commit on, which is off, waits at COMMIT for a standby that never comes. */
int
kit_group_begin(void **state)
{
	const pg_server_options options = {.conf = "synchronous_standby_names = 'nobody'\n"};

	(void)state;
	server = pg_server_start(&options);
	proxy = pg_proxy_start(server);
	return 0;
}

int
kit_group_end(void **state)
{
	(void)state;
	pg_proxy_end(proxy);
	pg_server_end(server);
	return 0;
}

/* What a test's cut connections left running would be taken for the next one's. */
static void
end_backends(void)
{
	pg_do(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
		      "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
	pg_await(server, "SELECT count(*) = 1 FROM pg_stat_activity "
			 "WHERE backend_type = 'client backend'");
}

int
kit_begin(void **state)
{
	kit *k = calloc(1, sizeof *k);

	assert_non_null(k);
	k->server = server;
	k->proxy = proxy;
	pg_proxy_set(proxy, PG_PASS);
	kit_blank(k);
	*state = k;
	return 0;
}

static void
end_pool(kit *k)
{
	(void)qpool_release(&k->lease);
	(void)qpool_release(&k->other);
	qpool_free(k->pool);
	k->pool = NULL;
}

int
kit_end(void **state)
{
	kit *k = *state;

	pg_proxy_set(k->proxy, PG_CUT);
	end_backends();
	if (k->is_running)
		(void)kit_join(k);
	end_pool(k);
	pg_proxy_set(k->proxy, PG_PASS);
	free(k);
	return 0;
}

void
kit_acquire(kit *k, qpool_lease *lease)
{
	if (qpool_acquire(k->pool, QPOOL_SEC(60), lease, &k->error) != QPOOL_OK)
		fail_msg("no lease: %s", k->error.message);
}

void
kit_pool_at(kit *k, const char *conninfo, const qpool_pg_options *pg)
{
	qpool_options options = qpool_options_init();

	end_pool(k);
	options.max_size = 4;
	if (qpool_pg_create(&k->pool, conninfo, pg, &options, &k->error) != QPOOL_OK)
		fail_msg("no pool: %s", k->error.message);
	kit_acquire(k, &k->lease);
}

void
kit_pool(kit *k, const qpool_pg_options *options)
{
	kit_pool_at(k, pg_server_conninfo(k->server), options);
}

void
kit_pool_by_proxy(kit *k, qpool_nsec call_timeout)
{
	qpool_pg_options options = qpool_pg_options_init();

	options.call_timeout = call_timeout;
	kit_pool_at(k, pg_proxy_conninfo(k->proxy), &options);
}

void
kit_exec(kit *k, qpool_lease *lease, const char *sql)
{
	if (qpool_pg_exec(lease, sql, NULL, NULL, &k->error) != QPOOL_OK)
		fail_msg("%s: %s", sql, k->error.message);
}

char *
kit_value(kit *k, qpool_lease *lease, const char *sql)
{
	PGresult *result;
	char *value;

	if (qpool_pg_query(lease, sql, NULL, &result, &k->error) != QPOOL_OK)
		fail_msg("%s: %s", sql, k->error.message);
	assert_int_equal(PQntuples(result), 1);
	value = strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

void
kit_assert_value(kit *k, qpool_lease *lease, const char *sql, const char *expected)
{
	char *value = kit_value(k, lease, sql);

	assert_string_equal(value, expected);
	free(value);
}

void
kit_assert_failed(kit *k, qpool_err err, qpool_err code, const char *native, const char *words)
{
	if (err == QPOOL_OK)
		fail_msg("it succeeded; expected: %s", words);
	if (strstr(k->error.message, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, k->error.message);
	assert_null(strpbrk(k->error.message, "\r\n\t"));
	assert_string_equal(k->error.native, native);
	assert_string_equal(qpool_err_name(err), qpool_err_name(code));
	assert_int_equal(k->error.code, err);
	kit_blank(k);
}

void
kit_blank(kit *k)
{
	memset(&k->error, BLANK, sizeof k->error);
}

void
kit_assert_blank(const kit *k)
{
	const unsigned char *bytes = (const void *)&k->error;

	for (size_t i = 0; i < sizeof k->error; i++)
		assert_int_equal(bytes[i], BLANK);
}

static uint64_t
discarded(const kit *k)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(k->pool, &stats);
	return stats.closes[QPOOL_WHY_DISCARDED];
}

void
kit_assert_spoiled(kit *k)
{
	uint64_t before = discarded(k);

	assert_int_equal(qpool_release(&k->lease), QPOOL_OK);
	assert_int_equal(discarded(k), before + 1);
}

void
kit_assert_kept(kit *k)
{
	qpool_stats stats = qpool_stats_init();
	uint64_t before = discarded(k);

	assert_int_equal(qpool_release(&k->lease), QPOOL_OK);
	qpool_get_stats(k->pool, &stats);
	assert_int_equal(discarded(k), before);
	assert_int_equal(stats.resets_failed, 0);
}

static qpool_err
exec_sql(kit *k)
{
	return qpool_pg_exec(&k->lease, k->sql, NULL, NULL, &k->error);
}

static void *
in_thread(void *arg)
{
	kit *k = arg;

	k->err = k->work(k);
	return NULL;
}

void
kit_start(kit *k, qpool_err (*work)(kit *k))
{
	k->work = work;
	assert_int_equal(pthread_create(&k->thread, NULL, in_thread, k), 0);
	k->is_running = true;
}

void
kit_start_sql(kit *k, const char *sql)
{
	k->sql = sql;
	kit_start(k, exec_sql);
}

qpool_err
kit_join(kit *k)
{
	k->is_running = false;
	assert_int_equal(pthread_join(k->thread, NULL), 0);
	return k->err;
}

void
kit_await_activity(kit *k, const char *condition)
{
	char sql[512];

	(void)snprintf(sql, sizeof sql,
	    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
	    "backend_type = 'client backend' AND %s)",
	    condition);
	pg_await(k->server, sql);
}

int
kit_pid(const qpool_lease *lease)
{
	qpool_lease mine = *lease;

	return PQbackendPID(qpool_pg_conn(&mine));
}

void
kit_assert_given_up(kit *k)
{
	qpool_err err = qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, &k->error);

	kit_assert_failed(k, err, QPOOL_EPEER, "",
	    "the statement was not sent: the connection of this lease is lost");
	kit_assert_failed(k, qpool_pg_rollback(&k->lease, &k->error), QPOOL_EPEER, "",
	    "ROLLBACK was not sent: the connection of this lease is lost");
	kit_assert_spoiled(k);
}

/* ---- transactions ---- */

void
kit_with_table(kit *k)
{
	pg_do(k->server, "DROP TABLE IF EXISTS tx CASCADE; CREATE TABLE tx(a int, b int)");
}

void
kit_expect_rows(kit *k, unsigned count)
{
	assert_int_equal(pg_count(k->server, "SELECT count(*) FROM tx"), count);
}

void
kit_at_commit(kit *k, const char *code)
{
	pg_do(k->server,
	    "CREATE OR REPLACE FUNCTION tx_at_commit() RETURNS trigger LANGUAGE plpgsql AS "
	    "$f$ BEGIN %s; RETURN NULL; END $f$; "
	    "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON tx DEFERRABLE INITIALLY DEFERRED "
	    "FOR EACH ROW EXECUTE FUNCTION tx_at_commit()",
	    code);
}

qpool_err
kit_play(void *user, qpool_lease *lease, qpool_error *error)
{
	kit_script *s = user;
	bool is_first = s->runs++ == 0;

	for (size_t i = 0; i < sizeof s->sql / sizeof s->sql[0] && s->sql[i] != NULL; i++) {
		qpool_err err = qpool_pg_exec(lease, s->sql[i], NULL, NULL, error);

		if (err != QPOOL_OK)
			return err;
		if (i == 0 && is_first && s->meanwhile != NULL)
			s->meanwhile(s->user);
	}
	return s->err;
}

qpool_err
kit_transact(kit *k, const qpool_pg_transaction_options *options, kit_script *script)
{
	return qpool_pg_transaction(&k->lease, options, kit_play, script, &k->error);
}

void
kit_assert_idle(kit *k)
{
	assert_int_equal(PQtransactionStatus(qpool_pg_conn(&k->lease)), PQTRANS_IDLE);
	kit_assert_kept(k);
}
