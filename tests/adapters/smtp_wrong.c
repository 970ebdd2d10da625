/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_wrong: a server that says what cannot be, what it was not asked for, or nothing, and it never takes
 * longer than it may.
 */
#include "smtp_scene.h"

#include <stdlib.h>

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
			if (!fits)
				assert_null(strstr(smtp_fake_heard(fake), "QUIT"));
			else
				(void)smtp_fake_heard(fake);
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
	qpool_lease lease = QPOOL_LEASE_INIT;
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
	    SMTP_SCENE_TEST(old_servers_and_short_secrets),
	    SMTP_SCENE_TEST(a_body_that_nobody_reads_ends_in_time),
	    SMTP_SCENE_TEST(silence_at_each_step_ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
