/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The adapter of examples/ against servers that refuse, are late, speak nonsense or cut off: first callback
 * by callback, then in a pool.  An adapter of your own wants the same tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapter.h"
#include "peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char password[] = "sesame";
static const char *const well_behaved[] = {"250 7 is your number\n", "250 done\n", NULL};

/* What each of the tests below works on. */
typedef struct stage {
	peer *peer; /* or NULL */
	line_source to;
	qpool_ops ops;
	qpool_error error;
	void *session;
} stage;

static stage
stage_at(struct sockaddr_in at)
{
	stage s = {.to = {.at = at, .name = "ali", .password = password}, .ops = session_ops()};

	return s;
}

static stage
stage_with(const char *const *script)
{
	peer *p = peer_new(script);
	stage s = stage_at(peer_address(p));

	s.peer = p;
	return s;
}

static qpool_step
step_of(qpool_nsec budget, const char *key)
{
	qpool_step step = {.size = sizeof step, .budget = budget, .key = key};

	return step;
}

static qpool_err
try_open(stage *s, qpool_nsec budget)
{
	qpool_step step = step_of(budget, NULL);

	memset(&s->error, 0, sizeof s->error);
	return s->ops.open(&s->to, &step, &s->session, &s->error);
}

static stage
opened(const char *const *script)
{
	stage s = stage_with(script);

	assert_int_equal(try_open(&s, QPOOL_SEC(20)), QPOOL_OK);
	return s;
}

static qpool_err
run_check(stage *s, qpool_nsec budget)
{
	qpool_step step = step_of(budget, NULL);

	return s->ops.check(&s->to, s->session, &step, &s->error);
}

static qpool_err
run_reset(stage *s, qpool_nsec budget)
{
	qpool_step step = step_of(budget, NULL);

	return s->ops.reset(&s->to, s->session, &step, &s->error);
}

static int
say(stage *s, const char *what, qpool_nsec budget)
{
	char answer[LINE_ROOM];

	return line_talk(s->session, what, line_deadline(budget), answer);
}

static void
end(stage *s)
{
	if (s->session != NULL)
		s->ops.close(&s->to, s->session, QPOOL_WHY_CLOSED);
	if (s->peer != NULL)
		peer_end(s->peer);
}

/* Until something has come in on the session, an end too. */
static void
await_input(const stage *s)
{
	struct pollfd one = {.fd = ((line *)s->session)->fd, .events = POLLIN};

	while (poll(&one, 1, -1) != 1)
		continue;
}

static unsigned
descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned found = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		found++;
	(void)closedir(folder);
	return found;
}

/* Open fails so; its message is a sentence, shows no password, and nothing stays open. */
static void
refuses(stage *s, qpool_nsec budget, qpool_err err, int sys_errno, const char *native)
{
	unsigned before = descriptors();

	assert_int_equal(try_open(s, budget), err);
	assert_int_equal(s->error.sys_errno, sys_errno);
	assert_string_equal(s->error.native, native);
	assert_memory_equal(s->error.message, "line server: ", 13);
	assert_null(strstr(s->error.message, password));
	assert_null(s->session);
	if (s->peer != NULL)
		peer_await_gone(s->peer);
	else
		assert_int_equal(descriptors(), before);
	end(s);
}

static void
open_where_nobody_listens(void **state)
{
	stage s = stage_at(nobody());

	(void)state;
	refuses(&s, QPOOL_SEC(20), QPOOL_EOPEN, ECONNREFUSED, "");
}

static void
connecting_ends_with_the_budget(void **state)
{
	int fds[16];
	stage s = stage_at(full_house(fds));
	int64_t deadline = line_deadline(QPOOL_MSEC(30));

	(void)state;
	refuses(&s, QPOOL_MSEC(30), QPOOL_EOPEN, ETIMEDOUT, "");
	assert_true(line_deadline(0) >= deadline); /* nor before */
	for (int i = 0; i < 16; i++)
		(void)close(fds[i]);
}

static void
the_servers_no_has_a_class(void **state)
{
	static const char *const denied[] = {"535 who?\n", NULL};
	static const char *const full[] = {"421 no room\n", NULL};
	static const char *const other[] = {"554 not today\n", NULL};
	stage a = stage_with(denied), b = stage_with(full), c = stage_with(other);

	(void)state;
	refuses(&a, QPOOL_SEC(20), QPOOL_EDENIED, 0, "535");
	refuses(&b, QPOOL_SEC(20), QPOOL_EFULL, 0, "421");
	refuses(&c, QPOOL_SEC(20), QPOOL_EPEER, 0, "554"); /* the pool makes EOPEN of it */
}

static void
wrong_answers_do_not_open(void **state)
{
	static const char *const nonsense[] = {"hello there\n", NULL};
	static const char *const no_code[] = {"250\n", NULL};
	static const char *const empty[] = {"\n", NULL};
	static const char *const two[] = {"250 1\n250 2\n", NULL};
	static const char *const cut[] = {PEER_HANG_UP, NULL};
	static const char *const flood[] = {PEER_FLOOD, NULL};
	const struct {
		const char *const *script;
		int sys_errno;
	} cases[] = {{nonsense, EPROTO}, {no_code, EPROTO}, {empty, EPROTO}, {two, EPROTO},
	    {cut, ECONNRESET}, {flood, EMSGSIZE}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		stage s = stage_with(cases[i].script);
		refuses(&s, QPOOL_SEC(20), QPOOL_EOPEN, cases[i].sys_errno, "");
	}
}

static void
late_answers_end_with_the_budget(void **state)
{
	static const char *const silent[] = {PEER_SILENT, NULL};
	static const char *const drip[] = {PEER_DRIP, NULL};
	stage a = stage_with(silent), b = stage_with(drip);
	int64_t deadline = line_deadline(QPOOL_MSEC(30));

	(void)state;
	refuses(&a, QPOOL_MSEC(30), QPOOL_EOPEN, ETIMEDOUT, "");
	assert_true(line_deadline(0) >= deadline);
	refuses(&b, QPOOL_MSEC(30), QPOOL_EOPEN, ETIMEDOUT, ""); /* each byte is no new start */
}

static void
on_alarm(int signal_number)
{
	(void)signal_number;
}

static void
signals_neither_end_nor_stretch_a_wait(void **state)
{
	static const char *const silent[] = {PEER_SILENT, NULL};
	const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm}, before;
	stage s = stage_with(silent);

	(void)state;
	(void)sigaction(SIGALRM, &action, &before);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(try_open(&s, QPOOL_MSEC(50)), QPOOL_EOPEN);
	(void)setitimer(ITIMER_REAL, &never, NULL);
	(void)sigaction(SIGALRM, &before, NULL);
	assert_int_equal(s.error.sys_errno, ETIMEDOUT);
	end(&s);
}

static void
no_limit_is_no_overflow(void **state)
{
	stage s = stage_with(well_behaved);

	(void)state;
	assert_true(line_deadline(QPOOL_FOREVER) == INT64_MAX);
	assert_true(line_deadline(QPOOL_FOREVER - 1) == INT64_MAX);
	assert_int_equal(try_open(&s, QPOOL_FOREVER), QPOOL_OK);
	end(&s);
}

static void
descriptors_are_for_this_program_only(void **state)
{
	stage s = opened(well_behaved);
	int fd = ((line *)s.session)->fd;

	(void)state;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	end(&s);
}

static void
the_key_is_the_name(void **state)
{
	stage s = stage_with(well_behaved);
	qpool_step step = step_of(QPOOL_SEC(20), "tenant 4"),
		   bad = step_of(QPOOL_SEC(20), "a\nQUIT");

	(void)state;
	assert_int_equal(s.ops.open(&s.to, &step, &s.session, &s.error), QPOOL_OK);
	assert_string_equal(peer_heard(s.peer, 0), "HELLO sesame tenant 4");
	s.ops.close(&s.to, s.session, QPOOL_WHY_IDLE);
	assert_string_equal(peer_heard(s.peer, 1), "QUIT");
	assert_int_equal(s.ops.open(&s.to, &bad, &s.session, &s.error), QPOOL_EOPEN);
	assert_int_equal(s.error.sys_errno, EINVAL);
	assert_null(s.session);
	end(&s);
}

static void
peek_sees_an_end_and_a_stray_word(void **state)
{
	stage a = opened(well_behaved), b = opened(well_behaved);

	(void)state;
	assert_int_equal(a.ops.peek(&a.to, a.session, &a.error), QPOOL_OK);
	peer_say(a.peer, NULL);
	await_input(&a);
	assert_int_equal(a.ops.peek(&a.to, a.session, &a.error), QPOOL_ECHECK);
	assert_int_equal(a.error.sys_errno, ECONNRESET);
	peer_say(b.peer, "421 I am tired\n");
	await_input(&b);
	assert_int_equal(b.ops.peek(&b.to, b.session, &b.error), QPOOL_ECHECK);
	assert_int_equal(b.error.sys_errno, EPROTO);
	assert_int_equal(peer_lines(a.peer) + peer_lines(b.peer), 2); /* the HELLOs */
	end(&a);
	end(&b);
}

static void
check_asks_within_its_budget(void **state)
{
	static const char *const late[] = {"250 1 hello\n", "250 done\n", PEER_SILENT, NULL};
	static const char *const no[] = {"250 1 hello\n", "503 what?\n", NULL};
	stage a = opened(late), b = opened(no);

	(void)state;
	assert_int_equal(run_check(&a, QPOOL_SEC(20)), QPOOL_OK);
	assert_string_equal(peer_heard(a.peer, 1), "NOOP");
	assert_int_equal(run_check(&a, QPOOL_MSEC(20)), QPOOL_ECHECK);
	assert_int_equal(a.error.sys_errno, ETIMEDOUT);
	assert_int_equal(run_check(&b, QPOOL_SEC(20)), QPOOL_EPEER); /* the pool: ECHECK */
	end(&a);
	end(&b);
}

static void
reset_is_free_when_nothing_was_said(void **state)
{
	stage s = opened(well_behaved);

	(void)state;
	assert_int_equal(run_reset(&s, QPOOL_SEC(20)), QPOOL_OK);
	assert_int_equal(peer_lines(s.peer), 1);
	assert_int_equal(say(&s, "SET x", QPOOL_SEC(20)), 0);
	assert_int_equal(run_reset(&s, QPOOL_SEC(20)), QPOOL_OK);
	assert_string_equal(peer_heard(s.peer, 2), "RSET");
	assert_int_equal(run_reset(&s, QPOOL_SEC(20)), QPOOL_OK);
	assert_int_equal(peer_lines(s.peer), 3);
	end(&s);
}

static void
reset_refuses_what_was_cut_short(void **state)
{
	static const char *const late[] = {"250 1 hello\n", PEER_SILENT, "250 done\n", NULL};
	stage s = opened(late);

	(void)state;
	assert_int_equal(say(&s, "SET x", QPOOL_MSEC(10)), ETIMEDOUT);
	assert_int_equal(run_reset(&s, QPOOL_SEC(20)), QPOOL_ECHECK);
	assert_int_equal(s.ops.peek(&s.to, s.session, &s.error), QPOOL_ECHECK);
	s.ops.close(&s.to, s.session, QPOOL_WHY_RESET);
	s.session = NULL;
	assert_string_equal(peer_heard(s.peer, 1), "SET x");
	assert_int_equal(peer_lines(s.peer), 2); /* no RSET, no QUIT */
	end(&s);
}

static void
a_peer_that_is_gone_raises_no_signal(void **state)
{
	stage s = opened(well_behaved);
	line *l = s.session;

	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	assert_int_equal(shutdown(l->fd, SHUT_WR), 0); /* from now on a send is EPIPE */
	assert_int_equal(say(&s, "NOOP", QPOOL_SEC(20)), EPIPE);
	l->broken = false;
	end(&s); /* its QUIT neither */
}

static void
abandon_sends_nothing(void **state)
{
	stage s = opened(well_behaved);
	int parents = dup(((line *)s.session)->fd); /* as another process has it */
	line still = {.fd = parents};
	char answer[LINE_ROOM];

	(void)state;
	s.ops.abandon(&s.to, s.session);
	s.session = NULL;
	assert_int_equal(line_talk(&still, "NOOP", line_deadline(QPOOL_SEC(20)), answer), 0);
	assert_string_equal(peer_heard(s.peer, 1), "NOOP");
	(void)close(parents);
	end(&s);
}

static void
describe_keeps_to_its_room(void **state)
{
	stage s = opened(well_behaved);
	char text[64], small[8];

	(void)state;
	s.ops.describe(&s.to, s.session, text, sizeof text);
	assert_memory_equal(text, "session 7 at port ", 18);
	assert_null(strstr(text, password));
	s.ops.describe(&s.to, s.session, small, sizeof small);
	assert_string_equal(small, "session");
	end(&s);
}

static qpool *
pool_on(stage *s, const qpool_options *options)
{
	qpool *pool;

	assert_int_equal(qpool_create(&pool, options, &s->ops, &s->to, &s->error), QPOOL_OK);
	return pool;
}

static void
a_late_answer_is_for_nobody(void **state)
{
	static const char *const script[] = {
	    "250 1 hello\n", PEER_SILENT, "250 2 hello\n", "250 mine\n", NULL};
	stage s = stage_with(script);
	qpool *pool = pool_on(&s, NULL);
	qpool_stats stats = qpool_stats_init();
	char answer[LINE_ROOM];
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(20), &lease, &s.error), QPOOL_OK);
	assert_int_equal(
	    session_ask(&lease, "GET", QPOOL_MSEC(10), answer, &s.error), QPOOL_EUNKNOWN);
	assert_int_equal(s.error.code, QPOOL_EUNKNOWN);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.closes[QPOOL_WHY_RESET], 1);
	peer_say(s.peer, "250 his\n");
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(20), &lease, &s.error), QPOOL_OK);
	assert_int_equal(session_ask(&lease, "GET", QPOOL_SEC(20), answer, &s.error), QPOOL_OK);
	assert_string_equal(answer, "250 mine");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
	end(&s);
}

static void
the_servers_no_to_a_question_is_epeer(void **state)
{
	static const char *const script[] = {
	    "250 1 hello\n", "550 no such word\n", "250 done\n", NULL};
	stage s = stage_with(script);
	qpool *pool = pool_on(&s, NULL);
	char answer[LINE_ROOM];
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(20), &lease, &s.error), QPOOL_OK);
	assert_int_equal(session_ask(&lease, "EAT", QPOOL_SEC(20), answer, &s.error), QPOOL_EPEER);
	assert_string_equal(s.error.native, "550");
	assert_int_equal(
	    session_ask(&lease, "a\nb", QPOOL_SEC(20), answer, &s.error), QPOOL_EINVAL);
	assert_int_equal(session_ask(&lease, "NOOP", QPOOL_SEC(20), answer, &s.error), QPOOL_OK);
	assert_int_equal(qpool_release(&lease), QPOOL_OK); /* still good: it is lent again */
	assert_int_equal(
	    session_ask(&lease, "NOOP", QPOOL_SEC(20), answer, &s.error), QPOOL_EINVAL);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &s.error), QPOOL_OK);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
	end(&s);
}

static void
a_server_that_hangs_up_soon_is_lent_no_more(void **state)
{
	static const char *const script[] = {
	    "250 1 hello\n", "421 closing\n", "250 2 hello\n", NULL};
	stage s = stage_with(script);
	qpool *pool = pool_on(&s, NULL);
	qpool_stats stats = qpool_stats_init();
	char answer[LINE_ROOM];
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(20), &lease, &s.error), QPOOL_OK);
	assert_int_equal(session_ask(&lease, "GET", QPOOL_SEC(20), answer, &s.error), QPOOL_EFULL);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(20), &lease, &s.error), QPOOL_OK);
	assert_int_equal(((line *)lease.resource)->number, 2);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.opens, 2);
	qpool_free(pool);
	end(&s);
}

static void
a_refusal_is_told_at_once_and_no_room_is_waited_for(void **state)
{
	static const char *const denied[] = {"535 who?\n", NULL};
	static const char *const one_only[] = {"250 1 hello\n", "421 one is enough\n", NULL};
	stage a = stage_with(denied), b = stage_with(one_only);
	qpool *refused = pool_on(&a, NULL), *pool = pool_on(&b, NULL);
	qpool_nsec timeout = QPOOL_MSEC(10);
	qpool_lease lease, none;

	(void)state;
	assert_int_equal(qpool_acquire(refused, QPOOL_FOREVER, &lease, &a.error), QPOOL_EDENIED);
	assert_string_equal(a.error.native, "535");
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(20), &lease, &b.error), QPOOL_OK);
	do { /* on a slow machine the time may be over before the answer is there */
		timeout *= 2;
		assert_int_equal(qpool_acquire(pool, timeout, &none, &b.error), QPOOL_ETIMEOUT);
	} while (strstr(b.error.message, "one is enough") == NULL);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(refused);
	qpool_free(pool);
	end(&a);
	end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(open_where_nobody_listens),
	    cmocka_unit_test(connecting_ends_with_the_budget),
	    cmocka_unit_test(the_servers_no_has_a_class),
	    cmocka_unit_test(wrong_answers_do_not_open),
	    cmocka_unit_test(late_answers_end_with_the_budget),
	    cmocka_unit_test(signals_neither_end_nor_stretch_a_wait),
	    cmocka_unit_test(no_limit_is_no_overflow),
	    cmocka_unit_test(descriptors_are_for_this_program_only),
	    cmocka_unit_test(the_key_is_the_name),
	    cmocka_unit_test(peek_sees_an_end_and_a_stray_word),
	    cmocka_unit_test(check_asks_within_its_budget),
	    cmocka_unit_test(reset_is_free_when_nothing_was_said),
	    cmocka_unit_test(reset_refuses_what_was_cut_short),
	    cmocka_unit_test(a_peer_that_is_gone_raises_no_signal),
	    cmocka_unit_test(abandon_sends_nothing),
	    cmocka_unit_test(describe_keeps_to_its_room),
	    cmocka_unit_test(a_late_answer_is_for_nobody),
	    cmocka_unit_test(the_servers_no_to_a_question_is_epeer),
	    cmocka_unit_test(a_server_that_hangs_up_soon_is_lent_no_more),
	    cmocka_unit_test(a_refusal_is_told_at_once_and_no_room_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
