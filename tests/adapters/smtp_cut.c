/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_cut: a server that hangs up at every byte of the dialogue, in the clear and behind TLS: a mail is
 * delivered once or told undelivered, or, where nobody can know, unknown.
 */
#include "smtp_scene.h"

/*
 *   says:    greeting, what is before TLS, EHLO's answer, and the mail
 *   opening: how many of them open the session; four more, and the mail is known to be taken
 *   hears:   what the client says up to the mail's end
 */
typedef struct way {
	const char *says[10];
	size_t opening;
	const char *hears;
} way;

#define MAIL                                                                                        \
	"MAIL FROM:<ann@example.org> SIZE=7 BODY=8BITMIME\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n" \
	"..x\r\ny\r\n.\r\n"

static const way clear = {{greeting, ehlo, ok, ok, go_on, taken, bye}, 2, "EHLO me\r\n" MAIL};
static const way by_starttls = {{greeting, starttls, go, ehlo, ok, ok, go_on, taken, bye}, 4,
    "EHLO me\r\nSTARTTLS\r\nEHLO me\r\n" MAIL};
static const way implicit = {{greeting, ehlo, ok, ok, go_on, taken, bye}, 2, "EHLO me\r\n" MAIL};

/* Any of these may come first where it hung up without having read all. */
static bool
may_be(qpool_err err, size_t cut, size_t asked, bool came)
{
	if (cut < asked)
		return err == QPOOL_EPEER && !came;
	return err == QPOOL_EUNKNOWN || (cut == asked && err == QPOOL_EPEER && !came);
}

static void
cut_out(const way *w)
{
	const size_t opening = length_of(w->says, w->opening),
		     asked = length_of(w->says, w->opening + 3),
		     all = length_of(w->says, w->opening + 4);
	qpool_smtp_message message = smtp_message("x\r\n");

	for (size_t cut = 0; cut <= all; cut++) {
		qpool_smtp_reply replies[2];
		unsigned before = smtp_fake_mails(fake);
		bool opened;
		qpool_err err;

		script(w->says, cut, SMTP_FAKE_ALL);
		err = one_mail(&message, replies, &opened);
		(void)smtp_fake_heard(fake);
		assert_int_equal(opened, cut >= opening);
		if (cut < opening)
			assert_int_equal(err, QPOOL_EOPEN);
		else if (cut < all)
			assert_true(may_be(err, cut, asked, smtp_fake_mails(fake) != before));
		else
			assert_int_equal(err, QPOOL_OK);
		if (err != QPOOL_OK)
			assert_true(said.message[0] != '\0');
		if (err == QPOOL_OK)
			assert_string_equal(replies[1].text, "taken as 4711");
	}
}

static void
cut_in(const way *w)
{
	qpool_smtp_message message = smtp_message(".x\ny");
	const size_t all = strlen(w->hears), end = all - strlen(".\r\n"),
		     opening = all - strlen(MAIL);

	for (size_t cut = 0; cut <= all; cut++) {
		unsigned before = smtp_fake_mails(fake);
		bool opened, came;
		qpool_err err;

		script(w->says, SMTP_FAKE_ALL, cut);
		err = one_mail(&message, NULL, &opened);
		assert_memory_equal(smtp_fake_heard(fake), w->hears, cut);
		came = smtp_fake_mails(fake) != before;
		assert_int_equal(came, cut == all);
		if (cut == all)
			assert_true(err == QPOOL_OK || err == QPOOL_EUNKNOWN);
		else if (cut < opening)
			assert_int_equal(err, QPOOL_EOPEN);
		else
			assert_true(err == QPOOL_EPEER || (cut > 0 && err == QPOOL_EUNKNOWN));
		if (cut < end - strlen("..x\r\ny\r\n") && cut >= opening)
			assert_int_equal(err, QPOOL_EPEER);
	}
}

static void
slowly(const way *w)
{
	qpool_smtp_message message = smtp_message(".x\ny");
	const size_t all = strlen(w->hears);
	bool opened;

	smtp_fake_script(fake, (smtp_script){w->says, SMTP_FAKE_ALL, SMTP_FAKE_ALL, true, false});
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_memory_equal(smtp_fake_heard(fake), w->hears, all);
	assert_string_equal(smtp_fake_heard(fake) + all, "QUIT\r\n");
}

static void
in_the_clear(void **state)
{
	(void)state;
	cut_out(&clear);
	cut_in(&clear);
	slowly(&clear);
}

static void
behind_starttls(void **state)
{
	(void)state;
	scene_secure("starttls");
	cut_out(&by_starttls);
	cut_in(&by_starttls);
}

static void
behind_tls_from_the_first_byte(void **state)
{
	(void)state;
	scene_secure("implicit");
	cut_out(&implicit);
	cut_in(&implicit);
	slowly(&implicit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SMTP_SCENE_TEST(in_the_clear),
	    SMTP_SCENE_TEST(behind_starttls),
	    SMTP_SCENE_TEST(behind_tls_from_the_first_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
