/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_pool: pools of sessions with a real aiosmtpd that wants STARTTLS and a login: what it hears, what
 * arrives, and what a session is worth after each thing that can go wrong.
 */
#include "smtp_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct scene {
	smtp_kit *kit;
	char url[400];
	qpool *pool; /* or NULL */
	qpool_error error;
} scene;

static scene the;

static void
make_url(const char *scheme, const char *login, const char *query)
{
	(void)snprintf(the.url, sizeof the.url, "%s://%s%s127.0.0.1:%d?%s&ca=%s", scheme, login,
	    login[0] != '\0' ? "@" : "", smtp_kit_port(the.kit), query,
	    smtp_kit_file(the.kit, "ca.pem"));
}

static int
begin(void **state)
{
	(void)state;
	memset(&the, 0, sizeof the);
	the.kit = smtp_kit_start("starttls", true);
	make_url("smtp", SMTP_USER ":" SMTP_PASSWORD, "helo=tester.invalid");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	qpool_free(the.pool);
	if (the.kit != NULL)
		smtp_kit_end(the.kit);
	return 0;
}

static qpool *
pool_of_one(void)
{
	qpool_options options = qpool_options_init();

	options.max_size = 1;
	the.pool = smtp_pool(the.url, &options);
	return the.pool;
}

static qpool_err
send_one(qpool_lease *lease, const char *body)
{
	qpool_smtp_message message = smtp_message(body);

	return qpool_smtp_send(lease, &message, NULL, &the.error);
}

static void
must_send(qpool_lease *lease, const char *body)
{
	if (send_one(lease, body) != QPOOL_OK)
		fail_msg("not sent: %s", the.error.message);
}

static void
mail_is(int n, const char *expected)
{
	char *text = smtp_kit_mail(the.kit, n);

	assert_string_equal(text, expected);
	free(text);
}

/* ---- what arrives ---- */

static void
many_mails_go_through_one_session(void **state)
{
	qpool *pool = pool_of_one();

	(void)state;
	for (int i = 0; i < 5; i++) {
		qpool_lease lease = smtp_lease(pool);
		must_send(&lease, "Subject: x\r\n\r\nhello\r\n");
		must_send(&lease, "Subject: y\n\n.dot\n..two\nno end");
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	}
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 1);
	assert_int_equal(smtp_kit_number(the.kit, "mails"), 10);
	mail_is(0, "Subject: x\r\n\r\nhello\r\n");
	mail_is(9, "Subject: y\r\n\r\n.dot\r\n..two\r\nno end\r\n");
	assert_string_equal(smtp_kit_ask(the.kit, "envelope 0"), "ann@example.org bob@example.org");
	assert_int_equal(smtp_kit_said(the.kit, "AUTH"), 1);
	assert_int_equal(smtp_kit_said(the.kit, "RSET"), 0);
	assert_int_equal(smtp_kit_number(the.kit, "quits"), 0);
	qpool_free(pool);
	the.pool = NULL;
	while (smtp_kit_number(the.kit, "quits") == 0)
		; /* the server's own thread reads it when it does */
}

typedef struct source {
	const char *text;
	size_t left, step;
	qpool_err fails;
} source;

static qpool_err
read_some(void *user, char *out, size_t room, size_t *length, qpool_error *error)
{
	source *s = user;
	size_t count = s->left < s->step ? s->left : s->step;

	assert_true(count <= room);
	if (s->left == 0 && s->fails != QPOOL_OK) {
		(void)snprintf(
		    error->message, sizeof error->message, "the disk is gone, %0200d", 0);
		error->sys_errno = EIO;
		return s->fails;
	}
	memcpy(out, s->text, count);
	s->text += count;
	s->left -= count;
	*length = count;
	return QPOOL_OK;
}

static void
a_body_is_read_piece_by_piece(void **state)
{
	static const char text[] = "Subject: x\r\n\r\n.a\r\n.\r\n..\r\nb\n\r\rlast.\n.";
	static const char expected[] =
	    "Subject: x\r\n\r\n.a\r\n.\r\n..\r\nb\r\n\r\n\r\nlast.\r\n.\r\n";
	qpool_lease lease = smtp_lease(pool_of_one());
	qpool_smtp_message message = smtp_message("");

	(void)state;
	for (size_t step = 1; step <= sizeof text; step++) {
		source from = {text, sizeof text - 1, step, QPOOL_OK};
		message.body = NULL;
		message.read = read_some;
		message.read_user = &from;
		message.read_size = step % 2 == 0 ? sizeof expected - 1 : 0;
		if (qpool_smtp_send(&lease, &message, NULL, &the.error) != QPOOL_OK)
			fail_msg("step %zu: %s", step, the.error.message);
		mail_is((int)step - 1, expected);
	}
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 1);
}

static void
a_large_body_arrives_whole(void **state)
{
	size_t lines = 4000;
	char *text = malloc(lines * 8 + 1), *got;
	qpool_lease lease = smtp_lease(pool_of_one());

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		(void)snprintf(text + 8 * i, 9, ".%05zu\r\n", i % 100000);
	must_send(&lease, text);
	got = smtp_kit_mail(the.kit, 0);
	assert_int_equal(strlen(got), strlen(text));
	assert_string_equal(got, text);
	free(got);
	free(text);
	(void)qpool_release(&lease);
}

/* ---- refusals ---- */

static void
a_partial_refusal_is_told_and_no_failure(void **state)
{
	static const char *const to[] = {
	    "bob@example.org", "nobody@example.org", "eve@example.org"};
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_lease lease = smtp_lease(pool_of_one());
	qpool_smtp_reply replies[4];

	(void)state;
	message.recipients = to;
	message.recipient_count = 3;
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &the.error), QPOOL_EINVAL);
	smtp_says(&the.error, "replies is NULL with 3 recipients; it must have room for 4");
	memset(replies, 0x5a, sizeof replies);
	assert_int_equal(qpool_smtp_send(&lease, &message, replies, &the.error), QPOOL_OK);
	assert_int_equal(replies[0].code, 250);
	assert_int_equal(replies[1].code, 550);
	assert_string_equal(replies[1].text, "no such user");
	assert_int_equal(replies[2].code, 250);
	assert_int_equal(replies[3].code, 250);
	assert_string_equal(
	    smtp_kit_ask(the.kit, "envelope 0"), "ann@example.org bob@example.org eve@example.org");
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_said(the.kit, "RSET"), 0);
}

static void
refused_recipients_cost_a_reset_and_no_session(void **state)
{
	static const char *const to[] = {"nobody@example.org", "nobody2@example.org"};
	qpool *pool = pool_of_one();
	qpool_lease lease = smtp_lease(pool);
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_smtp_reply replies[3];

	(void)state;
	message.recipients = to;
	message.recipient_count = 2;
	assert_int_equal(qpool_smtp_send(&lease, &message, replies, &the.error), QPOOL_EPEER);
	smtp_says(&the.error, "all 2 recipients are refused, the first: the server says 550");
	assert_string_equal(the.error.native, "550");
	assert_int_equal(replies[2].code, 0);
	must_send(&lease, "y\r\n"); /* on the same lease */
	assert_int_equal(smtp_kit_said(the.kit, "RSET"), 1);
	message.recipient_count = 1;
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &the.error), QPOOL_EPEER);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(smtp_kit_said(the.kit, "RSET"), 2);
	lease = smtp_lease(pool);
	must_send(&lease, "z\r\n");
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 1);
	assert_int_equal(smtp_kit_number(the.kit, "mails"), 2);
}

static void
a_refusal_at_each_step_keeps_the_session(void **state)
{
	static const struct {
		const char *verb, *says;
	} rows[] = {{"MAIL", "the sender is refused: the server says 451 not now"},
	    {"RCPT", "the recipient is refused: the server says 451 not now"},
	    {"DATA", "the mail is refused: the server says 451 not now"}};
	qpool_lease lease = smtp_lease(pool_of_one());

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		(void)smtp_kit_ask(the.kit, "fault %s 451 not now", rows[i].verb);
		assert_int_equal(send_one(&lease, "x\r\n"), QPOOL_EPEER);
		smtp_says(&the.error, rows[i].says);
		assert_string_equal(the.error.native, "451");
		(void)smtp_kit_ask(the.kit, "clear");
		must_send(&lease, "y\r\n");
	}
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 1);
}

static void
the_server_s_farewell_closes_the_session(void **state)
{
	static const char *const verbs[] = {"MAIL", "RCPT", "DATA"};
	qpool_stats stats = qpool_stats_init();
	qpool *pool = pool_of_one();

	(void)state;
	for (int i = 0; i < 3; i++) {
		qpool_lease lease = smtp_lease(pool);
		(void)smtp_kit_ask(the.kit, "fault %s 421 closing", verbs[i]);
		assert_int_equal(send_one(&lease, "x\r\n"), QPOOL_EPEER);
		assert_string_equal(the.error.native, "421");
		smtp_says(&the.error, "421 closing");
		(void)smtp_kit_ask(the.kit, "clear");
		(void)qpool_release(&lease);
		qpool_get_stats(pool, &stats);
		assert_int_equal(stats.closes[QPOOL_WHY_DISCARDED], i + 1);
		lease = smtp_lease(pool);
		must_send(&lease, "y\r\n");
		(void)qpool_release(&lease);
		assert_int_equal(smtp_kit_number(the.kit, "connections"), i + 2);
	}
}

/* ---- the connection ---- */

static void
who_hangs_up_is_noticed_before_the_lease(void **state)
{
	qpool *pool = pool_of_one();
	qpool_stats stats = qpool_stats_init();
	qpool_lease lease = smtp_lease(pool);

	(void)state;
	(void)qpool_release(&lease);
	(void)smtp_kit_ask(the.kit, "drop");
	lease = smtp_lease(pool);
	must_send(&lease, "x\r\n");
	(void)qpool_release(&lease);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.closes[QPOOL_WHY_CHECK], 1);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 2);
}

/* A broken TLS connection is written to: no signal, which would end this program. */
static void
who_hangs_up_raises_no_signal(void **state)
{
	qpool *pool = pool_of_one();
	qpool_lease lease = smtp_lease(pool);

	(void)state;
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	(void)smtp_kit_ask(the.kit, "drop");
	assert_int_equal(send_one(&lease, "x\r\n"), QPOOL_EPEER);
	smtp_says(&the.error, "the connection was lost; the mail was not delivered");
	assert_int_equal(send_one(&lease, "x\r\n"), QPOOL_EPEER);
	(void)qpool_release(&lease);
	lease = smtp_lease(pool);
	must_send(&lease, "x\r\n");
	(void)qpool_release(&lease);
}

static void
lost_behind_the_end_is_unknown(void **state)
{
	qpool_lease lease = smtp_lease(pool_of_one());

	(void)state;
	(void)smtp_kit_ask(the.kit, "fault DATA drop");
	assert_int_equal(send_one(&lease, "x\r\n"), QPOOL_EUNKNOWN);
	smtp_says(&the.error, "whether the mail was taken is not known");
	(void)qpool_release(&lease);
	lease = smtp_lease(the.pool);
	(void)smtp_kit_ask(the.kit, "fault DATA half");
	assert_int_equal(send_one(&lease, "x\r\n"), QPOOL_EUNKNOWN);
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_said(the.kit, "DATA"), 2);
}

static void
time_is_kept_at_each_step(void **state)
{
	static const char *const verbs[] = {"MAIL", "RCPT", "DATA"};
	qpool_smtp_message message = smtp_message("x\r\n");

	(void)state;
	(void)pool_of_one();
	message.timeout = QPOOL_MSEC(200);
	for (int i = 0; i < 3; i++) {
		qpool_lease lease = smtp_lease(the.pool);
		(void)smtp_kit_ask(the.kit, "fault %s hang", verbs[i]);
		assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &the.error),
		    i < 2 ? QPOOL_ETIMEOUT : QPOOL_EUNKNOWN);
		smtp_says(&the.error, "no answer in time");
		(void)smtp_kit_ask(the.kit, "clear");
		(void)qpool_release(&lease);
	}
}

static void
a_check_asks_and_a_silent_server_fails_it(void **state)
{
	qpool_options options = qpool_options_init();
	qpool_lease lease;

	(void)state;
	options.max_size = 1;
	options.step_budget = QPOOL_MSEC(200);
	the.pool = smtp_pool(the.url, &options);
	lease = smtp_lease(the.pool);
	(void)qpool_release(&lease);
	qpool_suspect(the.pool);
	lease = smtp_lease(the.pool);
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_said(the.kit, "NOOP"), 1);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 1);
	assert_int_equal(qpool_smtp_noop(&lease, QPOOL_SEC(1), &the.error), QPOOL_EMISUSE);
	lease = smtp_lease(the.pool);
	assert_int_equal(qpool_smtp_noop(&lease, QPOOL_SEC(60), &the.error), QPOOL_OK);
	assert_int_equal(qpool_smtp_noop(&lease, -1, &the.error), QPOOL_EINVAL);
	(void)smtp_kit_ask(the.kit, "fault NOOP 421 closing");
	assert_int_equal(qpool_smtp_noop(&lease, QPOOL_SEC(60), &the.error), QPOOL_EPEER);
	smtp_says(&the.error, "NOOP: the server says 421 closing");
	assert_int_equal(qpool_smtp_noop(&lease, QPOOL_SEC(60), &the.error), QPOOL_EPEER);
	smtp_says(&the.error, "the session is given up");
	(void)qpool_release(&lease);
	(void)smtp_kit_ask(the.kit, "clear");
	lease = smtp_lease(the.pool);
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 2);
	(void)smtp_kit_ask(the.kit, "fault NOOP hang");
	qpool_suspect(the.pool);
	lease = smtp_lease(the.pool);
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 3);
}

static void
a_reader_that_fails_ends_the_mail(void **state)
{
	source from = {"half a mail", 11, 11, QPOOL_ESYS};
	qpool_smtp_message message = smtp_message("");
	qpool_lease lease = smtp_lease(pool_of_one());

	(void)state;
	message.body = NULL;
	message.read = read_some;
	message.read_user = &from;
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &the.error), QPOOL_ESYS);
	smtp_says(&the.error, "the disk is gone");
	smtp_says(&the.error, "0; the mail was not delivered");
	assert_int_equal(the.error.sys_errno, EIO);
	(void)qpool_release(&lease);
	lease = smtp_lease(the.pool);
	from = (source){"too long a mail", 15, 15, QPOOL_OK};
	message.read_size = 5;
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &the.error), QPOOL_EINVAL);
	smtp_says(&the.error, "read gave more than read_size says");
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_number(the.kit, "mails"), 0);
}

/* ---- who may in ---- */

static void
refuses(qpool_err code, const char *native, const char *words)
{
	qpool_options options = qpool_options_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool *pool;

	options.open_failure = QPOOL_OPEN_TELL;
	pool = smtp_pool(the.url, &options);
	memset(&the.error, 0, sizeof the.error);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(30), &lease, &the.error), code);
	smtp_says(&the.error, words);
	assert_string_equal(the.error.native, native);
	qpool_free(pool);
}

static void
what_will_not_mend_is_denied(void **state)
{
	(void)state;
	make_url("smtp", SMTP_USER ":wrong-" SMTP_PASSWORD, "tls=starttls");
	refuses(QPOOL_EDENIED, "535", "look at user and password");
	(void)snprintf(the.url, sizeof the.url,
	    "smtp://" SMTP_USER ":" SMTP_PASSWORD "@127.0.0.1:%d", smtp_kit_port(the.kit));
	refuses(QPOOL_EDENIED, "", "certificate");
	(void)snprintf(the.url, sizeof the.url, "smtp://127.0.0.1:%d?ca=%s", smtp_kit_port(the.kit),
	    smtp_kit_file(the.kit, "other.pem"));
	refuses(QPOOL_EDENIED, "", "certificate");
	(void)snprintf(the.url, sizeof the.url, "smtp://localhost:%d?ca=%s", smtp_kit_port(the.kit),
	    smtp_kit_file(the.kit, "ca.pem"));
	refuses(QPOOL_EDENIED, "", "name");
	(void)snprintf(the.url, sizeof the.url, "smtp://127.0.0.1:%d?ca=/nowhere/ca.pem",
	    smtp_kit_port(the.kit));
	refuses(QPOOL_EDENIED, "", "ca");
}

static void
any_certificate_if_asked_for(void **state)
{
	qpool_lease lease;

	(void)state;
	(void)snprintf(the.url, sizeof the.url,
	    "smtp://" SMTP_USER ":" SMTP_PASSWORD "@localhost:%d?verify=0", smtp_kit_port(the.kit));
	lease = smtp_lease(pool_of_one());
	must_send(&lease, "x\r\n");
	(void)qpool_release(&lease);
}

static void
other_ways_in(void **state)
{
	qpool_lease lease;

	(void)state;
	smtp_kit_end(the.kit);
	the.kit = smtp_kit_start("implicit", false);
	make_url("smtps", "", "pool_max_size=1");
	the.pool = smtp_pool(the.url, NULL);
	lease = smtp_lease(the.pool);
	must_send(&lease, "x\r\n");
	(void)qpool_release(&lease);
	qpool_free(the.pool);
	the.pool = NULL;
	smtp_kit_end(the.kit);
	the.kit = smtp_kit_start("none", false);
	(void)snprintf(the.url, sizeof the.url, "smtp://127.0.0.1:%d", smtp_kit_port(the.kit));
	refuses(QPOOL_EDENIED, "", "look at port and tls");
	(void)snprintf(
	    the.url, sizeof the.url, "smtp://127.0.0.1:%d?tls=optional", smtp_kit_port(the.kit));
	lease = smtp_lease(pool_of_one());
	must_send(&lease, "x\r\n");
	(void)qpool_release(&lease);
	(void)snprintf(the.url, sizeof the.url, "smtp://u-ser:pass-word@127.0.0.1:%d?tls=none",
	    smtp_kit_port(the.kit));
	refuses(QPOOL_EDENIED, "535", "look at user and password");
}

/* ---- fork ---- */

static void
a_child_says_nothing_on_its_parent_s_session(void **state)
{
	qpool *pool = pool_of_one();
	qpool_lease lease = smtp_lease(pool);
	pid_t child;
	int status = -1;

	(void)state;
	(void)qpool_release(&lease);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		qpool_lease own = QPOOL_LEASE_INIT;
		qpool_smtp_message message = smtp_message("child\r\n");
		bool good = qpool_acquire(pool, QPOOL_SEC(30), &own, NULL) == QPOOL_OK &&
		            qpool_smtp_send(&own, &message, NULL, NULL) == QPOOL_OK &&
		            qpool_release(&own) == QPOOL_OK;
		qpool_free(pool);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	lease = smtp_lease(pool);
	must_send(&lease, "parent\r\n");
	(void)qpool_release(&lease);
	assert_int_equal(smtp_kit_number(the.kit, "connections"), 2);
	mail_is(0, "child\r\n");
	mail_is(1, "parent\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(many_mails_go_through_one_session),
	    TEST(a_body_is_read_piece_by_piece),
	    TEST(a_large_body_arrives_whole),
	    TEST(a_partial_refusal_is_told_and_no_failure),
	    TEST(refused_recipients_cost_a_reset_and_no_session),
	    TEST(a_refusal_at_each_step_keeps_the_session),
	    TEST(the_server_s_farewell_closes_the_session),
	    TEST(who_hangs_up_is_noticed_before_the_lease),
	    TEST(who_hangs_up_raises_no_signal),
	    TEST(lost_behind_the_end_is_unknown),
	    TEST(time_is_kept_at_each_step),
	    TEST(a_check_asks_and_a_silent_server_fails_it),
	    TEST(a_reader_that_fails_ends_the_mail),
	    TEST(what_will_not_mend_is_denied),
	    TEST(any_certificate_if_asked_for),
	    TEST(other_ways_in),
	    TEST(a_child_says_nothing_on_its_parent_s_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
