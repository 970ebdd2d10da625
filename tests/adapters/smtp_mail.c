/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_mail: what the caller may say, and what the server does not take: judged before a byte is sent, or
 * broken off without the end of the mail.
 */
#include "smtp_scene.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- what the server does not take ---- */

static void
what_the_server_does_not_take_is_not_sent(void **state)
{
	static const char *const seven[] = {
	    greeting, "250-fake\r\n250 SIZE 20\r\n", ok, ok, go_on, taken, bye, NULL};
	qpool_smtp_message message = smtp_message("0123456789012345678"); /* 21 with its end */
	bool opened;

	(void)state;
	script(seven, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EINVAL);
	smtp_says(
	    &said, "the mail has 21 bytes, and the server takes at most 20; nothing was sent");
	assert_string_equal(smtp_fake_heard(fake), "EHLO me\r\nQUIT\r\n");
	message = smtp_message("caf\xc3\xa9");
	script(seven, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EINVAL);
	smtp_says(&said, "8-bit bytes");
	assert_string_equal(smtp_fake_heard(fake), "EHLO me\r\nQUIT\r\n");
	message = smtp_message("012345678901234567"); /* 20 */
	script(seven, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_non_null(strstr(smtp_fake_heard(fake), "MAIL FROM:<ann@example.org> SIZE=20\r\n"));
}

static qpool_err
read_8bit(void *user, char *out, size_t room, size_t *length, qpool_error *error)
{
	int *left = user;

	(void)room;
	(void)error;
	*length = *left > 0 ? 1 : 0;
	*out = *left == 1 ? '\xe9' : 'a';
	(*left)--;
	return QPOOL_OK;
}

static void
what_is_read_and_does_not_fit_ends_without_its_end(void **state)
{
	static const char *const seven[] = {
	    greeting, "250-fake\r\n250 SIZE 20\r\n", ok, ok, go_on, taken, bye, NULL};
	qpool_smtp_message message = smtp_message("");
	int left = 5;
	bool opened;

	(void)state;
	message.body = NULL;
	message.read = read_8bit;
	message.read_user = &left;
	script(seven, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EINVAL);
	smtp_says(&said, "8-bit bytes");
	(void)smtp_fake_heard(fake);
	left = 40;
	script(seven, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EINVAL);
	smtp_says(&said, "longer than the server takes");
	(void)smtp_fake_heard(fake);
	assert_int_equal(smtp_fake_mails(fake), 0);
}

static void
the_size_of_what_will_be_read_is_announced(void **state)
{
	qpool_smtp_message message = smtp_message("");
	int left = 5; /* letters; with the end of their line it is 7 */
	bool opened;

	(void)state;
	message.body = NULL;
	message.read = read_8bit;
	message.read_user = &left;
	message.read_size = 7;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_non_null(strstr(smtp_fake_heard(fake), " SIZE=7 BODY=8BITMIME\r\n"));
	left = 5;
	message.read_size = 6;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EINVAL);
	smtp_says(&said, "more than read_size says");
	assert_null(strstr(smtp_fake_heard(fake), "\r\n.\r\n"));
	message.read_size = 1001;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_EINVAL);
	smtp_says(&said, "nothing was sent");
	assert_string_equal(smtp_fake_heard(fake), "EHLO me\r\nQUIT\r\n");
}

/* ---- a reader that does what it must not ---- */

typedef struct meddler {
	qpool_lease *lease;
	bool releases, has_read;
	qpool_err sent, asked;
} meddler;

static qpool_err
meddle(void *user, char *out, size_t room, size_t *length, qpool_error *error)
{
	qpool_smtp_message message = smtp_message("x\r\n");
	meddler *m = user;

	(void)room;
	(void)error;
	*length = m->has_read ? 0 : 1;
	*out = 'a';
	m->has_read = true;
	m->sent = qpool_smtp_send(m->lease, &message, NULL, NULL);
	m->asked = qpool_smtp_noop(m->lease, QPOOL_SEC(1), NULL);
	if (m->releases)
		(void)qpool_release(m->lease);
	return QPOOL_OK;
}

static void
a_reader_cannot_use_the_lease_nor_end_it(void **state)
{
	qpool_smtp_message message = smtp_message("");
	qpool_lease lease;
	meddler m = {.lease = &lease};
	qpool *pool = pool_of();

	(void)state;
	message.body = NULL;
	message.read = meddle;
	message.read_user = &m;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	lease = smtp_lease(pool);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_OK);
	assert_int_equal(m.sent, QPOOL_EMISUSE);
	assert_int_equal(m.asked, QPOOL_EMISUSE);
	(void)qpool_release(&lease);
	qpool_free(pool);
	(void)smtp_fake_heard(fake);
	assert_int_equal(smtp_fake_mails(fake), 1);
	m.releases = true;
	m.has_read = false;
	pool = pool_of();
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	lease = smtp_lease(pool);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_EMISUSE);
	smtp_says(&said, "read ended the lease; the mail was not delivered");
	assert_string_equal(strstr(smtp_fake_heard(fake), "DATA"), "DATA\r\n");
	assert_int_equal(smtp_fake_mails(fake), 1);
	qpool_free(pool);
}

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Once more than there is room, and once until it is too late. */
static qpool_err
read_badly(void *user, char *out, size_t room, size_t *length, qpool_error *error)
{
	const int64_t *until_ns = user;

	(void)error;
	*out = 'a';
	*length = *until_ns == 0 ? room + 1 : 1;
	while (now_ns() < *until_ns)
		;
	return QPOOL_OK;
}

static void
a_reader_that_gives_too_much_or_too_late_ends_the_mail(void **state)
{
	static const struct {
		qpool_err err;
		const char *says;
	} rows[] = {{QPOOL_EINVAL, "read gave more than there is room"},
	    {QPOOL_ETIMEOUT, "no answer in time; the mail was not delivered"}};
	qpool_smtp_message message = smtp_message("");
	int64_t until_ns = 0;
	bool opened;

	(void)state;
	message.body = NULL;
	message.read = read_badly;
	message.read_user = &until_ns;
	for (int i = 0; i < 2; i++) {
		script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		assert_int_equal(one_mail(&message, NULL, &opened), rows[i].err);
		smtp_says(&said, rows[i].says);
		assert_string_equal(strstr(smtp_fake_heard(fake), "DATA"), "DATA\r\n");
		message.timeout = QPOOL_MSEC(300);
		until_ns = now_ns() + QPOOL_SEC(1);
	}
}

/* ---- whose lease ---- */

static qpool_err
open_nothing(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step;
	(void)error;
	*out = user;
	return QPOOL_OK;
}

static void
close_nothing(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

static void
another_pool_s_lease_is_refused(void **state)
{
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	int nothing = 0;
	qpool *pool;
	qpool_lease lease;

	(void)state;
	ops.kind = "smtp2";
	ops.open = open_nothing;
	ops.close = close_nothing;
	options.max_size = 1;
	assert_int_equal(qpool_create(&pool, &options, &ops, &nothing, &said), QPOOL_OK);
	lease = smtp_lease(pool);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_EMISUSE);
	smtp_says(&said, "the lease is of another kind of pool");
	assert_int_equal(qpool_smtp_noop(&lease, QPOOL_SEC(1), &said), QPOOL_EMISUSE);
	(void)qpool_release(&lease);
	qpool_free(pool);
}

static void
a_child_ends_its_parent_s_lease_without_a_word(void **state)
{
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool *pool = pool_of();
	qpool_lease lease;
	int status = -1;
	pid_t child;

	(void)state;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	lease = smtp_lease(pool);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		bool is_right = qpool_release(&lease) == QPOOL_EFORKED &&
		                qpool_smtp_send(&lease, &message, NULL, NULL) == QPOOL_EMISUSE;
		qpool_free(pool);
		_exit(is_right ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_OK);
	(void)qpool_release(&lease);
	qpool_free(pool);
	assert_int_equal(smtp_fake_mails(fake), 1);
	assert_null(strstr(smtp_fake_heard(fake), "QUIT\r\nMAIL"));
}

/* ---- what the caller may not say ---- */

static void
addresses_cannot_become_commands(void **state)
{
	static const char *const bad[] = {"a@b\r\nRCPT TO:<c@d>", "a@b\n", "a@b\r", "a b@c",
	    "<a@b>", "a@b,c@d", "\x01@b", "\xc3\xa9@b", "a@\xc3\xa9", "\"a@b", "\"a\r\"@b",
	    "a\\\"> SIZE=1 <b\"@c", "a\"b\"@c", "\"a\"b@c", "a\\>@c"};
	const char *to[] = {"bob@example.org", NULL};
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_smtp_reply replies[3];
	bool opened;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		message.from = bad[i];
		script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EINVAL);
		assert_ptr_equal(strstr(said.message, "from has "), said.message);
		assert_string_equal(smtp_fake_heard(fake), "EHLO me\r\nQUIT\r\n");
		message.from = "";
		to[1] = bad[i];
		message.recipients = to;
		message.recipient_count = 2;
		script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		assert_int_equal(one_mail(&message, replies, &opened), QPOOL_EINVAL);
		assert_ptr_equal(strstr(said.message, "recipients[1] has "), said.message);
		assert_string_equal(smtp_fake_heard(fake), "EHLO me\r\nQUIT\r\n");
	}
	message = smtp_message("x\r\n");
	message.from = "";
	to[0] = "\"a b>\\\"\"@[192.0.2.1]";
	message.recipients = to;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_non_null(strstr(smtp_fake_heard(fake), "MAIL FROM:<> SIZE=3 BODY=8BITMIME\r\n"
						      "RCPT TO:<\"a b>\\\"\"@[192.0.2.1]>\r\n"));
}

static void
a_message_is_judged_before_anything_is_sent(void **state)
{
	static const char *const to[] = {"bob@example.org"};
	qpool_smtp_message good_one = smtp_message("x\r\n"), m;
	qpool_lease lease = QPOOL_LEASE_INIT;
	bool opened;

	(void)state;
	assert_int_equal(qpool_smtp_send(&lease, &good_one, NULL, &said), QPOOL_EMISUSE);
	assert_int_equal(qpool_smtp_send(NULL, &good_one, NULL, &said), QPOOL_EMISUSE);
	for (int i = 0; i < 8; i++) {
		m = good_one;
		m.recipients = i == 0 ? NULL : to;
		m.recipient_count = i == 1 ? 0 : 1;
		m.from = i == 2 ? NULL : m.from;
		m.body = i == 3 || i == 4 ? NULL : m.body;
		m.body_length = i == 3 ? 0 : m.body_length;
		m.read_size = i == 5;
		m.timeout = i == 6 ? -1 : 0;
		m.size = i == 7 ? 1 : m.size;
		script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
		assert_int_equal(one_mail(&m, NULL, &opened), QPOOL_EINVAL);
		assert_non_null(strstr(said.message, i == 7 ? "qpool_smtp_message_init" : "must"));
		(void)smtp_fake_heard(fake);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SMTP_SCENE_TEST(what_the_server_does_not_take_is_not_sent),
	    SMTP_SCENE_TEST(what_is_read_and_does_not_fit_ends_without_its_end),
	    SMTP_SCENE_TEST(the_size_of_what_will_be_read_is_announced),
	    SMTP_SCENE_TEST(a_reader_cannot_use_the_lease_nor_end_it),
	    SMTP_SCENE_TEST(a_reader_that_gives_too_much_or_too_late_ends_the_mail),
	    SMTP_SCENE_TEST(another_pool_s_lease_is_refused),
	    SMTP_SCENE_TEST(a_child_ends_its_parent_s_lease_without_a_word),
	    SMTP_SCENE_TEST(addresses_cannot_become_commands),
	    SMTP_SCENE_TEST(a_message_is_judged_before_anything_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
