/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_survive_bouncer: PgBouncer in transaction mode between the pool and the server, with fewer sessions than
 * the pool.  What one borrower does must not be seen by the next, whoever restarts meanwhile.
 */
#include "pg_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 16, SIZE = 8, ACCOUNTS = 8, MONEY = 1000, SOME = 200, LEAST = 2 };

static pg_server *server;
static pg_bouncer *bouncer;
static pg_proxy *proxy;

static int
begin(void **state)
{
	static const pg_server_options options = {
	    .conf = "log_statement = all\ndeadlock_timeout = 20ms\n"};

	(void)state;
	server = pg_server_start(&options);
	pg_do(server,
	    "CREATE TABLE account (id int PRIMARY KEY, amount int);"
	    "INSERT INTO account SELECT i, %d FROM generate_series(1, %d) AS i",
	    MONEY, ACCOUNTS);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

static void
begin_bouncer(unsigned sessions)
{
	const pg_bouncer_options options = {.default_pool_size = sessions};

	bouncer = pg_bouncer_start(server, &options);
	proxy =
	    pg_proxy_start_before(server, pg_bouncer_socket_dir(bouncer), pg_bouncer_port(bouncer));
}

static void
end_bouncer(void)
{
	pg_proxy_end(proxy);
	pg_bouncer_end(bouncer);
}

static qpool *
pool_of_sessions(void)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_options options = qpool_options_init();

	pg.pooler = QPOOL_PG_POOLER_TRANSACTION;
	pg.application_name = "through the bouncer";
	options.max_size = SIZE;
	return load_pool(pg_proxy_conninfo(proxy), &pg, &options, 2);
}

/* ---- work ---- */

/* What a transaction asks for, and finds. */
typedef struct wish {
	uint32_t isolation_level, flags;
	const char *isolation, *read_only;
} wish;

static const wish wishes[] = {
    {QPOOL_PG_ISOLATION_DEFAULT, 0, "read committed", "off"}, /* the server's */
    {QPOOL_PG_REPEATABLE_READ, 0, "repeatable read", "off"},
    {QPOOL_PG_SERIALIZABLE, 0, "serializable", "off"},
    {QPOOL_PG_READ_COMMITTED, QPOOL_PG_READ_ONLY, "read committed", "on"},
};
enum { WISHES = sizeof wishes / sizeof wishes[0] };

typedef struct transfer {
	const wish *wish;
	unsigned from, to;
} transfer;

/* The counts of all threads; relaxed atomics. */
static uint64_t strayed, gave_up;

static qpool_err
look(qpool_lease *lease, const wish *w, qpool_error *error)
{
	PGresult *result = NULL;
	qpool_pg_rows rows;
	qpool_err err = qpool_pg_one(lease,
	    "SELECT current_setting('transaction_isolation'),"
	    " current_setting('transaction_read_only'),"
	    " (SELECT count(*) FROM pg_prepared_statements)",
	    NULL, &result, &rows, error);

	if (err != QPOOL_OK)
		return err;
	if (strcmp(PQgetvalue(result, 0, 0), w->isolation) != 0 ||
	    strcmp(PQgetvalue(result, 0, 1), w->read_only) != 0 ||
	    strcmp(PQgetvalue(result, 0, 2), "0") != 0)
		(void)__atomic_add_fetch(&strayed, 1, __ATOMIC_RELAXED);
	PQclear(result);
	return QPOOL_OK;
}

static qpool_err
move_money(void *user, qpool_lease *lease, qpool_error *error)
{
	const transfer *t = user;
	char from[16], to[16];
	qpool_err err = look(lease, t->wish, error);

	if (err != QPOOL_OK || (t->wish->flags & QPOOL_PG_READ_ONLY) != 0)
		return err;
	(void)snprintf(from, sizeof from, "%u", t->from);
	(void)snprintf(to, sizeof to, "%u", t->to);
	err = qpool_pg_exec(lease, "UPDATE account SET amount = amount - 1 WHERE id = $1",
	    QPOOL_PG_TEXT(from), NULL, error);
	return err != QPOOL_OK
	           ? err
	           : qpool_pg_exec(lease, "UPDATE account SET amount = amount + 1 WHERE id = $1",
			 QPOOL_PG_TEXT(to), NULL, error);
}

/* That rivals were quicker again and again is no failure. */
static qpool_err
run_transfer(void *of, unsigned who, qpool_lease *lease, qpool_error *error)
{
	static _Thread_local unsigned turn;
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();
	transfer t = {.wish = &wishes[(who + turn) % WISHES],
	    .from = 1 + (who + turn) % ACCOUNTS,
	    .to = 1 + (who + turn * 3 + 1) % ACCOUNTS};
	qpool_err err;

	(void)of;
	turn++;
	options.isolation_level = t.wish->isolation_level;
	options.flags = t.wish->flags;
	err = qpool_pg_transaction(lease, &options, move_money, &t, error);
	if (err == QPOOL_EPEER && strncmp(error->native, "40", 2) == 0) {
		(void)__atomic_add_fetch(&gave_up, 1, __ATOMIC_RELAXED);
		return QPOOL_OK;
	}
	return err;
}

static void
must_be_sound(const char *what, const load_count *count)
{
	load_print(what, count);
	printf("# %s: %" PRIu64 " transactions under wrong settings, %" PRIu64
	       " gave up for rivals\n",
	    what, strayed, gave_up);
	assert_int_equal(strayed, 0);
	assert_int_equal(pg_count(server, "SELECT sum(amount) FROM account"), ACCOUNTS * MONEY);
}

/* What the next client of the bouncer would find in its sessions. */
static void
must_leave_nothing(unsigned sessions)
{
	PGconn *conns[SIZE];

	for (unsigned i = 0; i < sessions; i++) {
		PGresult *result;

		conns[i] = pg_connected(pg_bouncer_conninfo(bouncer));
		PQclear(PQexec(conns[i], "BEGIN"));
		result = PQexec(conns[i],
		    "SELECT (SELECT count(*) FROM pg_prepared_statements)"
		    " + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
		    " + (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema())"
		    " + (SELECT count(*) FROM pg_listening_channels()),"
		    " (SELECT string_agg(name, ' ') FROM pg_settings WHERE source = 'session'"
		    "   AND name NOT IN ('application_name', 'client_encoding', 'DateStyle',"
		    "     'TimeZone', 'standard_conforming_strings', 'transaction_isolation',"
		    "     'transaction_read_only', 'transaction_deferrable'))");
		assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
		assert_string_equal(PQgetvalue(result, 0, 0), "0");
		assert_string_equal(PQgetvalue(result, 0, 1), "");
		PQclear(result);
	}
	for (unsigned i = 0; i < sessions; i++)
		PQfinish(conns[i]);
}

/* ---- what the server heard ---- */

static char *
server_log(void)
{
	char path[256];
	FILE *file;
	long length;
	char *text;

	(void)snprintf(path, sizeof path, "%s/log", pg_server_folder(server));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	length = ftell(file);
	rewind(file);
	text = calloc(1, (size_t)length + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)length, file), length);
	(void)fclose(file);
	return text;
}

static unsigned
times_said(const char *log, const char *words)
{
	unsigned count = 0;

	for (; (log = strstr(log, words)) != NULL; log += strlen(words))
		count++;
	return count;
}

static void
must_have_heard_no_state(void)
{
	char *log = server_log();
	unsigned all = times_said(log, "LOG:  execute ");

	printf("# statements %u, of which named %u; DISCARD %u, RESET %u, PREPARE %u, LISTEN %u\n",
	    all, all - times_said(log, "LOG:  execute <unnamed>: "), times_said(log, "DISCARD"),
	    times_said(log, "RESET"), times_said(log, "PREPARE"), times_said(log, "LISTEN"));
	assert_true(all > 0);
	assert_int_equal(all, times_said(log, "LOG:  execute <unnamed>: "));
	assert_int_equal(times_said(log, "DISCARD"), 0);
	assert_int_equal(times_said(log, "RESET"), 0);
	assert_int_equal(times_said(log, "PREPARE"), 0);
	assert_int_equal(times_said(log, "statement: SET SESSION"), 0);
	assert_int_equal(times_said(log, "statement: SET default"), 0);
	free(log);
}

/* ---- the tests ---- */

static load *
start(qpool *pool)
{
	const load_options options = {
	    .threads = THREADS, .timeout = QPOOL_SEC(30), .job = run_transfer};

	strayed = gave_up = 0;
	return load_start(pool, &options);
}

/* PgBouncer 1.18 refuses a start-up with `options`: that it lets us in says that there were none. */
static void
share_sessions(unsigned sessions)
{
	int64_t until_ns = chance_now() + QPOOL_SEC(chance_seconds()) / 2;
	load_count count;
	qpool *pool;
	load *l;

	begin_bouncer(sessions);
	pool = pool_of_sessions();
	l = start(pool);
	do
		load_await_done(l, SOME);
	while (chance_now() < until_ns);
	count = load_end(l);
	must_be_sound(sessions == 1 ? "one session for all" : "a few sessions for all", &count);
	assert_int_equal(count.refusals + count.stale + count.in_flight, 0);
	must_leave_nothing(sessions);
	load_take_all(pool, sessions < SIZE ? sessions : SIZE);
	load_pool_end(pool);
	end_bouncer();
}

static void
sessions_are_shared(void **state)
{
	(void)state;
	share_sessions(1);
	share_sessions(3);
	must_have_heard_no_state();
}

static void
no_autocommit_is_shared(void **state)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_lease lease;
	qpool_error error;
	qpool *pool;

	(void)state;
	begin_bouncer(1);
	pg.pooler = QPOOL_PG_POOLER_TRANSACTION;
	pg.flags = QPOOL_PG_TRANSACTION;
	pg.isolation_level = QPOOL_PG_SERIALIZABLE;
	pool = load_pool(pg_proxy_conninfo(proxy), &pg, NULL, 0);
	lease = load_take(pool);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(look(&lease, &wishes[2], &error), QPOOL_OK);
		assert_int_equal(qpool_pg_commit(&lease, &error), QPOOL_OK);
	}
	assert_int_equal(look(&lease, &wishes[2], &error), QPOOL_OK);
	load_put(&lease);
	assert_int_equal(strayed, 0);
	must_leave_nothing(1);
	load_pool_end(pool);
	end_bouncer();
}

static void
restart_bouncer(load *l, int64_t *slowest_ns)
{
	int64_t back_ns, first_ns;

	load_going(l);
	pg_bouncer_stop(bouncer);
	load_gone(l);
	pg_bouncer_launch(bouncer);
	back_ns = chance_now();
	load_back(l);
	first_ns = load_first_done(l);
	load_await_done(l, SOME);
	if (first_ns - back_ns > *slowest_ns)
		*slowest_ns = first_ns - back_ns;
}

static void
the_bouncer_restarts(void **state)
{
	int64_t until_ns = chance_now() + QPOOL_SEC(chance_seconds()), slowest_ns = 0;
	unsigned restarts = 0;
	load_count count;
	qpool *pool;
	load *l;

	(void)state;
	begin_bouncer(3);
	pool = pool_of_sessions();
	l = start(pool);
	load_await_done(l, SOME);
	for (; restarts < LEAST || chance_now() < until_ns; restarts++)
		restart_bouncer(l, &slowest_ns);
	count = load_end(l);
	must_be_sound("bouncer restarted", &count);
	printf("# bouncer restarted: %u times; first success %.1f ms after it was back at most\n",
	    restarts, load_msec(slowest_ns));
	assert_int_equal(count.refusals, 0);
	assert_int_equal(count.stale, 0);
	must_leave_nothing(3);
	load_take_all(pool, 3);
	load_pool_end(pool);
	end_bouncer();
}

/* The sockets to the bouncer stay, so nobody here can tell: what fails is the bouncer's to say. */
static void
the_server_behind_it_restarts(void **state)
{
	load_count count;
	qpool *pool;
	load *l;

	(void)state;
	begin_bouncer(3);
	pool = pool_of_sessions();
	l = start(pool);
	load_await_done(l, SOME);
	for (unsigned i = 0; i < LEAST; i++) {
		load_going(l);
		pg_server_restart(server, i % 2 == 0 ? PG_FAST : PG_IMMEDIATE);
		load_back(l);
		load_await_done(l, SOME);
	}
	count = load_end(l);
	must_be_sound("server behind the bouncer restarted", &count);
	assert_int_equal(count.refusals, 0);
	must_leave_nothing(3);
	load_take_all(pool, 3);
	load_pool_end(pool);
	end_bouncer();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sessions_are_shared),
	    cmocka_unit_test(no_autocommit_is_shared),
	    cmocka_unit_test(the_bouncer_restarts),
	    cmocka_unit_test(the_server_behind_it_restarts),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
