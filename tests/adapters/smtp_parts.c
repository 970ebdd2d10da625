/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_parts: the adapter's pure rooms by themselves: replies and bodies in whatever pieces, addresses, URLs
 * and options.  No server.
 */
#include "smtp_kit.h"

#include <stdlib.h>

#include "adapters/smtp/address.h"
#include "adapters/smtp/body.h"
#include "adapters/smtp/fault.h"
#include "adapters/smtp/reply.h"
#include "adapters/smtp/source.h"

/* ---- replies ---- */

static void
a_reply_is_the_same_in_any_pieces(void **state)
{
	static const struct {
		const char *bytes, *text;
		size_t taken;
		int code;
	} rows[] = {
	    {"250 ok\r\n", "ok", 8, 250},
	    {"250 ok\n", "ok", 7, 250},
	    {"250\r\n", "", 5, 250},
	    {"250-\r\n250\r\n", "", 11, 250},
	    {"250-a b\r\n250-c\r\n250 d\r\nmore", "a b c d", 23, 250},
	    {"550 5.1.1 <x>\t\x80\r\n", "5.1.1 <x>??", 17, 550},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t cut = 0; cut <= strlen(rows[i].bytes); cut++) {
			size_t length = strlen(rows[i].bytes), taken;
			qp_smtp_reply reply;

			qp_smtp_reply_begin(&reply);
			taken = qp_smtp_reply_feed(&reply, rows[i].bytes, cut);
			taken += qp_smtp_reply_feed(&reply, rows[i].bytes + taken, length - taken);
			assert_int_equal(reply.heard, QP_SMTP_WHOLE);
			assert_int_equal(taken, rows[i].taken);
			assert_int_equal(reply.code, rows[i].code);
			assert_string_equal(reply.text, rows[i].text);
		}
}

static void
what_is_no_reply_is_known_at_once(void **state)
{
	static const char *const bad[] = {"1", "6", "2x", "25x", "250ok", "250-a\r\n251",
	    "250 a\rb", "\n", "25\r\n", "250-a\r\n\r\n", "-", " 250"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		qp_smtp_reply reply;

		qp_smtp_reply_begin(&reply);
		(void)qp_smtp_reply_feed(&reply, bad[i], strlen(bad[i]));
		if (reply.heard != QP_SMTP_NONSENSE)
			fail_msg("taken for a reply: %s", bad[i]);
		assert_int_equal(qp_smtp_reply_feed(&reply, "250 ok\r\n", 8), 0);
	}
}

/* One line, or many. */
static void
a_reply_is_no_longer_than_it_may_be(void **state)
{
	static const char *const line[] = {"250-a\r\n", "a"};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t most = QP_SMTP_REPLY_MOST; most < QP_SMTP_REPLY_MOST + 2; most++) {
			qp_smtp_reply reply;

			qp_smtp_reply_begin(&reply);
			if (i == 1)
				(void)qp_smtp_reply_feed(&reply, "250 ", 4);
			while (reply.total + 16 < most)
				(void)qp_smtp_reply_feed(&reply, line[i], strlen(line[i]));
			if (i == 0)
				(void)qp_smtp_reply_feed(&reply, "250 ", 4);
			while (reply.total + 1 < most)
				(void)qp_smtp_reply_feed(&reply, "", 1);
			assert_int_equal(reply.heard, QP_SMTP_MORE);
			(void)qp_smtp_reply_feed(&reply, "\n", 1);
			assert_int_equal(reply.heard,
			    most > QP_SMTP_REPLY_MOST ? QP_SMTP_NONSENSE : QP_SMTP_WHOLE);
		}
}

static void
offers_are_read_from_an_ehlo(void **state)
{
	static const struct {
		const char *line;
		qp_smtp_offers offers;
	} rows[] = {
	    {"SIZE 1000", {true, false, 1000}},
	    {"size", {true, false, 0}},
	    {"SIZE ", {true, false, 0}},
	    {"SIZE 0", {true, false, 0}},
	    {"SIZE 18446744073709551615", {true, false, UINT64_MAX}},
	    {"SIZE 18446744073709551616", {true, false, 0}},
	    {"SIZES 5", {false, false, 0}},
	    {"8BITMIME", {false, true, 0}},
	    {"8bitmime", {false, true, 0}},
	    {"8BITMIMES", {false, false, 0}},
	    {"", {false, false, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		qp_smtp_offers offers = {0};

		qp_smtp_offers_line(&offers, rows[i].line, strlen(rows[i].line));
		assert_int_equal(offers.size, rows[i].offers.size);
		assert_int_equal(offers.eight_bit, rows[i].offers.eight_bit);
		assert_true(offers.size_most == rows[i].offers.size_most);
	}
}

/* ---- bodies ---- */

static void
a_body_is_the_same_in_any_pieces(void **state)
{
	static const struct {
		const char *text, *wire;
		size_t size;
	} rows[] = {
	    {"", ".\r\n", 0},
	    {"a", "a\r\n.\r\n", 3},
	    {"a\r\n", "a\r\n.\r\n", 3},
	    {"a\n", "a\r\n.\r\n", 3},
	    {"a\r", "a\r\n.\r\n", 3},
	    {".", "..\r\n.\r\n", 3},
	    {"..\r\n.a\n.\r.", "...\r\n..a\r\n..\r\n..\r\n.\r\n", 14},
	    {"\r\n.\r\n", "\r\n..\r\n.\r\n", 5},
	    {"\n\r\n\r\r\n", "\r\n\r\n\r\n\r\n.\r\n", 8},
	    {"a\n.\nb\r.\r\n", "a\r\n..\r\nb\r\n..\r\n.\r\n", 12},
	    {"a.b\n.\r\n", "a.b\r\n..\r\n.\r\n", 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t a = 0; a <= strlen(rows[i].text); a++)
			for (size_t b = a; b <= strlen(rows[i].text); b++) {
				char out[64] = "";
				size_t all = strlen(rows[i].text), at;
				qp_smtp_body body;

				qp_smtp_body_begin(&body);
				at = qp_smtp_body_feed(&body, rows[i].text, a, out);
				at += qp_smtp_body_feed(&body, rows[i].text + a, b - a, out + at);
				at += qp_smtp_body_feed(&body, rows[i].text + b, all - b, out + at);
				at += qp_smtp_body_end(&body, out + at);
				assert_int_equal(at, strlen(rows[i].wire));
				assert_string_equal(out, rows[i].wire);
				assert_int_equal(body.size, rows[i].size);
			}
}

/* ---- secrets ---- */

static qpool_error said;

static qp_smtp_source *
make(const char *url, const qpool_smtp_options *options, qpool_options *pool)
{
	qpool_options scratch = qpool_options_init();
	qp_smtp_source *source = NULL;

	memset(&said, 0, sizeof said);
	if (qp_smtp_source_make(&source, url, options, pool != NULL ? pool : &scratch, &said) !=
	    QPOOL_OK)
		assert_null(source);
	return source;
}

static void
secrets_are_blotted_out_of_any_words(void **state)
{
	static const struct {
		const char *user, *password, *words, *shown;
	} rows[] = {
	    {"bobby", "bob", "no bobby, no bob", "no *****, no ***"},
	    {"bob", "bobby", "no bobby, no bob", "no *****, no ***"},
	    {"abc", "bcd", "abcd bcd abc", "**** *** ***"},
	    {"aba", "none", "ababa", "*****"},
	    {"j\xc3\xbcrg", "p\x01w\xc3\xa4", "user j??rg with p?w??", "user ***** with *****"},
	    {"me", "pass-word", "you said AG1lAHBhc3Mtd29yZA== and cGFzcy13b3Jk",
		"you said ******************== and ************"},
	    {"user", "pass-word", "dXNlcg== cGFzcy13b3Jk", "******== ************"},
	    {"user", "pass-word", "it is pass-wo", "it is *******"},
	    {"user", "pass-word", "a sound pa", "a sound pa"},
	    {"user", "pass-word", "a\r\nb\x80", "a??b?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		qpool_smtp_options given = qpool_smtp_options_init();
		char text[128];
		qp_smtp_source *s;

		given.host = "h";
		given.user = rows[i].user;
		given.password = rows[i].password;
		s = make(NULL, &given, NULL);
		assert_non_null(s);
		(void)snprintf(text, sizeof text, "%s", rows[i].words);
		qp_smtp_fault_hide(s, text);
		if (strcmp(text, rows[i].shown) != 0)
			fail_msg("row %zu: %s", i, text);
		qp_smtp_source_free(s);
	}
}

/* ---- addresses ---- */

static void
an_address_is_bare_and_ascii(void **state)
{
	static const char *const good[] = {"", "a@b", "a+b/c=d@e.f", "\"a b\"@c",
	    "\"<\\\"\\\\>\"@c", "postmaster", "\"a\"", "a@[IPv6:::1]"};
	char longest[QP_SMTP_ADDRESS_MOST + 2];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_null(qp_smtp_address_fault(good[i]));
	memset(longest, 'a', sizeof longest);
	longest[QP_SMTP_ADDRESS_MOST + 1] = '\0';
	assert_non_null(strstr(qp_smtp_address_fault(longest), "longer than 320"));
	longest[QP_SMTP_ADDRESS_MOST] = '\0';
	assert_null(qp_smtp_address_fault(longest));
	assert_non_null(strstr(qp_smtp_address_fault("a@b\r"), "line break"));
	assert_non_null(strstr(qp_smtp_address_fault("a@b\n"), "line break"));
	assert_non_null(strstr(qp_smtp_address_fault("\"\\\r\"@b"), "line break"));
	assert_non_null(strstr(qp_smtp_address_fault("j\xc3\xbcrg@b"), "SMTPUTF8"));
	assert_non_null(strstr(qp_smtp_address_fault("\x7f@b"), "control"));
	assert_non_null(strstr(qp_smtp_address_fault("\"\\\x7f\"@b"), "control"));
	assert_non_null(strstr(qp_smtp_address_fault("a@b>"), "bare"));
	assert_non_null(strstr(qp_smtp_address_fault("\"a@b"), "quote"));
	assert_non_null(strstr(qp_smtp_address_fault("\"a\\"), "quote"));
	assert_non_null(strstr(qp_smtp_address_fault("a\\\"> X=<\"@b"), "quote"));
	assert_non_null(strstr(qp_smtp_address_fault("a\"b\"@c"), "quote"));
	assert_non_null(strstr(qp_smtp_address_fault("\"a\"b@c"), "quote"));
}

/* ---- URLs and options ---- */

static void
a_url_says_all(void **state)
{
	static const struct {
		const char *url, *curl, *user, *password, *ca, *shown;
		uint32_t tls;
		bool verifies;
	} rows[] = {
	    {"smtp://h", "smtp://h:587/", NULL, NULL, NULL, "h:587", QPOOL_SMTP_STARTTLS, true},
	    {"SMTPS://h/", "smtps://h:465/", NULL, NULL, NULL, "h:465", QPOOL_SMTP_IMPLICIT, true},
	    {"smtp://u:p@h:25?tls=none&helo=me", "smtp://h:25/me", "u", "p", NULL, "h:25",
		QPOOL_SMTP_NONE, true},
	    {"smtp://a%40b:p%3A%2f@[::1]:2525?verify=0&ca=/x%20y", "smtp://[::1]:2525/", "a@b",
		"p:/", "/x y", "[::1]:2525", QPOOL_SMTP_STARTTLS, false},
	    {"smtp://u:p@q@h?tls=implicit&helo=[IPv6:::1]", "smtps://h:465/%5BIPv6:::1%5D", "u",
		"p@q", NULL, "h:465", QPOOL_SMTP_IMPLICIT, true},
	    {"smtp://h?tls=optional&verify=1", "smtp://h:587/", NULL, NULL, NULL, "h:587",
		QPOOL_SMTP_OPTIONAL, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		qp_smtp_source *s = make(rows[i].url, NULL, NULL);

		if (s == NULL) {
			fail_msg("%s: %s", rows[i].url, said.message);
			continue;
		}
		assert_string_equal(s->url, rows[i].curl);
		assert_string_equal(s->shown, rows[i].shown);
		assert_int_equal(s->tls, rows[i].tls);
		assert_int_equal(s->verifies, rows[i].verifies);
		assert_int_equal(s->user != NULL, rows[i].user != NULL);
		if (s->user != NULL)
			assert_string_equal(s->user, rows[i].user);
		if (s->password != NULL)
			assert_string_equal(s->password, rows[i].password);
		assert_int_equal(s->ca_file != NULL, rows[i].ca != NULL);
		if (s->ca_file != NULL)
			assert_string_equal(s->ca_file, rows[i].ca);
		assert_true(s->send_timeout == QPOOL_SEC(300));
		qp_smtp_source_free(s);
	}
}

/* No piece of what may be a password is in the message. */
static void
a_bad_url_is_refused_without_its_secrets(void **state)
{
	static const struct {
		const char *url, *says;
	} rows[] = {
	    {"http://u:hush@h", "smtp:// or smtps://"},
	    {"smtp:", "smtp:// or smtps://"},
	    {"", "smtp:// or smtps://"},
	    {"smtp://", "host"},
	    {"smtp://u:hush@", "host"},
	    {"smtp://u:hush@h:0", "port"},
	    {"smtp://u:hush@h:65536", "port"},
	    {"smtp://u:hush@h:", "port"},
	    {"smtp://u:hush", "port"},
	    {"smtp://u:hu/hush", "path"},
	    {"smtp://u:hush%zz@h", "password"},
	    {"smtp://u:hush%00@h", "01 to FF"},
	    {"smtp://u%:hush@h", "user"},
	    {"smtp://u:hush@h/path", "path"},
	    {"smtp://u:hush@h#x", "path"},
	    {"smtp://u:hu?sh@h", "@ behind the ?"},
	    {"smtp://u:1?hush@h", "@ behind the ?"},
	    {"smtp://u:hush@[::1", "]"},
	    {"smtp://u:hush@[::1]x", "between"},
	    {"smtp://u:hush@h?Hush=1", "something behind the ?"},
	    {"smtp://u:hush@h?tsl=1", "\"tsl\" is no word"},
	    {"smtp://u:hush@h?tls=hush", "tls in the url"},
	    {"smtp://u:hush@h?tls", "tls in the url"},
	    {"smtp://u:hush@h?ca=", "ca in the url"},
	    {"smtp://u:hush@h?ca=%4", "ca in the url"},
	    {"smtp://u:hush@h?verify=hush", "verify in the url"},
	    {"smtp://u:hush@h?helo=a%20b", "helo"},
	    {"smtp://u:hush@h?helo=a%0d%0ab", "helo"},
	    {"smtp://u:hush@h?send_timeout=0", "send_timeout in the url"},
	    {"smtp://u:hush@h?send_timeout=5", "send_timeout in the url"},
	    {"smtp://u:hush@h?pool_max_size=x", "max_size"},
	    {"smtp://u:hush@h?pool_nothing=1", "nothing"},
	    {"smtp://u:hush@h?tls=optional", "starttls or implicit"},
	    {"smtps://u:hush@h?tls=starttls", "smtps://"},
	    {"smtp://u:hush@h?sesame", "something behind the ?"},
	    {"smtp://u:hush@h?tls=none&sesame&", "something behind the ?"},
	    {"smtp://?tls=none", "no host is given"},
	    {"smtp://u@h", "there is a user and no password"},
	    {"smtp://:hush@h", "user"},
	    {"smtp://u:hush@h\xc3\xa9", "xn--"},
	    {"smtp://u:hush@h h", "host"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		qp_smtp_source *s = make(rows[i].url, NULL, NULL);

		if (s != NULL)
			fail_msg("%s is taken", rows[i].url);
		if (strstr(said.message, rows[i].says) == NULL ||
		    strstr(said.message, "must") == NULL || strstr(said.message, "hush") != NULL)
			fail_msg("%s: %s", rows[i].url, said.message);
		assert_int_equal(said.code, QPOOL_EINVAL);
	}
}

static void
options_are_judged(void **state)
{
	qpool_smtp_options good = qpool_smtp_options_init(), o;
	qp_smtp_source *s;

	(void)state;
	good.host = "h";
	good.user = "u";
	good.password = "p";
	good.send_timeout = QPOOL_SEC(1);
	s = make(NULL, &good, NULL);
	assert_non_null(s);
	assert_true(s->send_timeout == QPOOL_SEC(1));
	qp_smtp_source_free(s);
	good.flags = QPOOL_SMTP_NO_VERIFY;
	s = make(NULL, &good, NULL);
	assert_non_null(s);
	assert_false(s->verifies);
	qp_smtp_source_free(s);
	for (int i = 0; i < 11; i++) {
		o = good;
		o.tls = i == 0 ? 4 : 0;
		o.flags = i == 1 ? 2 : 0;
		o.port = i == 2 ? 65536 : 0;
		o.reserved_ = i == 3;
		o.send_timeout = i == 4 ? -1 : 0;
		o.host = i == 5 ? NULL : i == 6 ? "a/b" : "h";
		o.user = i == 7 ? NULL : "u";
		o.password = i == 8 ? NULL : "p";
		o.ca_file = i == 9 ? "" : NULL;
		o.helo = i == 10 ? "a b" : NULL;
		assert_null(make(NULL, &o, NULL));
		assert_non_null(strstr(said.message, "must"));
	}
	o = good;
	o.size = 3;
	assert_null(make(NULL, &o, NULL));
	smtp_says(&said, "qpool_smtp_options_init()");
}

static void
the_url_wins_and_tells_the_pool(void **state)
{
	qpool_smtp_options given = qpool_smtp_options_init();
	qpool_options pool = qpool_options_init();
	qp_smtp_source *s;

	(void)state;
	given.host = "other";
	given.port = 1;
	given.tls = QPOOL_SMTP_NONE;
	given.user = "u";
	given.password = "p";
	s = make("smtp://me@h:2?tls=starttls&send_timeout=2s&pool_max_size=3&pool_max_idle=1min",
	    &given, &pool);
	assert_non_null(s);
	assert_string_equal(s->shown, "h:2");
	assert_int_equal(s->tls, QPOOL_SMTP_STARTTLS);
	assert_string_equal(s->user, "me");
	assert_string_equal(s->password, "p");
	assert_true(s->send_timeout == QPOOL_SEC(2));
	assert_int_equal(pool.max_size, 3);
	assert_true(pool.max_idle == QPOOL_SEC(60));
	qp_smtp_source_free(s);
	assert_null(make("smtp://h?pool_max_size=4&x=1", &given, &pool));
	assert_int_equal(pool.max_size, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reply_is_the_same_in_any_pieces),
	    cmocka_unit_test(what_is_no_reply_is_known_at_once),
	    cmocka_unit_test(a_reply_is_no_longer_than_it_may_be),
	    cmocka_unit_test(offers_are_read_from_an_ehlo),
	    cmocka_unit_test(a_body_is_the_same_in_any_pieces),
	    cmocka_unit_test(secrets_are_blotted_out_of_any_words),
	    cmocka_unit_test(an_address_is_bare_and_ascii),
	    cmocka_unit_test(a_url_says_all),
	    cmocka_unit_test(a_bad_url_is_refused_without_its_secrets),
	    cmocka_unit_test(options_are_judged),
	    cmocka_unit_test(the_url_wins_and_tells_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
