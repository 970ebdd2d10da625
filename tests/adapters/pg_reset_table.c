/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_table: the table of docs/POSTGRES.md, one test a cell.  The one session of a pool is left as the row says
 * and lent again; what the next holder sees is looked at, and what the return sent is counted.  Each cell runs
 * on the caller's thread and on a worker; what a caller's thread cannot do is tried with a worker that waits
 * for it, too.  With the argument --print it prints the table, with another one it runs the tests of that name.
 */
#include "pg_reset_rows.h"

#include <stdlib.h>
#include <string.h>

#include <queuepool/postgres.h>

typedef enum by { BY_CALLER, BY_WORKER, BY_CALLER_OR_WORKER, BYS } by;

static pg_server *server;
static pg_proxy *proxy;

/* on_return is asked for in half of the cells of ROLLBACK, where it must change nothing. */
typedef struct policy {
	const char *name;
	uint32_t reset;
	unsigned column;
	bool has_on_return;
} policy;

static const policy policies[] = {
    {"none", QPOOL_PG_RESET_NONE, PG_COLUMN_NONE, false},
    {"rollback", QPOOL_PG_RESET_ROLLBACK, PG_COLUMN_ROLLBACK, false},
    {"rollback, on_return", QPOOL_PG_RESET_ROLLBACK, PG_COLUMN_ROLLBACK, true},
    {"smart", QPOOL_PG_RESET_SMART, PG_COLUMN_FULL, false},
    {"full", QPOOL_PG_RESET_FULL, PG_COLUMN_FULL, false},
};

enum { POLICIES = sizeof policies / sizeof policies[0] };

static const char *const by_names[] = {"caller", "worker", "caller or worker"};

/* What one cell's callbacks saw. */
typedef struct heard {
	unsigned returns, notices;
} heard;

static qpool_err
on_return(void *user, PGconn *conn, const qpool_step *step, qpool_error *error)
{
	heard *h = user;

	(void)error;
	h->returns++;
	return PQtransactionStatus(conn) == PQTRANS_IDLE &&
	               PQpipelineStatus(conn) == PQ_PIPELINE_OFF && !PQisnonblocking(conn) &&
	               step->budget > 0
	           ? QPOOL_OK
	           : QPOOL_ECHECK;
}

static void
on_notice(void *user, const PGresult *notice)
{
	heard *h = user;

	(void)notice;
	h->notices++;
}

static qpool *
make_pool(const policy *p, by whom, heard *h)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool = NULL;

	options.max_size = 1;
	options.step_budget = QPOOL_SEC(16);
	options.flags = whom == BY_WORKER ? QPOOL_RESET_ON_WORKERS : 0;
	pg.reset = p->reset;
	pg.user = h;
	pg.on_return = p->has_on_return ? on_return : NULL;
	pg.on_notice = on_notice;
	if (qpool_pg_create(&pool, pg_proxy_unix_conninfo(proxy), &pg, &options, &error) !=
		QPOOL_OK ||
	    (whom != BY_CALLER && qpool_start(pool, 1, &error) != QPOOL_OK))
		fail_msg("no pool: %s", error.message);
	return pool;
}

static PGconn *
take(qpool *pool, qpool_lease *lease)
{
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(60), lease, &error) != QPOOL_OK)
		fail_msg("no lease: %s", error.message);
	assert_non_null(qpool_pg_conn(lease));
	return qpool_pg_conn(lease);
}

/* What every holder finds, whoever was there before. */
static void
assert_clean(const pg_stay *s, heard *h)
{
	unsigned before = h->notices;

	assert_int_equal(PQstatus(s->conn), CONNECTION_OK);
	assert_int_equal(PQtransactionStatus(s->conn), PQTRANS_IDLE);
	assert_int_equal(PQpipelineStatus(s->conn), PQ_PIPELINE_OFF);
	assert_false(PQisnonblocking(s->conn));
	assert_string_equal(pg_say(s->conn, "SELECT 5"), "5");
	assert_null(PQnotifies(s->conn));
	(void)pg_say(s->conn, "DO $$ BEGIN RAISE WARNING 'to on_notice'; END $$");
	assert_int_equal(h->notices, before + 1);
	assert_int_equal(pg_count(s->server, "SELECT count(*) FROM t"), 3);
}

/* NONE sends nothing; what is not sound is not even bidden farewell. */
static void
assert_nothing_sent(void)
{
	char *sent = pg_proxy_sent(proxy);

	assert_true(sent[0] == '\0' || strcmp(sent, "X") == 0);
	free(sent);
}

/* Whether the return took the round trips that the table says.  It never takes fewer; one more, if the server has
 * answered the first of two writes before the second comes, as on a busy machine it may. */
static bool
run_cell(const pg_row *row, const policy *p, by whom)
{
	heard h = {0};
	pg_stay s = {.server = server};
	qpool *pool = make_pool(p, whom, &h);
	pg_cell cell = row->cells[p->column];
	bool is_closed = cell.fate == PG_CLOSED || (row->is_cancelled && whom == BY_CALLER);
	qpool_lease lease;
	pg_proxy_count count;
	int pid;

	pg_do(server, "DELETE FROM t WHERE a > 3");
	s.conn = take(pool, &lease);
	pid = PQbackendPID(s.conn);
	row->leave(&s);
	pg_proxy_reset(proxy);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	if (is_closed && p->reset == QPOOL_PG_RESET_NONE && whom == BY_CALLER)
		assert_nothing_sent();
	s.conn = take(pool, &lease);
	count = pg_proxy_counts(proxy);
	assert_int_equal(PQbackendPID(s.conn) != pid, is_closed);
	if (!is_closed)
		assert_in_range(count.turns, cell.turns, cell.turns + 1);
	if (row->is_seen != NULL)
		assert_int_equal(row->is_seen(&s), !is_closed && cell.fate == PG_STAYS);
	assert_int_equal(h.returns, p->has_on_return && !is_closed);
	assert_clean(&s, &h);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
	return is_closed || count.turns == cell.turns;
}

/* ---- the cells as tests ------------------------------------------------------------- */

typedef struct test {
	const pg_row *row;
	const policy *policy;
	by whom;
	char name[120];
} test;

static void
test_cell(void **state)
{
	const test *t = *state;

	for (unsigned tries = 0; !run_cell(t->row, t->policy, t->whom); tries++)
		assert_true(tries < 10);
}

/* A lease that nobody used costs nothing, and FULL makes no difference between the two. */
static void
untouched(void **state)
{
	(void)state;
	for (unsigned i = 0; i < POLICIES; i++) {
		heard h = {0};
		qpool *pool = make_pool(&policies[i], BY_CALLER, &h);
		bool is_full = policies[i].reset == QPOOL_PG_RESET_FULL;
		qpool_lease lease;

		(void)take(pool, &lease);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		h = (heard){0};
		pg_proxy_reset(proxy);
		assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, NULL), QPOOL_OK);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		assert_int_equal(pg_proxy_counts(proxy).turns, is_full ? 1 : 0);
		assert_int_equal(h.returns, 0);
		qpool_free(pool);
	}
}

/* ---- the table as text -------------------------------------------------------------- */

static void
print_cell(char *out, size_t room, const pg_row *row, unsigned column)
{
	static const char *const fates[] = {"closed", "stays", "gone"};
	pg_cell cell = row->cells[column];
	bool is_ended = row->cells[PG_COLUMN_NONE].fate == PG_CLOSED;

	if (cell.fate == PG_CLOSED)
		(void)snprintf(out, room, "closed");
	else
		(void)snprintf(out, room, "%s, %u%s",
		    row->is_seen != NULL ? fates[cell.fate]
		    : is_ended           ? "ended"
					 : "as before",
		    cell.turns, row->is_cancelled ? " *" : "");
}

static void
print_row(char *out, size_t room, const pg_row *row)
{
	char cells[PG_COLUMNS][20];

	for (unsigned i = 0; i < PG_COLUMNS; i++)
		print_cell(cells[i], sizeof cells[i], row, i);
	(void)snprintf(out, room, "| %s | %s | %s | %s |\n", row->name, cells[PG_COLUMN_NONE],
	    cells[PG_COLUMN_ROLLBACK], cells[PG_COLUMN_FULL]);
}

static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	if (file == NULL)
		fail_msg("%s cannot be read", path);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	(void)fclose(file);
	return text;
}

/* The page has these rows, in this order, and no others between them. */
static void
the_page_has_this_table(void **state)
{
	char *text = read_file(PG_PAGE), table[16384] = "";

	(void)state;
	for (size_t i = 0; i < pg_row_count; i++) {
		size_t used = strlen(table);
		print_row(table + used, sizeof table - used, &pg_rows[i]);
	}
	if (strstr(text, table) == NULL)
		fail_msg("%s lacks this table; --print shows it", PG_PAGE);
	free(text);
}

/* ---- all of them -------------------------------------------------------------------- */

static int
begin(void **state)
{
	/* A session that is closed with a query under way ends soon. */
	const pg_server_options options = {
	    .max_connections = 400, .conf = "client_connection_check_interval = 100ms\n"};

	(void)state;
	server = pg_server_start(&options);
	proxy = pg_proxy_start(server);
	pg_rows_prepare(server);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_proxy_end(proxy);
	pg_server_end(server);
	return 0;
}

static int
print_table(void)
{
	char line[256];

	for (size_t i = 0; i < pg_row_count; i++) {
		print_row(line, sizeof line, &pg_rows[i]);
		(void)fputs(line, stdout);
	}
	return 0;
}

static int
run_table(const char *filter)
{
	const size_t most = pg_row_count * POLICIES * BYS;
	test *all = calloc(most + 1, sizeof *all);
	struct CMUnitTest *tests = calloc(most + 2, sizeof *tests);
	size_t count = 0;
	int failed;

	assert_non_null(all);
	assert_non_null(tests);
	if (filter != NULL)
		cmocka_set_test_filter(filter);
	for (size_t i = 0; i < most; i++) {
		test *t = &all[count];
		t->row = &pg_rows[i / (POLICIES * BYS)];
		t->policy = &policies[i / BYS % POLICIES];
		t->whom = (by)(i % BYS);
		if (t->whom == BY_CALLER_OR_WORKER && !t->row->is_cancelled)
			continue;
		(void)snprintf(t->name, sizeof t->name, "%s: %s: %s", t->row->name, t->policy->name,
		    by_names[t->whom]);
		tests[count++] = (struct CMUnitTest){
		    .name = t->name, .test_func = test_cell, .initial_state = t};
	}
	tests[count++] = (struct CMUnitTest){.name = "untouched", .test_func = untouched};
	tests[count++] = (struct CMUnitTest){
	    .name = "the_page_has_this_table", .test_func = the_page_has_this_table};
	failed = _cmocka_run_group_tests("pg_reset_table", tests, count, begin, end);
	free(tests);
	free(all);
	return failed;
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--print") == 0)
		return print_table();
	return run_table(argc > 1 ? argv[1] : NULL);
}
