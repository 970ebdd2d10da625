/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_open: what opening a session comes to: why not, in time, and without a secret.
 */
#include "smtp_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

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
	/* Behind 334 it has heard both, and may quote them as it likes. */
	refuses(SAYS(greeting, auth, "334 \r\n", "454 s-e-c-r-e-t\r\n", bye), "me:secret@",
	    "tls=none", QPOOL_EOPEN, "454", "connecting");
	assert_null(strstr(said.message, "s-e-c-r-e-t"));
	refuses(SAYS("hello\r\n"), "", "tls=none", QPOOL_EOPEN, "", "connecting");
	/* Our own words give no secret away by a hole in them. */
	refuses(SAYS(greeting, auth, "535 no\r\n", bye), "me:pass@", "tls=none", QPOOL_EDENIED,
	    "535", "look at user and password");
	/* One of the two ports for another's. */
	refuses(SAYS(greeting), "", "tls=implicit", QPOOL_EOPEN, "", "try smtp://");
	refuses((const char *const[]){NULL}, "", "tls=starttls", QPOOL_EOPEN, "", "try smtps://");
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
	/* The 502 was an answer to something else. */
	refuses(SAYS(greeting, "502 no\r\n"), "", "tls=none", QPOOL_EOPEN, "", "connecting");
	assert_int_equal(said.sys_errno, ETIMEDOUT);
	refuses(SAYS(greeting, "250-fake\r\n250 STARTTLS\r\n", "220 go\r\n"), "", "tls=starttls",
	    QPOOL_EOPEN, "", "connecting");
	assert_int_equal(said.sys_errno, ETIMEDOUT);
}

/* What stands behind the 220 was said in the clear, by anybody. */
static void
words_before_tls_are_not_taken_for_words_behind_it(void **state)
{
	static const char *const inject[] = {
	    "220 go\r\n250-fake\r\n250 AUTH PLAIN\r\n", "220 go\r\n250 fake\r\n", "220 go\r\n2"};

	(void)state;
	scene_secure("starttls");
	for (size_t i = 0; i < 3; i++) {
		refuses(SAYS(greeting, starttls, inject[i], ehlo, ok, ok), "", "tls=starttls",
		    QPOOL_EOPEN, "", "connecting");
		assert_null(strstr(smtp_fake_heard(fake), "MAIL"));
	}
}

/* Nor are offers. */
static void
offers_before_tls_are_forgotten(void **state)
{
	static const char offers[] = "250-fake\r\n250-SIZE 2\r\n250-8BITMIME\r\n250 STARTTLS\r\n";
	qpool_smtp_message message = smtp_message("xyz\r\n");
	bool opened;

	(void)state;
	scene_secure("starttls");
	script(SAYS(greeting, offers, go, "250 fake\r\n", ok, ok, go_on, taken, bye), SMTP_FAKE_ALL,
	    SMTP_FAKE_ALL);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_non_null(strstr(smtp_fake_heard(fake), "\r\nMAIL FROM:<ann@example.org>\r\n"));
}

static void
tls_if_it_is_offered(void **state)
{
	qpool_smtp_message message = smtp_message("x\r\n");
	qpool_lease lease;
	qpool *pool;

	(void)state;
	scene_secure("starttls");
	script(SAYS(greeting, starttls, go, ehlo, ok, ok, go_on, taken, bye), SMTP_FAKE_ALL,
	    SMTP_FAKE_ALL);
	pool = pool_with("", "tls=optional", QPOOL_SEC(20));
	lease = smtp_lease(pool);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_OK);
	(void)qpool_release(&lease);
	qpool_free(pool);
	assert_ptr_equal(strstr(smtp_fake_heard(fake), "EHLO me\r\nSTARTTLS\r\nEHLO me\r\nMAIL "),
	    smtp_fake_heard(fake));
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	pool = pool_with("", "tls=optional", QPOOL_SEC(20));
	lease = smtp_lease(pool);
	assert_int_equal(qpool_smtp_send(&lease, &message, NULL, &said), QPOOL_OK);
	(void)qpool_release(&lease);
	qpool_free(pool);
	assert_ptr_equal(strstr(smtp_fake_heard(fake), "EHLO me\r\nMAIL "), smtp_fake_heard(fake));
}

static void
no_proxy_of_the_environment_is_used(void **state)
{
	qpool_smtp_message message = smtp_message("x\r\n");
	bool opened;

	(void)state;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(one_mail(&message, NULL, &opened), QPOOL_OK);
	assert_int_equal(unsetenv("all_proxy"), 0);
	(void)smtp_fake_heard(fake);
}

static void
no_program_inherits_a_session(void **state)
{
	qpool *pool = pool_of();
	qpool_lease lease;
	int ours = 0;

	(void)state;
	script(good, SMTP_FAKE_ALL, SMTP_FAKE_ALL);
	lease = smtp_lease(pool);
	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_in peer = {0};
		socklen_t size = sizeof peer;

		if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 ||
		    ntohs(peer.sin_port) != smtp_fake_port(fake))
			continue;
		ours++;
		assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	}
	assert_int_equal(ours, 1);
	(void)qpool_release(&lease);
	qpool_free(pool);
}

static void
no_descriptor_left_is_no_room(void **state)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	struct rlimit was, none;
	qpool *pool = pool_of();
	qpool_err err;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0; /* those that are open stay */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	err = qpool_acquire(pool, QPOOL_SEC(20), &lease, &said);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(err, QPOOL_EFULL);
	assert_int_equal(said.sys_errno, EMFILE);
	qpool_free(pool);
}

/* libcurl says QUIT to a server that refused it, and would wait two minutes for an answer. */
static void
a_refused_open_waits_for_no_goodbye(void **state)
{
	static const char auth[] = "250-fake\r\n250 AUTH PLAIN\r\n";
	struct timespec begun, ended;

	(void)state;
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	refuses(SAYS(greeting, auth, "334 \r\n", "535 no\r\n"), "me:secret@", "tls=none",
	    QPOOL_EDENIED, "535", "Login denied");
	refuses(
	    SAYS(greeting, "250 fake\r\n"), "", "tls=starttls", QPOOL_EDENIED, "", "look at port");
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_true(ended.tv_sec - begun.tv_sec < 30);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SMTP_SCENE_TEST(a_refused_open_says_why),
	    SMTP_SCENE_TEST(an_open_ends_in_time),
	    SMTP_SCENE_TEST(words_before_tls_are_not_taken_for_words_behind_it),
	    SMTP_SCENE_TEST(offers_before_tls_are_forgotten),
	    SMTP_SCENE_TEST(tls_if_it_is_offered),
	    SMTP_SCENE_TEST(no_proxy_of_the_environment_is_used),
	    SMTP_SCENE_TEST(no_program_inherits_a_session),
	    SMTP_SCENE_TEST(no_descriptor_left_is_no_room),
	    SMTP_SCENE_TEST(a_refused_open_waits_for_no_goodbye),
	    SMTP_SCENE_TEST(nobody_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
