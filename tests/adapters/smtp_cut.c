/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_cut: a server that hangs up at every byte of the dialogue, says what cannot be, or nothing: a mail is
 * delivered once or told undelivered, or, where nobody can know, unknown; and it never takes longer than
 * it may.
 */
#include "smtp_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "smtp_fake.h"

static smtp_fake *fake;
static qpool_error said;

static int
begin(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	fake = smtp_fake_start();
	return 0;
}

static int
end(void **state)
{
	(void)state;
	smtp_fake_end(fake);
	return 0;
}

static const char greeting[] = "220 fake ready\r\n",
		  ehlo[] = "250-fake\r\n250-SIZE 1000\r\n250 8BITMIME\r\n", ok[] = "250 ok\r\n",
		  go_on[] = "354 go on\r\n", taken[] = "250-taken\r\n250 as 4711\r\n",
		  bye[] = "221 bye\r\n";

static const char *const good[] = {greeting, ehlo, ok, ok, go_on, taken, bye, NULL};

static void
script(const char *const *says, size_t cut_out, size_t cut_in)
{
	smtp_fake_script(fake, (smtp_script){.says = says, .cut_out = cut_out, .cut_in = cut_in});
}

static qpool *
pool_with(const char *login, const char *query, qpool_nsec open_budget)
{
	qpool_options options = qpool_options_init();
	char url[128];

	(void)snprintf(url, sizeof url, "smtp://%s127.0.0.1:%d?helo=me&%s", login,
	    smtp_fake_port(fake), query);
	options.max_size = 1;
	options.open_failure = QPOOL_OPEN_TELL;
	options.open_budget = open_budget;
	return smtp_pool(url, &options);
}

static qpool *
pool_of(void)
{
	return pool_with("", "tls=none", QPOOL_SEC(20));
}

/* One mail over a pool of its own: what acquire said, or what the mail came to. */
static qpool_err
one_mail(const qpool_smtp_message *message, qpool_smtp_reply *replies, bool *opened)
{
	qpool *pool = pool_of();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_err err;

	memset(&said, 0, sizeof said);
	err = qpool_acquire(pool, QPOOL_SEC(20), &lease, &said);
	*opened = err == QPOOL_OK;
	if (*opened)
		err = qpool_smtp_send(&lease, message, replies, &said);
	(void)qpool_release(&lease);
	qpool_free(pool);
	return err;
}

static size_t
length_of(const char *const *says, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += strlen(says[i]);
	return length;
}

/* ---- every byte ---- */

static void
cut_at_every_byte_it_says(void **state)
{
	const size_t opening = length_of(good, 2), asked = length_of(good, 5),
		     all = length_of(good, 6);
	qpool_smtp_message message = smtp_message("x\r\n");

	(void)state;
	for (size_t cut = 0; cut <= all; cut++) {
		qpool_smtp_reply replies[2];
		unsigned before = smtp_fake_mails(fake);
		bool opened;
		qpool_err err;

		script(good, cut, SMTP_FAKE_ALL);
		err = one_mail(&message, replies, &opened);
		(void)smtp_fake_heard(fake);
		assert_int_equal(opened, cut >= opening);
		if (cut < opening)
			assert_int_equal(err, QPOOL_EOPEN);
		else if (cut <= asked && smtp_fake_mails(fake) == before)
			assert_true(err == QPOOL_EPEER || (cut == asked && err == QPOOL_EUNKNOWN));
		else if (cut < all)
			assert_int_equal(err, QPOOL_EUNKNOWN);
		else
			assert_int_equal(err, QPOOL_OK);
		if (err != QPOOL_OK)
			assert_true(said.message[0] != '\0');
		if (err == QPOOL_OK)
			assert_string_equal(replies[1].text, "taken as 4711");
	}
}

static const char dialogue[] = "EHLO me\r\nMAIL FROM:<ann@example.org> SIZE=7 BODY=8BITMIME\r\n"
			       "RCPT TO:<bob@example.org>\r\nDATA\r\n..x\r\ny\r\n.\r\n";

static void
cut_at_every_byte_it_hears(void **state)
{
	qpool_smtp_message message = smtp_message(".x\ny");
	const size_t all = strlen(dialogue);

	(void)state;
	for (size_t cut = 0; cut <= all; cut++) {
		unsigned before = smtp_fake_mails(fake);
		bool opened, came;
		qpool_err err;

		script(good, SMTP_FAKE_ALL, cut);
		err = one_mail(&message, NULL, &opened);
		assert_memory_equal(smtp_fake_heard(fake), dialogue, cut);
		came = smtp_fake_mails(fake) != before;
		assert_int_equal(came, cut == all);
		if (cut == all)
			assert_true(err == QPOOL_OK || err == QPOOL_EUNKNOWN);
		else
			assert_true(err != QPOOL_OK);
		if (err == QPOOL_EPEER)
			assert_false(came);
	}
}

static void
slow_as_it_may_be_it_is_understood(void **state)
{
	qpool_smtp_message message = smtp_message(".x\ny");
	bool opened;

	(void)state;
	smtp_fake_script(fake, (smtp_script){good, SMTP_FAKE_ALL, SMTP_FAKE_ALL, true, false});
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_memory_equal(smtp_fake_heard(fake), dialogue, strlen(dialogue));
	assert_string_equal(smtp_fake_heard(fake) + strlen(dialogue), "QUIT\r\n");
}

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

/* ---- opening ---- */

static void
refuses(const char *const *says, const char *login, const char *query, qpool_err code,
    const char *native, const char *words)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool *pool = pool_with(login, query, QPOOL_MSEC(400));

	script(says, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	memset(&said, 0, sizeof said);
	if (qpool_acquire(pool, QPOOL_SEC(20), &lease, &said) != code)
		fail_msg("%s, not %s: %s", qpool_err_name(said.code), qpool_err_name(code),
		    said.message);
	assert_string_equal(said.native, native);
	smtp_says(&said, words);
	assert_null(strstr(said.message, "secret"));
	qpool_free(pool);
	(void)smtp_fake_heard(fake);
}

#define SAYS(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static void
a_refused_open_says_why(void **state)
{
	static const char auth[] = "250-fake\r\n250 AUTH PLAIN\r\n";

	(void)state;
	refuses(SAYS("421 too many\r\n"), "", "tls=none", QPOOL_EFULL, "421", "421 too many");
	refuses(SAYS("554 go away\r\n"), "", "tls=none", QPOOL_EDENIED, "554", "554 go away");
	refuses(SAYS("451 later\r\n"), "", "tls=none", QPOOL_EOPEN, "451", "451 later");
	refuses(SAYS(greeting, "250 fake\r\n", bye), "", "tls=starttls", QPOOL_EDENIED, "",
	    "look at port");
	refuses(SAYS(greeting, "250-fake\r\n250 STARTTLS\r\n", "454 not now\r\n"), "",
	    "tls=starttls", QPOOL_EOPEN, "454", "454 not now");
	refuses(SAYS(greeting, "250 fake\r\n", bye), "me:secret@", "tls=none", QPOOL_EDENIED, "",
	    "the server offers no login");
	refuses(SAYS(greeting, auth, "535 me secret AG1lAHNlY3JldA==\r\n", bye), "me:secret@",
	    "tls=none", QPOOL_EDENIED, "535", "Login denied");
	assert_null(strstr(said.message, "AG1lAHNlY3JldA=="));
	refuses(SAYS(greeting, auth, "454 later\r\n", bye), "me:secret@", "tls=none", QPOOL_EOPEN,
	    "454", "connecting");
	refuses(SAYS("hello\r\n"), "", "tls=none", QPOOL_EOPEN, "", "connecting");
}

static void
an_open_ends_in_time(void **state)
{
	static const char auth[] = "250-fake\r\n250 AUTH PLAIN\r\n";

	(void)state;
	refuses((const char *const[]){NULL}, "", "tls=none", QPOOL_EOPEN, "", "connecting");
	assert_int_equal(said.sys_errno, ETIMEDOUT);
	refuses(SAYS(greeting), "", "tls=none", QPOOL_EOPEN, "", "connecting");
	refuses(SAYS(greeting, auth), "me:secret@", "tls=none", QPOOL_EOPEN, "", "connecting");
	refuses(SAYS(greeting, "250-fake\r\n250 STARTTLS\r\n", "220 go\r\n"), "", "tls=starttls",
	    QPOOL_EOPEN, "", "connecting");
	assert_int_equal(said.sys_errno, ETIMEDOUT);
}

static void
nobody_there_is_said(void **state)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool *pool = pool_of();

	(void)state;
	smtp_fake_end(fake);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(20), &lease, &said), QPOOL_EOPEN);
	assert_int_equal(said.sys_errno, ECONNREFUSED);
	qpool_free(pool);
	fake = smtp_fake_start();
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

/* ---- what the caller may not say ---- */

static void
addresses_cannot_become_commands(void **state)
{
	static const char *const bad[] = {"a@b\r\nRCPT TO:<c@d>", "a@b\n", "a@b\r", "a b@c",
	    "<a@b>", "a@b,c@d", "\x01@b", "\xc3\xa9@b", "a@\xc3\xa9", "\"a@b", "\"a\r\"@b"};
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(cut_at_every_byte_it_says),
	    TEST(cut_at_every_byte_it_hears),
	    TEST(slow_as_it_may_be_it_is_understood),
	    TEST(nonsense_at_each_step_ends_the_session),
	    TEST(a_reply_without_end_is_no_reply),
	    TEST(what_was_not_asked_for_is_not_lent),
	    TEST(a_refused_open_says_why),
	    TEST(an_open_ends_in_time),
	    TEST(nobody_there_is_said),
	    TEST(old_servers_and_short_secrets),
	    TEST(a_body_that_nobody_reads_ends_in_time),
	    TEST(silence_at_each_step_ends_in_time),
	    TEST(what_the_server_does_not_take_is_not_sent),
	    TEST(what_is_read_and_does_not_fit_ends_without_its_end),
	    TEST(addresses_cannot_become_commands),
	    TEST(a_message_is_judged_before_anything_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
