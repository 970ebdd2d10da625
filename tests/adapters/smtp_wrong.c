/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_wrong: a server that says what cannot be, what it was not asked for, or nothing, and it never takes
 * longer than it may.
 */
#include "smtp_scene.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

/* ---- nonsense ---- */

static void
nonsense_at_each_step_ends_the_session(void **state)
{
	static const char *const nonsense[] = {"hello\r\n", "25 ok\r\n", "250ok\r\n",
	    "250-ok\r\n251 no\r\n", "\r\n", "199 ok\r\n", "999 ok\r\n", "250 a\rb\r\n"};
	static const char *const odd[] = {"354 go on\r\n", "300 well\r\n", "220 ready\r\n"};
	qpool_smtp_message message = smtp_message("x\r\n");

	(void)state;
	for (size_t step = 2; step < 6; step++)
		for (size_t i = 0; i < 11; i++) {
			const char *says[8];
			bool opened, fits;
			qpool_err err;

			memcpy(says, good, sizeof good);
			says[step] = i < 8 ? nonsense[i] : odd[i - 8];
			fits = (step == 4 && i == 8) || (step == 5 && i == 10);
			script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
			err = one_mail(&message, NULL, &opened);
			assert_true(opened);
			if (fits)
				assert_int_equal(err, QPOOL_OK);
			else if (step == 5)
				assert_int_equal(err, QPOOL_EUNKNOWN);
			else
				assert_int_equal(err, QPOOL_EPEER);
			if (fits) {
				(void)smtp_fake_heard(fake);
				continue;
			}
			smtp_says(&said, "what is no reply");
			assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
		}
}

static void
a_reply_without_end_is_no_reply(void **state)
{
	char *endless = malloc(200001);
	const char *says[] = {greeting, ehlo, endless, NULL};
	qpool_smtp_message message = smtp_message("x\r\n");
	bool opened;

	(void)state;
	assert_non_null(endless);
	for (int i = 0; i < 20000; i++)
		memcpy(endless + 10 * i, "250-aaaa\r\n", 11);
	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EPEER);
	smtp_says(&said, "what is no reply");
	(void)smtp_fake_heard(fake);
	free(endless);
}

static void
what_was_not_asked_for_is_not_lent(void **state)
{
	static const char *const says[] = {greeting, ehlo, "250 ok\r\n421 closing now\r\n", NULL};
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_lease lease;
	qpool_stats stats = qpool_stats_init();
	bool opened;
	qpool *pool;

	(void)state;
	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EPEER);
	assert_null(strstr(smtp_fake_heard(fake), "RCPT"));
	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	pool = pool_of();
	lease = smtp_lease(pool);
	(void)qpool_release(&lease);
	qpool_suspect(pool); /* NOOP, and both lines come */
	lease = smtp_lease(pool);
	(void)qpool_release(&lease);
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	lease = smtp_lease(pool);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.closes[QPOOL_WHY_CHECK], 1);
	(void)qpool_release(&lease);
	qpool_free(pool);
}

/* Before the end of the mail is sent, no reply can be about it. */
static void
an_answer_before_the_end_of_the_mail_is_none(void **state)
{
	static const struct {
		const char *answer;
		const char *native, *says;
	} rows[] = {
	    {"354 go on\r\n250 as 4711\r\n", "", "was not asked for"},
	    {"354 go on\r\n250 as", "", "was not asked for"},
	    {"354 go on\r\n552 too large\r\n", "", "the server's last words: 552 too large"},
	    {"354 go on\r\n421 closing\r\n", "421", "the server's last words: 421 closing"},
	};
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_smtp_reply replies[2];
	bool opened;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		script(SAYS(greeting, ehlo, ok, ok, rows[i].answer, "550 no\r\n", bye),
		    SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EPEER);
		smtp_says(&said, rows[i].says);
		smtp_says(&said, "the mail was not delivered");
		assert_string_equal(said.native, rows[i].native);
		assert_null(strstr(smtp_fake_heard(fake), "\r\n.\r\n"));
		assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
	}
	assert_int_equal(smtp_fake_mails(fake), 0);
}

/* A reply that fills the client's buffer, so that the words behind it are still in the socket. */
static const char *
with_words_behind(const char *code, const char *words)
{
	enum { BUFFER = 4096, LINE = 64 };
	static char all[BUFFER + 64];

	memset(all, 'a', BUFFER);
	for (size_t at = 0; at < BUFFER; at += LINE) {
		memcpy(all + at, code, 3);
		all[at + 3] = at + LINE < BUFFER ? '-' : ' ';
		memcpy(all + at + LINE - 2, "\r\n", 2);
	}
	(void)snprintf(all + BUFFER, sizeof all - BUFFER, "%s", words);
	return all;
}

static void
an_answer_to_no_command_is_not_taken_for_the_next(void **state)
{
	qpool_smtp_message message = smtp_message("x\r\n");
	const char *says[8];
	bool opened;

	(void)state;
	for (size_t step = 2; step < 4; step++) {
		memcpy(says, good, sizeof good);
		says[step] = with_words_behind("250", ok);
		script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EPEER);
		smtp_says(&said, step == 2 ? "RCPT: " : "DATA: ");
		smtp_says(&said, "was not asked for");
		assert_null(strstr(smtp_fake_heard(fake), step == 2 ? "RCPT" : "DATA"));
	}
}

static void
a_refusal_before_the_end_of_the_mail_is_told(void **state)
{
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_smtp_reply replies[2];
	const char *says[8];
	bool opened;

	(void)state;
	memcpy(says, good, sizeof good);
	says[4] = with_words_behind("354", "552 too large\r\n");
	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EPEER);
	smtp_says(&said, "the mail is refused before its end: the server says 552 too large");
	assert_string_equal(said.native, "552");
	assert_int_equal(replies[1].code, 552);
	assert_null(strstr(smtp_fake_heard(fake), "\r\n.\r\n"));
	assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
	says[4] = with_words_behind("354", "250 as 4711\r\n");
	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EPEER);
	smtp_says(&said, "the body: ");
	smtp_says(&said, "the mail was not delivered");
	assert_string_equal(said.native, "");
	assert_int_equal(replies[1].code, 0);
	assert_null(strstr(smtp_fake_heard(fake), "\r\n.\r\n"));
}

/* A mail that was taken is taken, whatever the server says behind that; but the session is over. */
static void
a_farewell_behind_the_answer_takes_nothing_back(void **state)
{
	const char *const *says =
	    SAYS(greeting, ehlo, ok, ok, go_on, "250 as 4711\r\n421 closing\r\n", NULL);
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_stats stats = qpool_stats_init();
	qpool *pool = pool_of();
	qpool_lease lease;

	(void)state;
	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	lease = smtp_lease(pool);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_OK);
	(void)qpool_release(&lease);
	lease = smtp_lease(pool);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.closes[QPOOL_WHY_CHECK], 1);
	assert_int_equal(smtp_fake_connections(fake), 2);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_OK);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_EPEER);
	smtp_says(&said, "before MAIL: ");
	smtp_says(&said, "the mail was not delivered; the server's last words: 421 closing");
	assert_string_equal(said.native, "421");
	assert_int_equal(qpool_smtp_noop(&lease, QPOOL_SEC(1), &said), QPOOL_EPEER);
	(void)qpool_release(&lease);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.closes[QPOOL_WHY_DISCARDED], 1);
	qpool_free(pool);
	assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
}

/* Whoever finds it: the next holder's look, a check, or the pool's end. */
static void
to_one_who_chatters_no_goodbye_is_said(void **state)
{
	const char *const *says =
	    SAYS(greeting, ehlo, ok, ok, go_on, "250 as 4711\r\n250 stray\r\n", bye);
	const char *const *odd = SAYS(greeting, ehlo, "220 well\r\n", bye);
	qpool_smtp_message message = smtp_message("x\r\n");

	(void)state;
	for (int i = 0; i < 3; i++) {
		qpool *pool = pool_of();
		qpool_lease lease;

		script(i < 2 ? says : odd, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		lease = smtp_lease(pool);
		if (i < 2)
			assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_OK);
		(void)qpool_release(&lease);
		if (i == 2)
			qpool_suspect(pool);
		if (i > 0) {
			script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
			lease = smtp_lease(pool); /* another one: the first has ended */
			assert_int_equal(smtp_fake_quits(fake), 0);
			(void)qpool_release(&lease);
		}
		qpool_free(pool);
		(void)smtp_fake_heard(fake);
		assert_true(i > 0 || smtp_fake_quits(fake) == 0);
		smtp_fake_end(fake); /* and begin to count anew */
		fake = smtp_fake_start();
	}
}

static void
the_answer_to_each_recipient_is_told(void **state)
{
	static const char *const to[] = {"a@example.org", "b@example.org", "c@example.org"};
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_smtp_reply replies[4];
	bool opened;

	(void)state;
	message.recipients = to;
	message.recipient_count = 3;
	message.timeout = QPOOL_FOREVER;
	script(SAYS(greeting, ehlo, ok, "452 too many\r\n", "251 will forward\r\n",
		   "550-no\r\n550 one\r\n", go_on, taken, bye),
	    SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, replies, &opened), QPOOL_OK);
	assert_int_equal(replies[0].code, 452);
	assert_string_equal(replies[0].text, "too many");
	assert_int_equal(replies[1].code, 251);
	assert_int_equal(replies[2].code, 550);
	assert_string_equal(replies[2].text, "no one");
	assert_int_equal(replies[3].code, 250);
	(void)smtp_fake_heard(fake);
	script(SAYS(greeting, ehlo, ok, ok, "421 closing\r\n", bye), SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EPEER);
	assert_string_equal(said.native, "421");
	assert_int_equal(replies[1].code, 421);
	assert_int_equal(replies[2].code, 0);
	assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
	message.recipient_count = 1;
	script(SAYS(greeting, ehlo, ok, ok, "421 closing\r\n", bye), SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EPEER);
	assert_int_equal(replies[1].code, 421);
	assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
	script(SAYS(greeting, ehlo, ok, ok, "554 no\r\n", ok, bye), SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EPEER);
	smtp_says(&said, "DATA is refused: the server says 554 no");
	assert_string_equal(said.native, "554");
	assert_int_equal(replies[1].code, 554);
	assert_non_null(strstr(smtp_fake_heard(fake), "DATA\r\nRSET\r\nQUIT\r\n"));
}

/* A transaction that RSET does not end in time is no mail that was refused. */
static void
a_reset_that_nobody_answers_is_late(void **state)
{
	static const struct {
		const char *answer;
		qpool_err err;
		const char *native;
	} rows[] = {{NULL, QPOOL_ETIMEOUT, ""}, {"421 bye\r\n", QPOOL_EPEER, "421"},
	    {"502 what?\r\n", QPOOL_EPEER, ""}};
	qpool_smtp_message message = smtp_message("x\r\n");

	(void)state;
	message.timeout = QPOOL_MSEC(200);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		qpool *pool = pool_of();
		qpool_lease lease;

		script(SAYS(greeting, ehlo, ok, "550 who?\r\n", rows[i].answer), SMTP_FAKE_ALL,
		    SMTP_FAKE_ALL);
		lease = smtp_lease(pool);
		assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_EPEER);
		assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), rows[i].err);
		smtp_says(&said, "RSET: ");
		smtp_says(&said, "; the mail was not delivered");
		assert_string_equal(said.native, rows[i].native);
		assert_int_equal(said.code, rows[i].err);
		(void)qpool_release(&lease);
		qpool_free(pool);
		assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
	}
}

/* Servers from before EHLO, and words with a secret too short to be blotted out. */
static void
old_servers_and_short_secrets(void **state)
{
	static const char auth[] = "250-fake\r\n250 AUTH PLAIN\r\n";
	const char *const *old = SAYS(greeting, "502 no\r\n", ok, ok, ok, go_on, taken, bye);
	const char *const *echo =
	    SAYS(greeting, auth, "334 \r\n", "235 in\r\n", "550 zq is not your name\r\n", bye);
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_lease lease;
	qpool *pool;
	bool opened;

	(void)state;
	script(old, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_non_null(
	    strstr(smtp_fake_heard(fake), "HELO me\r\nMAIL FROM:<ann@example.org>\r\n"));
	script(echo, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	pool = pool_with("me:zq@", "tls=none", QPOOL_SEC(20));
	lease = smtp_lease(pool);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_EPEER);
	assert_null(strstr(said.message, "zq"));
	smtp_says(&said, "the sender is refused: the server says 550 (withheld)");
	(void)qpool_release(&lease);
	qpool_free(pool);
	(void)smtp_fake_heard(fake);
}

/* ---- time ---- */

/* One that stops reading, and one that hangs up, in the middle of a body. */
static void
a_body_that_nobody_reads_ends_in_time(void **state)
{
	size_t room = (size_t)32 << 20;
	char *body = malloc(room);
	qpool_smtp_message message = smtp_message("");
	static const char *const says[] = {greeting, "250 fake\r\n", ok, ok, go_on, NULL};
	bool opened;

	(void)state;
	assert_non_null(body);
	memset(body, 'x', room);
	message.body = body;
	message.body_length = room;
	message.timeout = QPOOL_MSEC(500);
	smtp_fake_script(fake,
	    (smtp_script){
		.says = says, .cut_out = SMTP_FAKE_ALL, .cut_in = SMTP_FAKE_ALL, .is_deaf = true});
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_ETIMEOUT);
	smtp_says(&said, "the body: no answer in time; the mail was not delivered");
	smtp_fake_drop(fake);
	(void)smtp_fake_heard(fake);
	/* Its own room ends before the body, and it hangs up. */
	message.timeout = QPOOL_SEC(60);
	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EPEER);
	(void)smtp_fake_heard(fake);
	free(body);
}

/* One that never ceases to say a little. */
static void
on_alarm(int number)
{
	(void)number;
}

/* Which come to this thread only. */
static void
signals_do_not_end_a_wait(void **state)
{
	const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm}, was;
	qpool_smtp_message message = smtp_message("x\r\n");
	sigset_t alarms;
	bool opened;

	(void)state;
	smtp_fake_end(fake);
	(void)sigemptyset(&alarms);
	(void)sigaddset(&alarms, SIGALRM);
	(void)pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	fake = smtp_fake_start();
	(void)pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	assert_int_equal(sigaction(SIGALRM, &action, &was), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	message.timeout = QPOOL_MSEC(100);
	script(SAYS(greeting, ehlo, ok), SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_ETIMEOUT);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &was, NULL), 0);
	(void)smtp_fake_heard(fake);
}

static void
a_reply_that_drips_ends_in_time(void **state)
{
	enum { LINES = 9000 };
	char *dripping = malloc(7 * LINES + 1);
	const char *says[] = {greeting, ehlo, dripping, NULL};
	qpool_smtp_message message = smtp_message("x\r\n");
	bool opened;

	(void)state;
	assert_non_null(dripping);
	for (int i = 0; i < LINES; i++)
		memcpy(dripping + 7 * i, i + 1 < LINES ? "550-a\r\n" : "550 a\r\n", 8);
	message.timeout = QPOOL_MSEC(2);
	smtp_fake_script(fake, (smtp_script){says, SMTP_FAKE_ALL, SMTP_FAKE_ALL, true, false});
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_ETIMEOUT);
	(void)smtp_fake_heard(fake);
	free(dripping);
}

static void
the_end_that_did_not_go_out_is_no_doubt(void **state)
{
	static const char *const says[] = {greeting, "250 fake\r\n", ok, ok, go_on, NULL};
	size_t fits = 0, sticks = (size_t)32 << 20;
	char *body = calloc(1, sticks);
	qpool_smtp_message message = smtp_message("");
	bool opened;

	(void)state;
	assert_non_null(body);
	memset(body, 'x', sticks);
	message.body = body;
	message.timeout = QPOOL_MSEC(50);
	while (sticks - fits > 2048) {
		qpool_err err;

		message.body_length = fits + (sticks - fits) / 2;
		smtp_fake_script(fake, (smtp_script){.says = says,
					   .cut_out = SMTP_FAKE_ALL,
					   .cut_in = SMTP_FAKE_ALL,
					   .is_deaf = true});
		err = one_mail(&message, NULL, &opened);
		if (strstr(said.message, ": the body: ") != NULL) {
			sticks = message.body_length;
			assert_int_equal(err, QPOOL_ETIMEOUT);
		} else if (strstr(said.message, ": the end of the mail: ") != NULL) {
			fits = message.body_length;
			assert_int_equal(err, QPOOL_EUNKNOWN);
		} /* else it was late before that: again */
		smtp_fake_drop(fake);
		(void)smtp_fake_heard(fake);
	}
	free(body);
}

static void
silence_at_each_step_ends_in_time(void **state)
{
	qpool_smtp_message message = smtp_message("x\r\n");

	(void)state;
	message.timeout = QPOOL_MSEC(100);
	for (size_t step = 2; step < 6; step++) {
		const char *says[8];
		bool opened;
		qpool_err err;

		memcpy(says, good, sizeof good);
		says[step] = NULL;
		script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		err = one_mail(&message, NULL, &opened);
		assert_int_equal(err, step < 5 ? QPOOL_ETIMEOUT : QPOOL_EUNKNOWN);
		(void)smtp_fake_heard(fake);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SMTP_SCENE_TEST(nonsense_at_each_step_ends_the_session),
	    SMTP_SCENE_TEST(a_reply_without_end_is_no_reply),
	    SMTP_SCENE_TEST(what_was_not_asked_for_is_not_lent),
	    SMTP_SCENE_TEST(an_answer_before_the_end_of_the_mail_is_none),
	    SMTP_SCENE_TEST(an_answer_to_no_command_is_not_taken_for_the_next),
	    SMTP_SCENE_TEST(a_refusal_before_the_end_of_the_mail_is_told),
	    SMTP_SCENE_TEST(a_farewell_behind_the_answer_takes_nothing_back),
	    SMTP_SCENE_TEST(to_one_who_chatters_no_goodbye_is_said),
	    SMTP_SCENE_TEST(signals_do_not_end_a_wait),
	    SMTP_SCENE_TEST(the_answer_to_each_recipient_is_told),
	    SMTP_SCENE_TEST(a_reset_that_nobody_answers_is_late),
	    SMTP_SCENE_TEST(old_servers_and_short_secrets),
	    SMTP_SCENE_TEST(a_body_that_nobody_reads_ends_in_time),
	    SMTP_SCENE_TEST(a_reply_that_drips_ends_in_time),
	    SMTP_SCENE_TEST(the_end_that_did_not_go_out_is_no_doubt),
	    SMTP_SCENE_TEST(silence_at_each_step_ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
